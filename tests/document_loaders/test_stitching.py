"""Seams: whatever two pieces heard of what they share, it is told once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.document_loaders.stitching import concatenate, stitch
from orq_router_integrations.wire.transcripts import Span, Transcript


def said(
    text: str, first: float = 0.0, *, segments: bool = False, words: bool = True
) -> Transcript:
    """A second for each word."""
    tokens = text.split()
    spans = tuple(Span(word, first + at, first + at + 0.8) for at, word in enumerate(tokens))
    whole = Span(text, first, first + len(tokens))
    return Transcript(text, spans if words else (), (whole,) if segments else ())


@given(st.lists(st.sampled_from("abc"), min_size=8, max_size=40), st.data())
def test_words_with_times_are_joined_exactly(letters: list[str], data: st.DataObject) -> None:
    """Even where the same words come again and again, and each side lost words at its edge."""
    cut = data.draw(st.integers(3, len(letters) - 3))
    lost, more = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))
    left = said(" ".join(letters[: cut + more]), segments=True)
    right = said(" ".join(letters[cut - lost :]), cut - lost, segments=True)
    whole = stitch(left, right, cut)
    assert whole.text == " ".join(letters)
    assert [word.text for word in whole.words] == letters
    assert [word.start for word in whole.words] == list(range(len(letters)))
    assert " ".join(segment.text for segment in whole.segments) == " ".join(letters)


def test_times_that_differ_a_little_are_the_same_word() -> None:
    left = said("one two three four")
    right = said("three four five", 2.2)
    assert stitch(left, right, 3).text == "one two three four five"


def test_words_that_lost_their_punctuation_take_the_texts_along() -> None:
    left = replace(said("One two three four"), text="One, two. Three, four")
    right = replace(said("three four five", 2), text="three, four. Five!")
    assert stitch(left, right, 3).text == "One, two. Three, four. Five!"


def test_segments_are_trimmed_in_text_and_time() -> None:
    left = said("one two three four", segments=True, words=False)
    right = said("three four five six", 2, segments=True, words=False)
    first, second = stitch(left, right, 3.1).segments
    assert (first.text, first.start, first.end) == ("one two three", 0, 3.1)
    assert (second.text, second.start, second.end) == ("four five six", 3.1, 6)


def test_texts_without_times_are_joined_where_their_words_agree() -> None:
    left = said("We meet at noon in the old hou", words=False)
    right = said("eet at Noon, in the old house. Bring bread.", words=False)
    assert stitch(left, right, 0).text == "We meet at noon in the old house. Bring bread."


@pytest.mark.parametrize("right", ["Something else.", "", "A day in the sun, in the end."])
def test_texts_that_share_nothing_at_their_edges_lose_nothing(right: str) -> None:
    left = said("All of this is about the weather here", words=False)
    assert stitch(left, said(right, words=False), 0).text == f"{left.text} {right}".strip()


def test_line_ends_inside_a_text_stay() -> None:
    left = said("one\ntwo three", words=False)
    assert stitch(left, said("two three four", words=False), 0).text.startswith("one\ntwo three")


def test_pieces_that_share_nothing_are_put_one_behind_the_other() -> None:
    whole = concatenate(said("a b", segments=True), said("b c", 2, segments=True))
    assert (whole.text, len(whole.words), len(whole.segments)) == ("a b b c", 4, 2)


LEFT = "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u6211\u4eec\u53bb\u516c\u56ed\u73a9"
RIGHT = "\u6211\u4eec\u53bb\u516c\u56ed\u73a9\u7136\u540e\u56de\u5bb6\u5403\u996d"


def test_scripts_without_blanks_are_joined_sign_by_sign() -> None:
    """As text, with times of segments, and with times of words."""

    def heard(text: str, first: int, *, words: bool, segments: bool) -> Transcript:
        signs = tuple(Span(sign, first + at, first + at + 0.9) for at, sign in enumerate(text))
        whole = (Span(text, first, first + len(text)),)
        return Transcript(text, signs if words else (), whole if segments else ())

    for words, segments in ((False, False), (False, True), (True, False)):
        kinds = {"words": words, "segments": segments}
        whole = stitch(heard(LEFT, 0, **kinds), heard(RIGHT, 6, **kinds), 9, 6)
        assert whole.text == LEFT + RIGHT[6:]
        assert "".join(segment.text for segment in whole.segments) in {"", whole.text}
        assert "".join(word.text for word in whole.words) in {"", whole.text}


@pytest.mark.parametrize("refrain", ["no", "yes and no", "one two three four five six seven"])
@pytest.mark.parametrize("shared", [4, 6, 9])
def test_words_said_over_and_over_are_not_swallowed(refrain: str, shared: int) -> None:
    """As many go as both have heard, and not all that look alike; so nearly as can be told."""
    words = (refrain.split() * 60)[:60]
    left = said(" ".join(words[: 30 + shared]), words=False)
    right = said(" ".join(words[30:]), words=False)
    assert stitch(left, right, 0, shared + 0.4).text == " ".join(words)


def test_a_word_at_both_ends_of_what_is_shared_is_not_all_of_it() -> None:
    left = said("We went to see the old man in the", words=False)
    right = said("the old man in the house", words=False)
    assert stitch(left, right, 0, 2).text == "We went to see the old man in the house"

"""Merging of transcripts: each word of an overlap appears once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.document_loaders.chunking import AudioChunk
from orq_router_integrations.document_loaders.stitching import concatenate, merge_chunks, stitch
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.subtitles import Span
from orq_router_integrations.wire.transcriptions import Transcript


def create_transcript(
    text: str, start: float = 0.0, *, segments: bool = False, words: bool = True
) -> Transcript:
    """Create a transcript with one second per word."""
    tokens = text.split()
    word_spans = tuple(
        Span(token, start + index, start + index + 0.8) for index, token in enumerate(tokens)
    )
    segment = Span(text, start, start + len(tokens))
    return Transcript(text, word_spans if words else (), (segment,) if segments else ())


@pytest.mark.slow
@given(st.lists(st.sampled_from("abc"), min_size=8, max_size=40), st.data())
def test_timed_words_are_stitched_exactly(letters: list[str], data: st.DataObject) -> None:
    """Even if words repeat and each side lacks words at its edge."""
    cut = data.draw(st.integers(3, len(letters) - 3))
    before, after = data.draw(st.integers(0, 2)), data.draw(st.integers(0, 2))
    left = create_transcript(" ".join(letters[: cut + after]), segments=True)
    right = create_transcript(" ".join(letters[cut - before :]), cut - before, segments=True)
    stitched = stitch(left, right, cut, 2)
    assert stitched.text == " ".join(letters)
    assert [word.text for word in stitched.words] == letters
    assert [word.start for word in stitched.words] == list(range(len(letters)))
    assert " ".join(segment.text for segment in stitched.segments) == " ".join(letters)


def test_times_of_the_same_word_may_differ_slightly() -> None:
    left = create_transcript("one two three four")
    right = create_transcript("three four five", 2.2)
    assert stitch(left, right, 3, 2).text == "one two three four five"


def test_words_without_punctuation_match_the_text() -> None:
    left = replace(create_transcript("One two three four"), text="One, two. Three, four")
    right = replace(create_transcript("three four five", 2), text="three, four. Five!")
    assert stitch(left, right, 3, 2).text == "One, two. Three, four. Five!"


def test_segments_are_trimmed_in_text_and_time() -> None:
    left = create_transcript("one two three four", segments=True, words=False)
    right = create_transcript("three four five six", 2, segments=True, words=False)
    first, second = stitch(left, right, 3.1, 2).segments
    assert (first.text, first.start, first.end) == ("one two three", 0, 3.1)
    assert (second.text, second.start, second.end) == ("four five six", 3.1, 6)


def test_segments_that_start_in_both_chunks_are_kept_whole() -> None:
    left = Transcript("a b. c d.", segments=(Span("a b.", 0, 2), Span("c d.", 2, 4)))
    right = Transcript("b. c d. e f.", segments=(Span("b.", 1, 2), Span("c d.", 2, 4)))
    right = replace(right, segments=(*right.segments, Span("e f.", 4, 6)))
    assert [segment.text for segment in stitch(left, right, 3, 3).segments] == [
        "a b.",
        "c d.",
        "e f.",
    ]


def test_texts_without_times_are_stitched_by_their_words() -> None:
    left = create_transcript("We meet at noon in the old hou", words=False)
    right = create_transcript("eet at Noon, in the old house. Bring bread.", words=False)
    assert stitch(left, right, 0, 3).text == "We meet at noon in the old house. Bring bread."


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ("we left at noon and came back by mine", "left at noon and came back", "back"),
        ("left at noon and came back", "and we left at noon and came back late", "back late"),
    ],
    ids=["last-words", "first-words"],
)
def test_misheard_words_next_to_an_overlap_appear_once(
    left: str, right: str, expected: str
) -> None:
    """One text consists of the overlap, and the other has misheard words next to it."""
    stitched = stitch(
        create_transcript(left, words=False), create_transcript(right, words=False), 3, 6
    )
    assert stitched.text == f"{left[: left.index('came')]}came {expected}"


@pytest.mark.parametrize("text", ["Something else.", "", "A day in the sun, in the end."])
def test_texts_without_common_words_are_kept(text: str) -> None:
    left = create_transcript("All of this is about the weather here", words=False)
    right = create_transcript(text, words=False)
    assert stitch(left, right, 0, 3).text == f"{left.text} {text}".strip()


def test_line_breaks_are_kept() -> None:
    left = create_transcript("one\ntwo three", words=False)
    right = create_transcript("two three four", words=False)
    assert stitch(left, right, 0, 3).text.startswith("one\ntwo three")


def test_concatenate_keeps_all_words() -> None:
    left = create_transcript("a b", segments=True)
    right = create_transcript("b c", 2, segments=True)
    joined = concatenate(left, right)
    assert (joined.text, len(joined.words), len(joined.segments)) == ("a b b c", 4, 2)


LEFT = "\u4eca\u5929\u5929\u6c14\u5f88\u597d\u6211\u4eec\u53bb\u516c\u56ed\u73a9"
RIGHT = "\u6211\u4eec\u53bb\u516c\u56ed\u73a9\u7136\u540e\u56de\u5bb6\u5403\u996d"


def create_chinese_transcript(text: str, start: int, *, words: bool, segments: bool) -> Transcript:
    word_spans = tuple(
        Span(character, start + index, start + index + 0.9) for index, character in enumerate(text)
    )
    segment = Span(text, start, start + len(text))
    return Transcript(text, word_spans if words else (), (segment,) if segments else ())


@pytest.mark.parametrize(
    ("words", "segments"),
    [(False, False), (False, True), (True, False)],
    ids=["text", "segments", "words"],
)
def test_scripts_without_spaces_are_stitched_by_character(words: bool, segments: bool) -> None:
    left = create_chinese_transcript(LEFT, 0, words=words, segments=segments)
    right = create_chinese_transcript(RIGHT, 6, words=words, segments=segments)
    stitched = stitch(left, right, 9, 6)
    assert stitched.text == LEFT + RIGHT[6:]
    assert "".join(segment.text for segment in stitched.segments) in {"", stitched.text}
    assert "".join(word.text for word in stitched.words) in {"", stitched.text}


@pytest.mark.parametrize("refrain", ["no", "yes and no", "one two three four five six seven"])
@pytest.mark.parametrize("overlap_words", [4, 6, 9])
def test_repeated_words_are_removed_only_once(refrain: str, overlap_words: int) -> None:
    """The estimated overlap decides how many repetitions are duplicates."""
    words = (refrain.split() * 60)[:60]
    left = create_transcript(" ".join(words[: 30 + overlap_words]), words=False)
    right = create_transcript(" ".join(words[30:]), words=False)
    stitched = stitch(left, right, 0, overlap_words + 0.4, max_words=2 * overlap_words)
    assert stitched.text == " ".join(words)


def test_sentences_with_the_same_words_are_kept() -> None:
    left = create_transcript("Sentence one of this long talk.", words=False)
    right = create_transcript("Sentence two of this long talk.", words=False)
    stitched = stitch(left, right, 0, 1, max_words=2)
    assert stitched.text == f"{left.text} {right.text}"


def test_word_at_both_ends_of_the_overlap_is_not_a_repetition() -> None:
    left = create_transcript("We went to see the old man in the", words=False)
    right = create_transcript("the old man in the house", words=False)
    assert stitch(left, right, 0, 2).text == "We went to see the old man in the house"


def create_chunk(index: int, start: float, end: float) -> AudioChunk:
    upload = Upload(f"{index}.wav", "audio/wav", 0, lambda: None)
    return AudioChunk(index, upload, start, end)


CHUNKS = [create_chunk(0, 0, 4), create_chunk(1, 2, 6), create_chunk(2, 4, 8)]


def test_merged_times_are_relative_to_the_recording() -> None:
    texts = ["a b c d", "c d e f", "e f g h"]
    merged = merge_chunks(CHUNKS, [create_transcript(text) for text in texts])
    assert merged.text == "a b c d e f g h"
    assert [word.start for word in merged.words] == list(range(8))


def test_failed_chunks_are_not_stitched() -> None:
    gap = Span("", 0, 4, error="failed")
    failed = Transcript("", (gap,), (gap,))
    first, last = create_transcript("a b c d"), create_transcript("e f g h")
    merged = merge_chunks(CHUNKS, [first, failed, last])
    assert merged.text == "a b c d e f g h"
    assert [span.start for span in merged.words if span.error] == [2]


def test_speaker_labels_contain_the_chunk_number() -> None:
    spans = (Span("Hi.", 0, 1, "speaker_0"),)
    transcript = Transcript("Hi.", spans)
    merged = merge_chunks(CHUNKS, [transcript, Transcript(""), transcript])
    assert [word.speaker for word in merged.words] == ["1:speaker_0", "3:speaker_0"]

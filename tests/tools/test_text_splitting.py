"""Long texts are cut where a speaker would pause."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.tools.text_splitting import split_text


@pytest.mark.parametrize(
    ("text", "limit", "parts"),
    [
        ("Short.", 10, ["Short."]),
        ("  Blank around.  ", 13, ["Blank around."]),
        ("One. Two! Three? Four.", 9, ["One. Two!", "Three?", "Four."]),
        ('He said: "Go." Then he left.', 15, ['He said: "Go."', "Then he left."]),
        ("Pi is 3.14159 and no more. Yes.", 27, ["Pi is 3.14159 and no more.", "Yes."]),
        ("Dear both,\n\nhi. And this.", 16, ["Dear both,", "hi. And this."]),
        ("first line\nsecond line", 15, ["first line", "second line"]),
        ("one, two, three, four", 10, ["one, two,", "three,", "four"]),
        ("one two three four", 9, ["one two", "three", "four"]),
        ("abcdefghij", 4, ["abcd", "efgh", "ij"]),
        ("吾輩は猫である。名前はまだ無い。", 8, ["吾輩は猫である。", "名前はまだ無い。"]),
        ("「行け!」彼は言った。「今だ!」", 11, ["「行け!」彼は言った。", "「今だ!」"]),
        ("東京、大阪、京都、神戸", 6, ["東京、大阪、", "京都、神戸"]),
        ("यह एक है। यह दो है।", 10, ["यह एक है।", "यह दो है।"]),
        ("هل أنت بخير؟ نعم.", 13, ["هل أنت بخير؟", "نعم."]),
        ("ኣ። ቤ።", 3, ["ኣ።", "ቤ።"]),
        ("a" * 9 + " ." + " " * 30 + "b", 11, ["aaaaaaaaa .", "b"]),
    ],
)
def test_where_texts_are_cut(text, limit, parts):
    assert split_text(text, limit) == parts


@pytest.mark.parametrize(
    "character",
    [
        "e\u0301",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\U0001f44d\U0001f3fd",
        "\U0001f1f3\U0001f1f1",
        "\u2764\ufe0f",
    ],
)
def test_what_is_seen_as_one_character_stays_whole(character):
    for part in split_text(character * 20, 13):
        assert len(part) <= 13
        assert part.replace(character, "") == ""


def test_a_long_text_makes_few_pieces():
    text = "This is a sentence of some length, with a comma. " * 1000
    parts = split_text(text, 4096)
    assert len(parts) == 13
    assert all(part.endswith(".") for part in parts)


@pytest.mark.parametrize(
    "mark", [".", '."', ".!?", '"', "\u3002", " . ", "\n  x", "\N{COMBINING ACUTE ACCENT}"]
)
def test_rows_of_marks_take_no_time(mark):
    began = time.process_time()
    assert len(split_text(mark * (100_000 // len(mark)), 4096)) < 40
    assert time.process_time() - began < 2  # a search begun at each of them took half a minute


WORDS = st.text(st.sampled_from("ab .,!?\n。、\u0301\u200d\U0001f1e6é"), max_size=200)


@given(WORDS, st.integers(1, 40))
def test_nothing_but_white_space_is_lost(text, limit):
    parts = split_text(text, limit)
    assert all(0 < len(part) <= limit and part == part.strip() for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())

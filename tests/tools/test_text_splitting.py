"""Splitting of long texts at sentences, clauses and words."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.tools.text_splitting import split_text


@pytest.mark.parametrize(
    ("text", "max_chars", "chunks"),
    [
        ("Short.", 10, ["Short."]),
        ("  Blank around.  ", 13, ["Blank around."]),
        ("One. Two! Three? Four.", 9, ["One. Two!", "Three?", "Four."]),
        ('He said: "Go." Then he left.', 15, ['He said: "Go."', "Then he left."]),
        ("Pi is 3.14159 and no more. Yes.", 27, ["Pi is 3.14159 and no more.", "Yes."]),
        ("Dear both,\n\nhi. And this.", 16, ["Dear both,\n\nhi.", "And this."]),
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
def test_split_text(text, max_chars, chunks):
    assert split_text(text, max_chars) == chunks


def test_long_text_has_few_chunks():
    text = "This is a sentence of some length, with a comma. " * 1000
    chunks = split_text(text, 4096)
    assert len(chunks) == 13
    assert all(chunk.endswith(".") for chunk in chunks)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mark",
    [".", '."', ".!?", '"', "\u3002", " . ", "\n  x", "\N{COMBINING ACUTE ACCENT}"],
    ids=["period", "quoted", "mixed", "quote", "ideographic", "spaced", "lines", "accents"],
)
def test_runs_of_marks_take_linear_time(mark):
    """With quadratic time, four times the text would take sixteen times as long."""
    short, long = (_measure_seconds(mark * (size // len(mark))) for size in (100_000, 400_000))
    assert long < 12 * short + 0.5


def _measure_seconds(text: str) -> float:
    started_at = time.process_time()
    assert len(split_text(text, 4096)) < 150
    return time.process_time() - started_at


TEXTS = st.text(st.sampled_from("ab .,!?\n。、\u0301\u200d\U0001f1e6é"), max_size=200)


@given(TEXTS, st.integers(1, 40))
def test_only_white_space_is_removed(text, max_chars):
    chunks = split_text(text, max_chars)
    assert all(0 < len(chunk) <= max_chars and chunk == chunk.strip() for chunk in chunks)
    assert "".join("".join(chunks).split()) == "".join(text.split())

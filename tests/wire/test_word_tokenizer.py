"""Words, in scripts with and without blanks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.word_tokenizer import (
    joined_words,
    without_head,
    without_tail,
    words_of,
)

CHINESE = "\u4eca\u5929\u5929\u6c14\u597d\u3002"
THAI = "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35"

texts = st.lists(st.sampled_from(["Zo\u00eb,", "a", "end.", *CHINESE[:5], *THAI]), max_size=12)


@pytest.mark.parametrize("text", [CHINESE, THAI, "Good day.", f"OK {CHINESE} bye."])
def test_words_put_together_are_the_text(text: str) -> None:
    assert joined_words(words_of(text)) == text


@given(texts, st.integers(0, 12))
def test_a_text_is_cut_between_words(words: list[str], count: int) -> None:
    text = joined_words(words)
    assert words_of(text) == words
    assert words_of(without_tail(text, count)) == words[: max(0, len(words) - count)]
    assert words_of(without_head(text, count)) == words[count:]

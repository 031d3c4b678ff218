"""Words in scripts with and without spaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.word_tokenizer import (
    drop_first_words,
    drop_last_words,
    join_words,
    split_words,
)

CHINESE = "\u4eca\u5929\u5929\u6c14\u597d\u3002"
THAI = "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35"

word_lists = st.lists(st.sampled_from(["Zo\u00eb,", "a", "end.", *CHINESE[:5], *THAI]), max_size=12)


@pytest.mark.parametrize("text", [CHINESE, THAI, "Good day.", f"OK {CHINESE} bye."])
def test_joining_split_words_restores_text(text: str) -> None:
    assert join_words(split_words(text)) == text


@given(word_lists, st.integers(0, 12))
def test_words_can_be_dropped_at_either_end(words: list[str], count: int) -> None:
    text = join_words(words)
    assert split_words(text) == words
    assert split_words(drop_last_words(text, count)) == words[: max(0, len(words) - count)]
    assert split_words(drop_first_words(text, count)) == words[count:]

from uuid import UUID

import pytest

from orq_router_integrations.wire.arguments import validate_list, validate_texts

INVALID_TEXTS = {
    "str": ("abc", r"^texts: Expected a list of str, got str"),
    "None": (None, "got NoneType"),
    "number": (5, "got int"),
    "generator": ((text for text in "ab"), "got generator"),
    "item": (["a", 5], r"^texts\[1\]: Expected a str, got int"),
    "empty": (["a", "b", ""], r"^texts\[2\]: The text is empty"),
    "surrogate": (["a", "b\ud800"], r"^texts\[1\]: .*lone surrogate at position 1"),
}


@pytest.mark.parametrize(("texts", "message"), INVALID_TEXTS.values(), ids=INVALID_TEXTS)
def test_invalid_texts_raise(texts, message):
    with pytest.raises(ValueError, match=message):
        validate_texts(texts)


def test_sequences_become_lists():
    assert validate_texts(("a", "b")) == ["a", "b"]
    assert validate_list((1, 2), int, "numbers") == [1, 2]


def test_single_item_is_not_a_list():
    with pytest.raises(ValueError, match=r"^ids: Expected a list of UUIDs, got UUID"):
        validate_list(UUID(int=1), UUID, "ids")

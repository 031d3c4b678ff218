"""Checks of arguments that several integrations share."""

from uuid import UUID

import pytest

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.wire.arguments import (
    reject_unknown_arguments,
    suggest_name,
    validate_list,
    validate_texts,
)

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


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("temprature", " Did you mean 'temperature'?"),
        ("max_token", " Did you mean 'max_tokens'?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_closest_name_is_suggested(name, suggestion):
    assert suggest_name(name, ["temperature", "max_tokens"]) == suggestion


@pytest.mark.parametrize(
    ("name", "candidate"),
    [
        ("functions", "instructions"),
        ("budget_tokens", "custom_get_token_ids"),
        ("proxies", "profile"),
        ("verify", "verbosity"),
        ("tools", "controls"),
        ("text", "extras"),
    ],
)
def test_other_words_are_not_suggested(name, candidate):
    assert suggest_name(name, [candidate]) == ""


def test_no_suggestion_without_candidates():
    assert suggest_name("temperature", []) == ""


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"nam": 1}, "Unknown argument 'nam'. Did you mean 'name'?"),
        ({"name": "x", "zzz": 1}, "Unknown argument 'zzz'."),
        ({"spice": 1}, "Unknown argument 'spice'. Use 'name'."),
        ({"pinch": 1}, "Unknown argument 'pinch'. Use Spice(name=...)."),
        ({"salt": 1}, "Unknown argument 'salt'. It is a spice."),
        ({7: 1}, "Unknown argument '7'."),
    ],
)
def test_unknown_field_raises(data, message):
    hints = {"spice": "name", "pinch": "Spice(name=...)", "salt": "It is a spice."}
    with pytest.raises(ValueError, match="Unknown argument") as raised:
        reject_unknown_arguments(data, ["name"], hints)
    assert str(raised.value) == message


def test_warning_points_to_the_callers_line():
    controls = {"fallbacks": ["openai/gpt-4o"]}
    model = ChatOrq(model="openai/gpt-4o", controls=controls, client=OfflineRouter().client())
    for call in (model.invoke, lambda text: list(model.stream(text))):
        with pytest.warns(UserWarning, match="the model of the call") as warned:
            call("Hi")
        assert warned[0].filename == __file__

"""Error messages for unknown names, and warnings at the caller's line."""

import pytest
from pydantic import BaseModel, Field

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.wire.suggestions import reject_unknown_fields, suggest_name


class Spice(BaseModel):
    name: str
    from_: str = Field(default="", alias="from")


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


def test_no_suggestion_without_candidates():
    assert suggest_name("temperature", []) == ""


@pytest.mark.parametrize("data", [{"name": "salt"}, {"from": "here"}, {"from_": "x"}, {}, None, 7])
def test_known_fields_are_accepted(data):
    assert reject_unknown_fields(Spice, data) is data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"nam": 1}, "Unknown argument 'nam'. Did you mean 'name'?"),
        ({"name": "x", "zzz": 1}, "Unknown argument 'zzz'."),
        ({"spice": 1}, "Unknown argument 'spice'. Use 'name'."),
        ({7: 1}, "Unknown argument '7'."),
    ],
)
def test_unknown_field_raises(data, message):
    with pytest.raises(ValueError, match="Unknown argument") as raised:
        reject_unknown_fields(Spice, data, {"spice": "Use 'name'."})
    assert str(raised.value) == message


def test_warning_points_to_the_callers_line():
    controls = {"fallbacks": ["openai/gpt-4o"]}
    model = ChatOrq(model="openai/gpt-4o", controls=controls, client=OfflineRouter().client())
    for call in (model.invoke, lambda text: list(model.stream(text))):
        with pytest.warns(UserWarning, match="the model of the call") as warned:
            call("Hi")
        assert warned[0].filename == __file__

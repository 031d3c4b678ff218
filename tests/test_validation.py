"""What is wrong with a caller's input, in one line that names the field and the fix."""

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orq_router_integrations import ChatOrq, OfflineRouter, RouterControls
from orq_router_integrations.errors import MAX_TEXT_CHARS, RouterInputError, to_input_error
from orq_router_integrations.wire.suggestions import reject_unknown_fields, suggest_name


class Spice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    grams: int = Field(default=1, ge=1)
    from_: str = Field(default="", alias="from")


def refused(**members: object) -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        Spice(**members)
    return raised.value


def text(error: ValueError, known: tuple[str, ...] = ()) -> str:
    return to_input_error(error, candidates=known).message


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"name": "salt", "grams": 0}, ["grams:", "greater than or equal to 1", "not 0"]),
        ({"name": "salt", "grams": "few"}, ["grams:", "not 'few'"]),
        ({}, ["name: Field required"]),
        ({"name": 7, "grams": -1}, ["name:", "; grams:"]),
        ({"name": "salt", "gram": 1}, ["gram: unknown field. Did you mean 'grams'?"]),
        ({"name": "salt", "zzz": 1}, ["zzz: unknown"]),
    ],
)
def test_each_wrong_field_is_named(members, told):
    found = text(refused(**members), known=("name", "grams"))
    assert all(part in found for part in told)
    assert "\n" not in found
    assert "pydantic" not in found


def test_a_missing_field_shows_nothing_else_that_was_given():
    assert "4111" not in text(refused(grams=4111))


def test_a_nested_field_is_named_by_its_path():
    with pytest.raises(ValidationError) as raised:
        RouterControls(retry={"count": 9}, fallbacks=["openai/gpt-4o", "nonsense"])
    told = text(raised.value)
    assert "retry.count:" in told
    assert "fallbacks.1.model: Expected 'provider/model'" in told
    assert "Value error" not in told


def test_a_list_whose_members_are_wrong_is_not_called_too_short():
    with pytest.raises(ValidationError) as raised:
        RouterControls(load_balancer={"models": [{"model": "a/b", "wieght": 1}]})
    told = "load_balancer.models.0.wieght: unknown field. Did you mean 'weight'?"
    assert text(raised.value) == told


def test_a_wrong_value_is_shown_only_in_part():
    told = text(refused(name="salt", grams="few " * 2500))
    assert len(told) < 300


@pytest.mark.parametrize("length", [500, 100_000])
def test_no_base64_is_shown(length):
    assert "A" * 250 not in text(ValueError("not an image: " + "A" * length))


def test_a_plain_value_error_keeps_its_words():
    error = to_input_error(ValueError("stop: at most 4"), endpoint="/chat/completions")
    assert (error.message, error.endpoint) == ("stop: at most 4", "/chat/completions")
    assert isinstance(error, RouterInputError)
    assert len(str(to_input_error(ValueError("word " * 9999)))) <= MAX_TEXT_CHARS


def test_an_input_error_stays_itself():
    error = RouterInputError("n: too many")
    assert to_input_error(error) is error


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("temprature", " Did you mean 'temperature'?"),
        ("max_token", " Did you mean 'max_tokens'?"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_the_nearest_known_name_is_hinted_at(name, hint):
    assert suggest_name(name, ["temperature", "max_tokens"]) == hint


def test_without_known_names_there_is_no_hint():
    assert suggest_name("temperature", []) == ""


@pytest.mark.parametrize("given", [{"name": "salt"}, {"from": "here"}, {"from_": "x"}, {}, None, 7])
def test_known_keywords_pass(given):
    assert reject_unknown_fields(Spice, given) is given


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"nam": 1}, "Unknown argument 'nam'. Did you mean 'name'?"),
        ({"name": "x", "zzz": 1}, "Unknown argument 'zzz'."),
        ({7: 1}, "Unknown argument '7'."),
    ],
)
def test_an_unknown_keyword_is_refused(given, told):
    with pytest.raises(ValueError, match="Unknown argument") as raised:
        reject_unknown_fields(Spice, given)
    assert str(raised.value) == told


def test_a_warning_points_at_the_callers_line():
    controls = {"fallbacks": ["openai/gpt-4o"]}
    model = ChatOrq(model="openai/gpt-4o", controls=controls, client=OfflineRouter().client())
    for call in (model.invoke, lambda text: list(model.stream(text))):
        with pytest.warns(UserWarning, match="the model of the call itself") as warned:
            call("Hi")
        assert warned[0].filename == __file__

"""TypedDicts as schemas: conventions, and keys that are not required."""

import typing
from typing import Annotated, Any, NotRequired, Required

import pytest
from pydantic import Field
from support.chat import create_model, last_body
from support.strict_subset import find_strict_problems

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer

STRUCTURED = ("json_schema", "function_calling")


def get_schema(
    cls: Any, method: str = "json_schema", strict: bool | None = None
) -> tuple[dict[str, Any], Any]:
    """Return the schema that is sent for a TypedDict, and the parsed answer."""
    router = OfflineRouter()
    model = create_model(router)
    parsed = model.with_structured_output(cls, method=method, strict=strict).invoke("Answer")
    body = last_body(router)
    if method == "json_schema":
        return body["response_format"]["json_schema"]["schema"], parsed
    return body["tools"][0]["function"]["parameters"], parsed


class Address(typing.TypedDict, total=False):
    city: typing.Required[str]
    street: str


class Person(typing.TypedDict):
    """A person."""

    name: Annotated[str, "The full name."]
    age: typing.NotRequired[Annotated[int, ..., "The age in years."]]
    schema: Annotated[str, "plain", "Name of the schema."]
    email: Annotated[str | None, ..., "The address."]
    nickname: Annotated[str, None, "If known."]
    homes: typing.List[Address]  # noqa: UP006
    _work: NotRequired[Annotated[Address, ..., "Where they work."]]


def test_typed_dict_is_converted_with_its_conventions() -> None:
    schema, parsed = get_schema(Person)
    assert schema["required"] == ["name", "email", "homes"]
    assert schema["properties"]["name"] == {
        "type": "string",
        "description": "The full name.",
    }
    assert schema["properties"]["age"] == {"type": "integer", "description": "The age in years."}
    assert schema["properties"]["schema"]["default"] == "plain"
    assert schema["properties"]["nickname"] == {"type": "string", "description": "If known."}
    assert schema["properties"]["homes"]["items"]["required"] == ["city"]
    assert schema["properties"]["_work"]["description"] == "Where they work."
    assert parsed.keys() == schema["properties"].keys()


class Plain(typing.TypedDict):
    size: Annotated[int, Field(ge=3, description="The size.")]


class Incomplete(typing.TypedDict):
    a: "Undefined"  # type: ignore[name-defined]  # noqa: F821


def test_typed_dict_needs_no_docstring(model: ChatOrq) -> None:
    function = model.bind_tools([Plain]).kwargs["tools"][0]["function"]  # type: ignore[attr-defined]
    assert function["description"] == ""
    size = {"type": "integer", "minimum": 3, "description": "The size."}
    assert function["parameters"]["properties"] == {"size": size}


def test_typed_dict_with_an_undefined_name_raises(model: ChatOrq) -> None:
    with pytest.raises(RouterInputError, match=r"Cannot convert the schema .*Undefined"):
        model.with_structured_output(Incomplete)


@pytest.mark.parametrize("method", [*STRUCTURED, "json_mode"])
def test_keys_that_are_not_required_may_be_missing(method: str) -> None:
    content = '{"city": "Delft"}'
    answer = Answer(content)
    if method == "function_calling":
        answer = Answer(tool_calls=[{"name": "Address", "args": content}])
    router = OfflineRouter(answers=lambda _: answer)
    runnable = create_model(router).with_structured_output(Address, method=method)
    assert runnable.invoke("Hi") == {"city": "Delft"}


def test_strict_typed_dict_requires_every_key(model: ChatOrq) -> None:
    tools = model.bind_tools([Person], strict=True).kwargs["tools"]  # type: ignore[attr-defined]
    function = tools[0]["function"]
    assert (function["name"], function["description"]) == ("Person", "A person.")
    assert not find_strict_problems(function["parameters"])
    assert "_work" in function["parameters"]["required"]


class Quoted(typing.TypedDict):
    a: "NotRequired[int]"
    b: "Required[str]"
    c: "NotRequired[Annotated[int, ..., 'C.']]"
    d: "Annotated[NotRequired[int], 'D.']"


class Partial(typing.TypedDict, total=False):
    a: int
    b: "Required[str]"
    c: Required[str]


@pytest.mark.parametrize(("cls", "required"), [(Quoted, ["b"]), (Partial, ["b", "c"])], ids=str)
def test_qualifiers_in_quoted_annotations_are_read(cls: Any, required: list[str]) -> None:
    schema, parsed = get_schema(cls)
    assert schema["required"] == required
    assert parsed.keys() == schema["properties"].keys()

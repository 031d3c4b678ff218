"""TypedDicts as schemas: conventions, generic classes, keys that are not required."""

import typing
from typing import Annotated, Any, Generic, NotRequired, Required, TypeVar

import pytest
import typing_extensions
from jsonschema import Draft202012Validator
from pydantic import Field
from support.chat import create_model, last_body
from support.strict_subset import find_strict_problems

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer

T = TypeVar("T")
U = TypeVar("U")
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
    """A person.

    Args:
        name: The full name,
            with titles.
        age: The age in years.
    """

    name: str
    age: typing.NotRequired[int]
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
        "description": "The full name, with titles.",
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


def test_typed_dict_without_docstring(model: ChatOrq) -> None:
    function = model.bind_tools([Plain]).kwargs["tools"][0]["function"]  # type: ignore[attr-defined]
    assert function["description"] == ""
    size = {"type": "integer", "minimum": 3, "description": "The size."}
    assert function["parameters"]["properties"] == {"size": size}


def test_typed_dict_with_an_undefined_name_raises(model: ChatOrq) -> None:
    with pytest.raises(RouterInputError, match=r"Cannot convert the schema .*Undefined"):
        model.with_structured_output(Incomplete)


@pytest.mark.parametrize("method", [*STRUCTURED, "json_mode"])
def test_typed_dict_with_keys_that_are_not_required(method: str) -> None:
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


class Page(typing.TypedDict, Generic[T]):
    """A page."""

    items: list[T]
    first: NotRequired[T]


class Pair(typing_extensions.TypedDict, Generic[T, U]):
    left: T
    right: Annotated[U | None, ..., "The right one."]


class IntPage(Page[int]):
    number: int


class NamedPage(Page[U], Generic[U]):
    name: str


class Library(typing.TypedDict):
    pages: list[Page[str]]
    pair: NotRequired[Pair[int, Page[bool]]]


class Tree(typing.TypedDict, Generic[T]):
    value: T
    children: "list[Tree[T]]"


INTEGER, STRING = {"type": "integer"}, {"type": "string"}
GENERIC: dict[str, tuple[Any, dict[str, Any], list[str]]] = {
    "with an argument": (
        Page[int],
        {"items": {"type": "array", "items": INTEGER}, "first": INTEGER},
        ["items"],
    ),
    "with two arguments": (
        Pair[int, str],
        {
            "left": INTEGER,
            "right": {"anyOf": [STRING, {"type": "null"}], "description": "The right one."},
        },
        ["left", "right"],
    ),
    "subclass": (
        IntPage,
        {"items": {"type": "array", "items": INTEGER}, "first": INTEGER, "number": INTEGER},
        ["items", "number"],
    ),
    "generic subclass": (
        NamedPage[str],
        {"items": {"type": "array", "items": STRING}, "first": STRING, "name": STRING},
        ["items", "name"],
    ),
    "union as argument": (
        Page[int | str],
        {
            "items": {"type": "array", "items": {"anyOf": [INTEGER, STRING]}},
            "first": {"anyOf": [INTEGER, STRING]},
        },
        ["items"],
    ),
}


@pytest.mark.parametrize("method", STRUCTURED)
@pytest.mark.parametrize(("cls", "properties", "required"), GENERIC.values(), ids=GENERIC)
def test_generic_typed_dict(
    cls: Any, properties: dict[str, Any], required: list[str], method: str
) -> None:
    schema, parsed = get_schema(cls, method)
    assert (schema["properties"], schema["required"]) == (properties, required)
    assert parsed.keys() == schema["properties"].keys()


CLASSES = [Page[int], Pair[int, str], IntPage, NamedPage[str], Library, Tree[int], Page[Page[int]]]


@pytest.mark.parametrize("cls", CLASSES, ids=str)
@pytest.mark.parametrize("method", STRUCTURED)
def test_generic_typed_dict_in_strict_mode(cls: Any, method: str) -> None:
    schema, parsed = get_schema(cls, method, strict=True)
    assert not find_strict_problems(schema)
    Draft202012Validator(schema).validate(parsed)


def test_generic_typed_dict_within_another() -> None:
    schema, _ = get_schema(Library)
    pair = schema["properties"]["pair"]["properties"]
    assert pair["left"] == INTEGER
    page = pair["right"]["anyOf"][0]
    assert page["properties"]["items"] == {"type": "array", "items": {"type": "boolean"}}
    assert schema["required"] == ["pages"]


def test_recursive_generic_typed_dict() -> None:
    schema, _ = get_schema(Tree[int])
    (definition,) = schema["$defs"].values()
    assert definition["properties"]["value"] == INTEGER


def test_generic_typed_dict_without_arguments_allows_any_value(model: ChatOrq) -> None:
    schema, _ = get_schema(Page)
    assert schema["properties"]["first"] == {}
    with pytest.raises(RouterInputError, match="allows any value"):
        model.with_structured_output(Page, strict=True)


@pytest.mark.parametrize(
    ("cls", "name"), [(Page[int], "Page_int"), (Pair[int, Page[str]], "Pair_int_Page_str")], ids=str
)
def test_name_of_a_generic_typed_dict(model: ChatOrq, cls: Any, name: str) -> None:
    (tool,) = model.bind_tools([cls]).kwargs["tools"]  # type: ignore[attr-defined]
    assert tool["function"]["name"] == name


class Quoted(typing.TypedDict):
    a: "NotRequired[int]"
    b: "Required[str]"
    c: "NotRequired[Annotated[int, ..., 'C.']]"
    d: "Annotated[NotRequired[int], 'D.']"


class Partial(typing.TypedDict, total=False):
    a: int
    b: "Required[str]"
    c: "Required[typing_extensions.ReadOnly[str]]"
    d: "typing_extensions.ReadOnly[int]"


@pytest.mark.parametrize(("cls", "required"), [(Quoted, ["b"]), (Partial, ["b", "c"])], ids=str)
def test_qualifiers_in_quoted_annotations(cls: Any, required: list[str]) -> None:
    schema, parsed = get_schema(cls)
    assert schema["required"] == required
    assert parsed.keys() == schema["properties"].keys()

"""Schemas of tools and of structured output: recursion, strict mode, roots, names."""

import json
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Generic, Literal, TypeVar

import pytest
from jsonschema import Draft202012Validator
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy
from langchain_core.tools import BaseTool, InjectedToolArg, StructuredTool, tool
from pydantic import BaseModel, ConfigDict, Field, RootModel
from pydantic import create_model as create_pydantic_model
from support.chat import create_model, last_body
from support.strict_subset import find_dangling_refs, find_strict_problems
from typing_extensions import TypedDict

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer

T = TypeVar("T")


class Node(BaseModel):
    """A tree."""

    name: str
    children: list["Node"] = []


class Link(BaseModel):
    """A linked list."""

    value: int
    next: "Link | None" = Field(None, description="The next link.")


class Folder(BaseModel):
    """A folder."""

    files: list["File"]


class File(BaseModel):
    """A file."""

    name: str
    parent: Folder | None = None


class Book(BaseModel):
    """A book, which only contains something recursive."""

    title: str
    contents: Node


class Graph(BaseModel):
    """A graph."""

    edges: dict[str, "Graph"] = {}


class Tree(BaseModel, Generic[T]):
    """A generic tree."""

    item: T
    branches: list["Tree[T]"] = []


class TreeDict(TypedDict):
    """A tree."""

    name: str
    children: list["TreeDict"]


class JsonValue(RootModel[str | list["JsonValue"]]):
    """Text in lists in lists."""


RECURSIVE = {
    "list": Node,
    "optional": Link,
    "mutual": Folder,
    "nested": Book,
    "dict": Graph,
    "generic": Tree[int],
    "TypedDict": TreeDict,
    "root": JsonValue,
}
STRUCTURED = ("json_schema", "function_calling")


def get_sent_schema(body: dict[str, Any]) -> dict[str, Any]:
    """Return the only schema of a request."""
    if "response_format" in body:
        return dict(body["response_format"]["json_schema"]["schema"])
    return dict(body["tools"][0]["function"]["parameters"])


def run(schema: Any, prompt: str = "Answer", **kwargs: Any) -> tuple[dict[str, Any], Any]:
    """Return the schema that is sent and the parsed answer of the offline router."""
    router = OfflineRouter()
    parsed = create_model(router).with_structured_output(schema, **kwargs).invoke(prompt)
    return get_sent_schema(last_body(router)), parsed


def check_recursion(schema: dict[str, Any]) -> None:
    Draft202012Validator.check_schema(schema)
    assert schema["type"] == "object"
    assert '"$ref"' in json.dumps(schema)
    assert not find_dangling_refs(schema)
    assert '"items": {}' not in json.dumps(schema)


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("method", STRUCTURED)
@pytest.mark.parametrize("cls", RECURSIVE.values(), ids=RECURSIVE)
def test_recursive_schema_keeps_its_references(cls: Any, method: str, strict: Any) -> None:
    if cls is Graph:
        strict = None  # strict mode does not support dicts
    schema, parsed = run(cls, method=method, strict=strict)
    check_recursion(schema)
    assert isinstance(parsed, dict if cls is TreeDict else cls)
    assert not strict or not find_strict_problems(schema)


def test_json_schema_of_a_recursive_class_is_accepted() -> None:
    schema, parsed = run(Node.model_json_schema())
    check_recursion(schema)
    assert Node.model_validate(parsed)


def test_json_mode_parses_recursive_answers() -> None:
    router = OfflineRouter(answers=lambda _: Answer('{"name": "a", "children": [{"name": "b"}]}'))
    runnable = create_model(router).with_structured_output(Node, method="json_mode")
    assert runnable.invoke("JSON") == Node(name="a", children=[Node(name="b")])


def save(tree: Node, note: str = "") -> str:
    """Save a tree."""
    return f"saved {tree.name}{note}"


REMOTE_TOOL = StructuredTool(
    name="save",
    description="Save a tree.",
    args_schema={
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/Node"}},
        "$defs": Node.model_json_schema()["$defs"],
    },
    func=save,
)


class SaveTool(BaseTool):
    name: str = "save"
    description: str = "Save a tree."

    def _run(self, tree: Node) -> str:
        return tree.name


TOOLS = {
    "function": save,
    "tool": tool(save),
    "subclass of BaseTool": SaveTool(),
    "tool with a JSON schema": REMOTE_TOOL,
    "class": Book,
    "recursive class": Node,
    "JSON schema": Node.model_json_schema(),
}


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("tool_", TOOLS.values(), ids=TOOLS)
def test_recursive_tool_keeps_its_references(model: ChatOrq, tool_: Any, strict: Any) -> None:
    bound = model.bind_tools([tool_], strict=strict)
    (sent_tool,) = bound.kwargs["tools"]  # type: ignore[attr-defined]
    check_recursion(sent_tool["function"]["parameters"])
    assert not strict or not find_strict_problems(sent_tool["function"]["parameters"])


def test_injected_arguments_are_not_sent(model: ChatOrq) -> None:
    def greet(name: str, user: Annotated[str, InjectedToolArg]) -> str:
        """Greet."""
        return name + user

    for tool_ in (greet, tool(greet)):
        (sent_tool,) = model.bind_tools([tool_]).kwargs["tools"]  # type: ignore[attr-defined]
        assert sent_tool["function"]["parameters"]["properties"].keys() == {"name"}


@pytest.mark.parametrize("strict", [None, True])
def test_agent_accepts_a_recursive_response_format(router: OfflineRouter, strict: Any) -> None:
    strategy = ProviderStrategy(Node, strict=strict)
    agent = create_agent(create_model(router), response_format=strategy)
    answer = agent.invoke({"messages": [("user", "Answer")]})
    check_recursion(get_sent_schema(last_body(router)))
    assert isinstance(answer["structured_response"], Node)


def test_repeated_definitions_are_inlined() -> None:
    class Page(BaseModel):
        title: str

    class Pair(BaseModel):
        """Two pages."""

        first: Page
        second: Page

    schema, _ = run(Pair)
    assert schema["properties"]["first"]["properties"]["title"] == {"type": "string"}
    assert schema["properties"]["first"] == schema["properties"]["second"]
    assert "$defs" not in schema


def create_nested_class(levels: int) -> Any:
    """Create a class whose definitions refer twice to the next one, so that they form 2^n paths."""
    cls: Any = int
    for level in range(levels):
        cls = create_pydantic_model(f"Level{level}", left=(cls, ...), right=(cls, ...))
    return cls


NESTED = create_nested_class(40)
DEFINITIONS = {"Root": NESTED.model_json_schema(), **NESTED.model_json_schema()["$defs"]}
SCHEMAS = {
    "class": NESTED,
    "reference at the root": {"title": "Root", "$ref": "#/$defs/Root", "$defs": DEFINITIONS},
    "reference to a reference": {
        "title": "Root",
        "$ref": "#/$defs/Alias",
        "$defs": {"Alias": {"$ref": "#/$defs/Root"}, **DEFINITIONS},
    },
}


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_schema_that_inlining_would_multiply_keeps_its_references(
    schema: Any, strict: Any, model: ChatOrq
) -> None:
    (sent_tool,) = model.bind_tools([schema], strict=strict).kwargs["tools"]  # type: ignore[attr-defined]
    parameters = sent_tool["function"]["parameters"]
    check_recursion(parameters)
    assert len(json.dumps(parameters)) < 20_000
    assert not strict or not find_strict_problems(parameters)


POINTERS = {
    "root": {"properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}},
    "property": {
        "properties": {
            "a": {"type": "object", "properties": {"b": {"$ref": "#/properties/a"}}},
            "c": {"$ref": "#/properties/a"},
        }
    },
    "draft 7": {
        "properties": {"a": {"$ref": "#/definitions/A"}},
        "definitions": {"A": {"type": "array", "items": {"$ref": "#/definitions/A"}}},
    },
}


@pytest.mark.parametrize("schema", POINTERS.values(), ids=POINTERS)
def test_other_references_work_in_strict_mode(schema: dict[str, Any], model: ChatOrq) -> None:
    schema = {"title": "T", "type": "object", **schema}
    body = model.bind_tools([], response_format=schema, strict=True).kwargs  # type: ignore[attr-defined]
    assert not find_strict_problems(get_sent_schema(body))


def test_references_without_an_end_raise(model: ChatOrq) -> None:
    definitions = {"A": {"$ref": "#/$defs/B"}, "B": {"$ref": "#/$defs/A"}}
    schema = {"title": "T", "$ref": "#/$defs/A", "$defs": definitions}
    with pytest.raises(RouterInputError, match="must be an object"):
        model.bind_tools([schema])


def test_unknown_reference_raises(model: ChatOrq) -> None:
    schema = {"title": "T", "type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}}
    with pytest.raises(RouterInputError, match=r"refers to '#/\$defs/A'"):
        model.with_structured_output(schema, strict=True)


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Car(BaseModel):
    kind: Literal["car"]
    doors: int = Field(4, description="Number of doors.")


class Bike(BaseModel):
    kind: Literal["bike"]
    gears: int = Field(ge=1, le=30)


class Garage(BaseModel):
    """A garage."""

    items: list[Annotated[Car | Bike, Field(discriminator="kind")]]


class Order(BaseModel):
    """An order."""

    model_config = ConfigDict(extra="allow")

    price: Decimal = Field(ge=0, decimal_places=2)
    day: date
    color: Color = Field(Color.RED, description="The color.")
    code: str = Field(min_length=2, max_length=80, json_schema_extra={"pattern": "^(?=.)"})
    note: str | None = None
    mixed: Literal["a", 1, True] = "a"
    tags: set[str] = Field(default_factory=set, max_length=3)
    website: Annotated[str, Field(json_schema_extra={"format": "uri", "x-order": 1})] = ""
    main: Node = Field(description="The main node.")


class Empty(BaseModel):
    """Nothing."""


STRICT = {"union": Garage, "constraints": Order, "no properties": Empty, "generic": Tree[Bike]}


@pytest.mark.parametrize("method", STRUCTURED)
@pytest.mark.parametrize("cls", STRICT.values(), ids=STRICT)
def test_strict_schema_is_in_the_subset(cls: Any, method: str, router: OfflineRouter) -> None:
    model = create_model(router)
    model.with_structured_output(cls, method=method, strict=True, include_raw=True).invoke("Hi")
    assert not find_strict_problems(get_sent_schema(last_body(router)))


def test_strict_union_is_any_of_closed_objects() -> None:
    schema, _ = run(Garage, strict=True)
    car, bike = schema["properties"]["items"]["items"]["anyOf"]
    assert car["required"] == ["kind", "doors"]
    assert car["properties"]["doors"] == {
        "type": "integer",
        "description": "Number of doors. (default: 4)",
    }
    assert bike["properties"]["gears"] == {"type": "integer", "minimum": 1, "maximum": 30}
    assert "discriminator" not in json.dumps(schema)


def test_unsupported_constraints_become_part_of_the_description(model: ChatOrq) -> None:
    bound = model.bind_tools([Order], strict=True)
    properties = bound.kwargs["tools"][0]["function"]["parameters"]["properties"]  # type: ignore[attr-defined]
    assert properties["code"]["description"] == ('(pattern: "^(?=.)", minLength: 2, maxLength: 80)')
    assert properties["tags"]["description"] == "(uniqueItems: true)"
    assert properties["color"]["description"] == 'The color. (default: "red")'
    assert properties["mixed"]["type"] == ["boolean", "integer", "string"]


def test_strict_schema_has_types_and_no_all_of(model: ChatOrq) -> None:
    """Converters of OpenAPI create schemas with ``const`` and ``allOf``."""
    properties = {
        "kind": {"const": "car"},
        "name": {"allOf": [{"$ref": "#/$defs/Name"}], "description": "Full name."},
    }
    schema = {"title": "T", "properties": properties, "$defs": {"Name": {"type": "string"}}}
    bound = model.bind_tools([schema], strict=True)
    assert bound.kwargs["tools"][0]["function"]["parameters"]["properties"] == {  # type: ignore[attr-defined]
        "kind": {"const": "car", "type": ["string"]},
        "name": {"type": "string", "description": "Full name."},
    }


def test_schema_without_strict_keeps_defaults_and_constraints() -> None:
    schema, _ = run(Garage)
    car = schema["properties"]["items"]["items"]["oneOf"][0]
    assert car["properties"]["doors"]["default"] == 4


def create_class(type_: Any) -> type[BaseModel]:
    class Model(BaseModel):
        inner: type_

    return Model


class Outer(BaseModel):
    items: list[create_class(dict[str, int])]  # type: ignore[misc]


NOT_STRICT: dict[str, tuple[Any, str]] = {
    "dict": (create_class(dict[str, int]), "'inner' is an object with arbitrary keys"),
    "bare dict": (create_class(dict), "'inner' is an object with arbitrary keys"),
    "keys with a pattern": (
        {"title": "T", "type": "object", "properties": {}, "patternProperties": {"^a": {}}},
        "it is an object with arbitrary keys",
    ),
    "any": (create_class(Any), "'inner' allows any value"),
    "bare list": (create_class(list), "'inner[]' allows any value"),
    "list of any": (create_class(list[Any]), "'inner[]' allows any value"),
    "tuple": (create_class(tuple[int, str]), "'inner[]' allows any value"),
    "nested": (Outer, "'items[].inner' is an object with arbitrary keys"),
    "allOf": (
        {"title": "T", "properties": {"a": {"allOf": [{"type": "string"}, {"minLength": 1}]}}},
        "'a' allows any value",
    ),
}


@pytest.mark.parametrize(("schema", "error"), NOT_STRICT.values(), ids=NOT_STRICT)
def test_strict_rejects_what_the_subset_cannot_express(
    model: ChatOrq, schema: Any, error: str
) -> None:
    calls = [lambda: model.bind_tools([schema], strict=True)]
    for method in STRUCTURED:
        calls.append(
            lambda method=method: model.with_structured_output(schema, method=method, strict=True)
        )
    for call in calls:
        with pytest.raises(RouterInputError) as caught:
            call()
        assert error in str(caught.value)
        assert "do not set strict=True" in str(caught.value)


@pytest.mark.parametrize(
    "inner", [{"type": 5}, {"enum": 5}, {"anyOf": 5}, {"type": "object", "properties": [1]}]
)
def test_strict_rejects_invalid_json_schemas(model: ChatOrq, inner: Any) -> None:
    schema = {"title": "T", "type": "object", "properties": {"a": inner}}
    with pytest.raises(RouterInputError, match="valid JSON schema"):
        model.with_structured_output(schema, strict=True)


def test_strict_must_be_a_bool(model: ChatOrq) -> None:
    strict: Any = "yes"
    with pytest.raises(RouterInputError, match="'strict' must be a bool, got str"):
        model.bind_tools([Order], strict=strict)
    for method in STRUCTURED:
        with pytest.raises(RouterInputError, match="'strict' must be a bool, got str"):
            model.with_structured_output(Order, method=method, strict=strict)


def test_strict_applies_to_tools_that_are_dicts(model: ChatOrq) -> None:
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}}}
    function = {"name": "add", "parameters": parameters}
    functions = (function, {**function, "strict": False})
    tools = [{"type": "function", "function": function} for function in functions]
    first, second = model.bind_tools(tools, strict=True).kwargs["tools"]  # type: ignore[attr-defined]
    assert first["function"]["strict"] is True
    assert first["function"]["parameters"]["required"] == ["a"]
    assert second["function"] == functions[1]
    assert parameters == {"type": "object", "properties": {"a": {"type": "integer"}}}


class Numbers(RootModel[list[int]]):
    """Numbers."""


class Vehicle(RootModel[Car | Bike]):
    """A vehicle."""


class Word(RootModel[Literal["yes", "no"]]):
    """A word."""


class Scores(RootModel[dict[str, int]]):
    """Scores, which are an object already."""


ROOTS: dict[str, tuple[Any, Any, Any]] = {
    "list": (Numbers, [1, 2], Numbers([1, 2])),
    "union": (Vehicle, {"kind": "bike", "gears": 3}, Vehicle(Bike(kind="bike", gears=3))),
    "enum": (Word, "no", Word("no")),
    "recursive": (JsonValue, ["a", ["b"]], JsonValue.model_validate(["a", ["b"]])),
    "JSON schema": ({"title": "L", "type": "array", "items": {"type": "string"}}, ["a"], ["a"]),
    "nullable": ({"title": "N", "type": ["integer", "null"]}, None, None),
    "response format": ({"name": "s", "schema": {"type": "string"}}, "a", "a"),
}


@pytest.mark.parametrize("strict", [None, True])
@pytest.mark.parametrize("method", STRUCTURED)
@pytest.mark.parametrize(("schema", "value", "expected"), ROOTS.values(), ids=ROOTS)
async def test_root_that_is_not_an_object_is_wrapped(
    schema: Any, value: Any, expected: Any, method: str, strict: Any
) -> None:
    content = json.dumps({"value": value})
    name = schema.get("title", "s") if isinstance(schema, dict) else schema.__name__
    answer = Answer(content)
    if method == "function_calling":
        answer = Answer(tool_calls=[{"name": name, "args": content}])
    router = OfflineRouter(answers=lambda _: answer)
    runnable = create_model(router).with_structured_output(schema, method=method, strict=strict)
    assert runnable.invoke("Hi") == expected
    assert await runnable.ainvoke("Hi") == expected
    # LangChain's parsers do not stream None.
    assert list(runnable.stream("Hi"))[-1:] == ([] if expected is None else [expected])
    sent_schema = get_sent_schema(last_body(router))
    assert sent_schema["type"] == "object"
    assert sent_schema["properties"].keys() == {"value"}
    assert not strict or not find_strict_problems(sent_schema)


def test_value_that_is_not_wrapped_is_accepted() -> None:
    router = OfflineRouter(answers=lambda _: Answer("[1, 2]"))
    for method in ("json_schema", "json_mode"):
        runnable = create_model(router).with_structured_output(Numbers, method=method)
        assert runnable.invoke("Hi") == Numbers([1, 2])


def test_root_that_is_an_object_is_not_wrapped() -> None:
    router = OfflineRouter(answers=lambda _: Answer('{"value": 3}'))
    assert create_model(router).with_structured_output(Scores).invoke("Hi") == Scores({"value": 3})
    assert "value" not in get_sent_schema(last_body(router)).get("properties", {})


@pytest.mark.parametrize("schema", [Numbers, Vehicle, {"title": "L", "type": "array"}])
def test_root_that_cannot_be_unwrapped_raises(model: ChatOrq, schema: Any) -> None:
    with pytest.raises(RouterInputError, match="must be an object"):
        model.bind_tools([], response_format=schema)


def test_tool_whose_arguments_are_not_an_object_raises(model: ChatOrq) -> None:
    with pytest.raises(RouterInputError, match=r"tool 'Numbers'.*must be an object"):
        model.bind_tools([Numbers])


class Titled(BaseModel):
    model_config = ConfigDict(title="A title / with signs")

    a: int


NAMES = {
    "generic": (Tree[int], "Tree_int"),
    "title": (Titled, "A_title_with_signs"),
    "umlaut": ({"title": "Größe", "type": "object", "properties": {}}, "Gr_e"),
    "long": ({"title": "a" * 65, "type": "object", "properties": {}}, "a" * 64),
    "no ASCII": ({"title": "日本", "type": "object", "properties": {}}, "schema"),
    "response format": ({"name": "a b", "schema": {"type": "object"}}, "a_b"),
}


@pytest.mark.parametrize("schema", [{"type": "mcp"}, {"type": "function", "function": "f"}, {}])
def test_dict_that_is_not_a_schema_raises(model: ChatOrq, schema: Any) -> None:
    with pytest.raises(RouterInputError, match=r"has no name|Cannot convert the schema"):
        model.with_structured_output(schema)


@pytest.mark.parametrize("method", STRUCTURED)
@pytest.mark.parametrize(("schema", "name"), NAMES.values(), ids=NAMES)
def test_schema_names_are_made_valid(
    router: OfflineRouter, schema: Any, name: str, method: str
) -> None:
    parsed = create_model(router).with_structured_output(schema, method=method).invoke("Hi")
    body = last_body(router)
    if method == "json_schema":
        assert body["response_format"]["json_schema"]["name"] == name
    else:
        assert body["tools"][0]["function"]["name"] == name
    assert isinstance(parsed, schema if isinstance(schema, type) else dict)

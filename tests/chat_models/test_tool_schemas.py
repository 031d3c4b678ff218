"""Conversion of tools and tool choices."""

import copy
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool, tool
from pydantic import BaseModel, Field
from support.chat import create_model, last_body
from typing_extensions import TypedDict

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models.tool_schemas import convert_tools
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer


def add(a: int, b: int) -> int:
    """Add two numbers.

    Args:
        a: the first.
        b: the second.
    """
    return a + b


class Add(BaseModel):
    """Add two numbers."""

    a: int = Field(description="the first")
    b: int


class AddDict(TypedDict):
    """Add two numbers."""

    a: int
    b: int


class AddTool(BaseTool):
    name: str = "add"
    description: str = "Add two numbers."
    args_schema: type[BaseModel] = Add

    def _run(self, a: int, b: int) -> int:
        return a + b


NUMBERS = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
    "required": ["a", "b"],
}
FUNCTION = {"name": "add", "description": "Add two numbers.", "parameters": NUMBERS}
OPENAI = {"type": "function", "function": FUNCTION}

FLAT = {"type": "function", **FUNCTION}

FORMS = {
    "Responses API dict": (FLAT, "add"),
    "function": (add, "add"),
    "decorated function": (tool(add), "add"),
    "StructuredTool": (StructuredTool.from_function(add), "add"),
    "BaseTool": (AddTool(), "add"),
    "pydantic class": (Add, "Add"),
    "TypedDict": (AddDict, "AddDict"),
    "OpenAI dict": (OPENAI, "add"),
    "function dict": (FUNCTION, "add"),
    "Anthropic dict": (
        {"name": "add", "description": "Add two numbers.", "input_schema": NUMBERS},
        "add",
    ),
    "JSON schema": ({"title": "add", "description": "Add two numbers.", **NUMBERS}, "add"),
}


@pytest.mark.parametrize(("form", "name"), FORMS.values(), ids=FORMS)
def test_every_form_of_tool_is_sent_as_function(
    model: ChatOrq, router: OfflineRouter, form: Any, name: str
) -> None:
    answer = model.bind_tools([form]).invoke("Please add 1 and 2")
    (tool_,) = last_body(router)["tools"]
    function = tool_["function"]
    assert tool_["type"] == "function"
    assert function["name"] == name
    assert function["description"].startswith("Add two numbers.")
    assert function["parameters"]["required"] == ["a", "b"]
    assert set(function["parameters"]["properties"]) == {"a", "b"}
    assert answer.tool_calls[0]["name"] == name
    assert answer.tool_calls[0]["args"] == {"a": 1, "b": 2}


@pytest.mark.filterwarnings("ignore:This API is in beta")
def test_runnable_can_be_a_tool(model: ChatOrq, router: OfflineRouter) -> None:
    helper = model.as_tool(name="ask", description="Ask a model.", arg_types={"text": str})
    model.bind_tools([helper]).invoke("Hi")
    assert last_body(router)["tools"][0]["function"]["name"] == "ask"


def test_tool_may_have_no_parameters(model: ChatOrq, router: OfflineRouter) -> None:
    model.bind_tools([{"type": "function", "function": {"name": "now"}}]).invoke("Hi")
    parameters = last_body(router)["tools"][0]["function"]["parameters"]
    assert parameters == {"type": "object", "properties": {}}


def test_bind_tools_does_not_modify_the_tool(model: ChatOrq) -> None:
    tool_ = {"type": "function", "function": {"name": "now"}}
    original = copy.deepcopy(tool_)
    model.bind_tools([tool_])
    assert tool_ == original


def test_tools_are_converted_once_when_bound(model: ChatOrq) -> None:
    conversions: list[str] = []

    class Counted(BaseModel):
        """Count."""

        a: int

        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            conversions.append("schema")
            return super().model_json_schema(*args, **kwargs)

    bound = model.bind_tools([Counted])
    conversions_when_bound = len(conversions)
    bound.invoke("Hi")
    bound.invoke("Hi again")
    assert len(conversions) == conversions_when_bound > 0


CHOICES = [
    ("auto", "auto"),
    ("none", "none"),
    ("any", "required"),
    ("required", "required"),
    (True, "required"),
    (False, None),
    (None, None),
    ("add", {"type": "function", "function": {"name": "add"}}),
    (
        {"type": "function", "function": {"name": "add"}},
        {"type": "function", "function": {"name": "add"}},
    ),
    ({"type": "tool", "name": "add"}, {"type": "function", "function": {"name": "add"}}),
]


@pytest.mark.parametrize(
    ("choice", "expected"), CHOICES, ids=[str(choice) for choice, _ in CHOICES]
)
def test_tool_choice_is_converted(
    model: ChatOrq, router: OfflineRouter, choice: Any, expected: Any
) -> None:
    model.bind_tools([add, AddDict], tool_choice=choice).invoke("Hi")
    assert last_body(router).get("tool_choice") == expected


@pytest.mark.parametrize("choice", ["auto", "add", "any"])
def test_tool_choice_can_be_set_per_call(
    model: ChatOrq, router: OfflineRouter, choice: str
) -> None:
    bound = model.bind_tools([add], tool_choice="none")
    answer = bound.invoke("Hi", tool_choice=choice)
    assert bool(answer.tool_calls) == (choice != "auto")


UNKNOWN_CHOICES = {
    "name": "subtract",
    "OpenAI dict": {"type": "function", "function": {"name": "subtract"}},
    "Anthropic dict": {"type": "tool", "name": "subtract"},
    "Anthropic type": {"type": "any"},
    "malformed dict": {"type": "function", "function": "subtract"},
    "int": 7,
    "list": ["add"],
}


@pytest.mark.parametrize("choice", UNKNOWN_CHOICES.values(), ids=UNKNOWN_CHOICES)
def test_unknown_tool_choice_raises_and_lists_tools(model: ChatOrq, choice: Any) -> None:
    with pytest.raises(RouterInputError, match=r"Invalid tool_choice .* Functions: add, AddDict"):
        model.bind_tools([add, AddDict], tool_choice=choice)


@pytest.mark.parametrize("choice", ["any", "required", True, "add"])
def test_tool_choice_without_tools_raises(model: ChatOrq, choice: Any) -> None:
    with pytest.raises(RouterInputError, match="tool_choice"):
        model.bind_tools([], tool_choice=choice)


@pytest.mark.parametrize("strict", [True, False])
def test_strict_is_sent_with_every_tool(
    model: ChatOrq, router: OfflineRouter, strict: bool
) -> None:
    model.bind_tools([add, Add], strict=strict).invoke("Hi")
    functions = [tool_["function"] for tool_ in last_body(router)["tools"]]
    assert [function["strict"] for function in functions] == [strict, strict]
    additional = [function["parameters"].get("additionalProperties") for function in functions]
    assert (additional == [False, False]) == strict


def test_strict_is_not_sent_by_default(model: ChatOrq, router: OfflineRouter) -> None:
    model.bind_tools([add]).invoke("Hi")
    assert "strict" not in last_body(router)["tools"][0]["function"]


@pytest.mark.parametrize("parallel", [True, False, None])
def test_parallel_tool_calls_is_sent(
    model: ChatOrq, router: OfflineRouter, parallel: bool | None
) -> None:
    model.bind_tools([add], parallel_tool_calls=parallel).invoke("Hi")
    assert last_body(router).get("parallel_tool_calls") == parallel


def test_parallel_tool_calls_is_not_sent_without_tools(
    model: ChatOrq, router: OfflineRouter
) -> None:
    model.bind_tools([], parallel_tool_calls=True).invoke("Hi")
    assert last_body(router).keys() == {"model", "messages"}


def test_response_format_is_sent_with_tools(model: ChatOrq, router: OfflineRouter) -> None:
    model.bind_tools([add], response_format=Add, strict=True).invoke("Hi")
    response_format = last_body(router)["response_format"]
    assert response_format["type"] == "json_schema"
    json_schema = response_format["json_schema"]
    assert (json_schema["name"], json_schema["strict"]) == ("Add", True)
    assert json_schema["schema"]["required"] == ["a", "b"]
    assert last_body(router)["tools"][0]["function"]["name"] == "add"


def test_bind_tools_accepts_call_arguments(model: ChatOrq, router: OfflineRouter) -> None:
    model.bind_tools([add], temperature=0, controls={"name": "sums"}).invoke("Hi")
    assert last_body(router)["temperature"] == 0
    assert last_body(router)["name"] == "sums"


def create_tool(name: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": NUMBERS}}


INVALID_TOOLS = {
    "name with a space": (create_tool("add up"), "Invalid tool name 'add up'. Use 1 to 64"),
    "name with a dot": (create_tool("math.add"), "Invalid tool name 'math.add'. Use 1 to 64"),
    "name with an umlaut": (create_tool("addübung"), "Use 1 to 64"),
    "long name": (create_tool("a" * 65), "Use 1 to 64"),
    "empty name": (create_tool(""), "Use 1 to 64"),
    "int as name": (create_tool(5), "Use 1 to 64"),
    "no name": ({"type": "function", "function": {"description": "Add."}}, "name"),
    "server tool of another provider": (
        {"type": "web_search_preview"},
        "'web_search_preview' is not supported",
    ),
    "int": (5, "5"),
    "None": (None, "None"),
    "empty dict": ({}, "{}"),
}


@pytest.mark.parametrize(("tool_", "error"), INVALID_TOOLS.values(), ids=INVALID_TOOLS)
def test_invalid_tool_raises_when_bound(model: ChatOrq, tool_: Any, error: str) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.bind_tools([add, tool_])
    assert error in str(caught.value)


CYCLE: dict[str, Any] = {"type": "object"}
CYCLE["properties"] = {"a": CYCLE}
INVALID_SCHEMAS: dict[str, dict[str, Any]] = {
    "object": {"type": "object", "properties": {"a": object()}},
    "nan": {"type": "object", "properties": {"a": float("nan")}},
    "cycle": CYCLE,
}


@pytest.mark.parametrize("parameters", INVALID_SCHEMAS.values(), ids=INVALID_SCHEMAS)
@pytest.mark.parametrize("strict", [None, True])
def test_schema_that_is_not_json_raises(model: ChatOrq, parameters: Any, strict: Any) -> None:
    tool = {"type": "function", "function": {**FUNCTION, "parameters": parameters}}
    with pytest.raises(RouterInputError, match=r"tool 'add': parameters\."):
        model.bind_tools([tool], strict=strict)
    schema = {"title": "T", **parameters}
    for method in ("json_schema", "function_calling"):
        with pytest.raises(RouterInputError):
            model.with_structured_output(schema, method=method, strict=strict).invoke("Hi")


class Opaque:
    pass


class WithoutSchema(BaseModel):
    model_config = {"arbitrary_types_allowed": True}
    value: Opaque


def test_class_without_schema_raises(model: ChatOrq) -> None:
    for bind in (model.bind_tools, lambda classes: model.with_structured_output(*classes)):
        with pytest.raises(RouterInputError, match=r"Cannot convert .*WithoutSchema"):
            bind([WithoutSchema])


def test_two_calls_of_one_tool_have_different_ids() -> None:
    calls = [{"name": "add", "args": args} for args in ({"a": 1, "b": 2}, {"a": 3, "b": 4})]
    router = OfflineRouter(answers={"Hi": Answer(tool_calls=calls)})
    answer = create_model(router).bind_tools([add]).invoke("Hi")
    first, second = answer.tool_calls
    assert (first["args"], second["args"]) == ({"a": 1, "b": 2}, {"a": 3, "b": 4})
    assert first["id"] != second["id"]


SEARCH = {"type": "orq:tool_search"}
EXTRAS = {"defer_loading": True, "cache_control": {"type": "ephemeral"}, "input_examples": [1]}


def test_responses_api_receives_supported_tool_extras(router: OfflineRouter) -> None:
    model = create_model(router, api="responses")
    model.bind_tools([tool(extras=EXTRAS | {"strict": False})(add), SEARCH]).invoke("Hi")
    function, search = last_body(router)["tools"]
    assert function["defer_loading"] is True
    assert function["cache_control"] == {"type": "ephemeral"}
    assert function["strict"] is False
    assert "input_examples" not in function  # only supported by another provider
    assert search == SEARCH


def test_chat_completions_only_receives_strict_from_tool_extras(
    model: ChatOrq, router: OfflineRouter
) -> None:
    model.bind_tools([tool(extras=EXTRAS | {"strict": True})(add), add]).invoke("Hi")
    first, second = last_body(router)["tools"]
    assert first.keys() == {"type", "function"}
    assert first["function"]["strict"] is True
    assert "strict" not in second["function"]


SERVER_TOOLS = [
    {"type": "orq:web_search", "max_results": 3},
    {"type": "mcp", "server_url": "https://tools.example/mcp"},
]


@pytest.mark.parametrize("server_tool", SERVER_TOOLS, ids=["orq", "mcp"])
def test_server_tools_are_sent_unchanged(router: OfflineRouter, server_tool: Any) -> None:
    create_model(router, api="responses").bind_tools([server_tool]).invoke("Hi")
    assert last_body(router)["tools"] == [server_tool]


def test_references_of_a_json_schema_are_not_inlined() -> None:
    levels = 12  # inlined, the schema would have 4,096 copies of the last level
    definitions: dict[str, Any] = {f"A{levels}": {"type": "integer"}}
    for level in range(levels):
        properties = {name: {"$ref": f"#/$defs/A{level + 1}"} for name in ("left", "right")}
        definitions[f"A{level}"] = {"type": "object", "properties": properties}
    schema = {"title": "Tree", "type": "object", "properties": {"root": {"$ref": "#/$defs/A0"}}}
    [converted] = convert_tools([{**schema, "$defs": definitions}])
    assert converted["function"]["parameters"]["$defs"] == definitions

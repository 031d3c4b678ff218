"""Tools of every kind, and the choice between them."""

import copy
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool, tool
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer, ToolCall


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

KINDS = {
    "the Responses API's own form": (FLAT, "add"),
    "a function": (add, "add"),
    "a decorated function": (tool(add), "add"),
    "a structured tool": (StructuredTool.from_function(add), "add"),
    "a tool class of one's own": (AddTool(), "add"),
    "a pydantic class": (Add, "Add"),
    "a TypedDict": (AddDict, "AddDict"),
    "OpenAI's dict": (OPENAI, "add"),
    "a function dict": (FUNCTION, "add"),
    "Anthropic's dict": (
        {"name": "add", "description": "Add two numbers.", "input_schema": NUMBERS},
        "add",
    ),
    "a JSON schema": ({"title": "add", "description": "Add two numbers.", **NUMBERS}, "add"),
}


def body(router: OfflineRouter) -> dict[str, Any]:
    sent: dict[str, Any] = router.requests[-1].body
    return sent


@pytest.mark.parametrize(("kind", "name"), KINDS.values(), ids=KINDS)
def test_every_kind_of_tool_is_a_function_on_the_wire(
    model: ChatOrq, router: OfflineRouter, kind: Any, name: str
) -> None:
    answer = model.bind_tools([kind]).invoke("Please add 1 and 2")
    (sent,) = body(router)["tools"]
    function = sent["function"]
    assert sent["type"] == "function"
    assert function["name"] == name
    assert function["description"].startswith("Add two numbers.")
    assert function["parameters"]["required"] == ["a", "b"]
    assert set(function["parameters"]["properties"]) == {"a", "b"}
    assert answer.tool_calls[0]["name"] == name
    assert answer.tool_calls[0]["args"] == {"a": 1, "b": 2}


@pytest.mark.filterwarnings("ignore:This API is in beta")
def test_a_runnable_can_be_a_tool(model: ChatOrq, router: OfflineRouter) -> None:
    helper = model.as_tool(name="ask", description="Ask a model.", arg_types={"text": str})
    model.bind_tools([helper]).invoke("Hi")
    assert body(router)["tools"][0]["function"]["name"] == "ask"


def test_a_tool_without_parameters_gets_an_empty_object(
    model: ChatOrq, router: OfflineRouter
) -> None:
    model.bind_tools([{"type": "function", "function": {"name": "now"}}]).invoke("Hi")
    parameters = body(router)["tools"][0]["function"]["parameters"]
    assert parameters == {"type": "object", "properties": {}}


def test_binding_does_not_change_the_tool(model: ChatOrq) -> None:
    given = {"type": "function", "function": {"name": "now"}}
    before = copy.deepcopy(given)
    model.bind_tools([given])
    assert given == before


def test_tools_are_converted_once(model: ChatOrq) -> None:
    asked: list[str] = []

    class Counted(BaseModel):
        """Count."""

        a: int

        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            asked.append("schema")
            return super().model_json_schema(*args, **kwargs)

    bound = model.bind_tools([Counted])
    at_binding = len(asked)
    bound.invoke("Hi")
    bound.invoke("Hi again")
    assert at_binding > 0
    assert len(asked) == at_binding


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


@pytest.mark.parametrize(("choice", "wanted"), CHOICES, ids=[str(given) for given, _ in CHOICES])
def test_every_tool_choice_has_its_wire_form(
    model: ChatOrq, router: OfflineRouter, choice: Any, wanted: Any
) -> None:
    model.bind_tools([add, AddDict], tool_choice=choice).invoke("Hi")
    assert body(router).get("tool_choice") == wanted


@pytest.mark.parametrize("choice", ["auto", "add", "any"])
def test_a_choice_can_be_made_per_call(model: ChatOrq, router: OfflineRouter, choice: str) -> None:
    bound = model.bind_tools([add], tool_choice="none")
    answer = bound.invoke("Hi", tool_choice=choice)
    assert bool(answer.tool_calls) == (choice != "auto")


UNKNOWN_CHOICES = {
    "a name": "subtract",
    "OpenAI's dict": {"type": "function", "function": {"name": "subtract"}},
    "Anthropic's dict": {"type": "tool", "name": "subtract"},
    "a dict of another form": {"type": "function", "function": "subtract"},
    "a number": 7,
    "a list": ["add"],
}


@pytest.mark.parametrize("choice", UNKNOWN_CHOICES.values(), ids=UNKNOWN_CHOICES)
def test_a_choice_of_no_tool_names_the_tools_there_are(model: ChatOrq, choice: Any) -> None:
    with pytest.raises(RouterInputError, match=r"tool_choice\. Available tools: add, AddDict"):
        model.bind_tools([add, AddDict], tool_choice=choice)


@pytest.mark.parametrize("kind", ["any", "auto", "none"])
def test_anthropics_other_choices_are_told_their_name_here(model: ChatOrq, kind: str) -> None:
    with pytest.raises(RouterInputError, match=rf"tool_choice .* Use '{kind}'"):
        model.bind_tools([add], tool_choice={"type": kind})


@pytest.mark.parametrize("choice", ["any", "required", True, "add"])
def test_a_choice_without_tools_is_refused(model: ChatOrq, choice: Any) -> None:
    with pytest.raises(RouterInputError, match="tool_choice"):
        model.bind_tools([], tool_choice=choice)


@pytest.mark.parametrize("strict", [True, False])
def test_strict_goes_with_every_tool(model: ChatOrq, router: OfflineRouter, strict: bool) -> None:
    model.bind_tools([add, Add], strict=strict).invoke("Hi")
    functions = [sent["function"] for sent in body(router)["tools"]]
    assert [function["strict"] for function in functions] == [strict, strict]
    closed = [function["parameters"].get("additionalProperties") for function in functions]
    assert (closed == [False, False]) == strict


def test_strict_is_not_sent_unless_said(model: ChatOrq, router: OfflineRouter) -> None:
    model.bind_tools([add]).invoke("Hi")
    assert "strict" not in body(router)["tools"][0]["function"]


@pytest.mark.parametrize("parallel", [True, False, None])
def test_parallel_calls_are_sent_as_said(
    model: ChatOrq, router: OfflineRouter, parallel: bool | None
) -> None:
    model.bind_tools([add], parallel_tool_calls=parallel).invoke("Hi")
    assert body(router).get("parallel_tool_calls") == parallel


def test_parallel_calls_are_not_sent_without_tools(model: ChatOrq, router: OfflineRouter) -> None:
    model.bind_tools([], parallel_tool_calls=True).invoke("Hi")
    assert body(router).keys() == {"model", "messages"}


def test_a_response_format_goes_beside_the_tools(model: ChatOrq, router: OfflineRouter) -> None:
    model.bind_tools([add], response_format=Add, strict=True).invoke("Hi")
    wanted = body(router)["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["name"] == "Add"
    assert wanted["json_schema"]["strict"] is True
    assert wanted["json_schema"]["schema"]["required"] == ["a", "b"]
    assert body(router)["tools"][0]["function"]["name"] == "add"


def test_binding_takes_the_keywords_of_a_call(model: ChatOrq, router: OfflineRouter) -> None:
    model.bind_tools([add], temperature=0, controls={"name": "sums"}).invoke("Hi")
    assert body(router)["temperature"] == 0
    assert body(router)["name"] == "sums"


def named(name: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "parameters": NUMBERS}}


NO_TOOLS = {
    "a name with a blank": (named("add up"), "Invalid tool name 'add up'. Use 1 to 64"),
    "a name with a dot": (named("math.add"), "Invalid tool name 'math.add'. Use 1 to 64"),
    "an umlaut": (named("addübung"), "Use 1 to 64"),
    "a long name": (named("a" * 65), "Use 1 to 64"),
    "an empty name": (named(""), "Use 1 to 64"),
    "a number for a name": (named(5), "Use 1 to 64"),
    "no name": ({"type": "function", "function": {"description": "Add."}}, "name"),
    "a server's tool": ({"type": "web_search_preview"}, "'web_search_preview' is not supported"),
    "a number": (5, "5"),
    "nothing": (None, "None"),
    "an empty dict": ({}, "{}"),
}


@pytest.mark.parametrize(("bad", "hint"), NO_TOOLS.values(), ids=NO_TOOLS)
def test_what_is_no_tool_is_refused_at_binding(model: ChatOrq, bad: Any, hint: str) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.bind_tools([add, bad])
    assert hint in str(caught.value)


AROUND: dict[str, Any] = {"type": "object"}
AROUND["properties"] = {"a": AROUND}
NO_SCHEMAS = [{"type": "object", "properties": {"a": it}} for it in (object(), float("nan"))]


@pytest.mark.parametrize("odd", [*NO_SCHEMAS, AROUND], ids=["an object", "NaN", "a circle"])
@pytest.mark.parametrize("strict", [None, True])
def test_a_schema_that_is_not_json_is_refused_by_the_name_of_its_tool(
    model: ChatOrq, odd: Any, strict: Any
) -> None:
    tool = {"type": "function", "function": {**FUNCTION, "parameters": odd}}
    with pytest.raises(RouterInputError, match=r"tool 'add': parameters\."):
        model.bind_tools([tool], strict=strict)
    schema = {"title": "T", **odd}
    for method in ("json_schema", "function_calling"):
        with pytest.raises(RouterInputError):
            model.with_structured_output(schema, method=method, strict=strict).invoke("Hi")


class Unknown:
    pass


class Undescribed(BaseModel):
    model_config = {"arbitrary_types_allowed": True}
    it: Unknown


def test_a_class_without_a_schema_is_refused(model: ChatOrq) -> None:
    for bind in (model.bind_tools, lambda classes: model.with_structured_output(*classes)):
        with pytest.raises(RouterInputError, match=r"Cannot convert .*Undescribed"):
            bind([Undescribed])


def test_several_calls_are_told_apart(router: OfflineRouter) -> None:
    calls = (ToolCall("add", {"a": 1, "b": 2}), ToolCall("add", {"a": 3, "b": 4}))
    router = OfflineRouter(answers={"Hi": Answer(tool_calls=calls)})
    answer = ChatOrq(model="openai/gpt-4o", client=router.client()).bind_tools([add]).invoke("Hi")
    first, second = answer.tool_calls
    assert (first["args"], second["args"]) == ({"a": 1, "b": 2}, {"a": 3, "b": 4})
    assert first["id"] != second["id"]


SEARCH = {"type": "orq:tool_search"}
EXTRAS = {"defer_loading": True, "cache_control": {"type": "ephemeral"}, "input_examples": [1]}


def test_extras_that_the_responses_api_knows_go_with_a_tool(router: OfflineRouter) -> None:
    model = ChatOrq(model="openai/gpt-5", api="responses", client=router.client())
    model.bind_tools([tool(extras=EXTRAS | {"strict": False})(add), SEARCH]).invoke("Hi")
    sent, search = body(router)["tools"]
    assert sent["defer_loading"] is True
    assert sent["cache_control"] == {"type": "ephemeral"}
    assert sent["strict"] is False
    assert "input_examples" not in sent  # another provider's
    assert search == SEARCH


def test_of_a_tools_extras_a_chat_completion_knows_strict(
    model: ChatOrq, router: OfflineRouter
) -> None:
    model.bind_tools([tool(extras=EXTRAS | {"strict": True})(add), add]).invoke("Hi")
    first, second = body(router)["tools"]
    assert first.keys() == {"type", "function"}
    assert first["function"]["strict"] is True
    assert "strict" not in second["function"]


def test_a_tool_that_nothing_can_find_is_refused(router: OfflineRouter) -> None:
    model = ChatOrq(model="openai/gpt-5", api="responses", client=router.client())
    with pytest.raises(RouterInputError, match=r"'add' has defer_loading.*orq:tool_search"):
        model.bind_tools([tool(extras={"defer_loading": True})(add)])

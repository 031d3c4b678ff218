"""``with_structured_output``: its methods, schemas and errors."""

from functools import reduce
from operator import add
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable
from langchain_core.runnables.utils import AddableDict
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel
from support.chat import GPT, create_model, last_body
from typing_extensions import TypedDict

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import BadRequestError, RefusalError, RouterInputError
from orq_router_integrations.testing import Answer


class Joke(BaseModel):
    """A joke."""

    setup: str
    punchline: str


class JokeDict(TypedDict):
    """A joke."""

    setup: str
    punchline: str


JOKE_SCHEMA = {
    "title": "Joke",
    "description": "A joke.",
    "type": "object",
    "properties": {"setup": {"type": "string"}, "punchline": {"type": "string"}},
    "required": ["setup", "punchline"],
}
STRICT_JOKE_SCHEMA = {**JOKE_SCHEMA, "additionalProperties": False}
SCHEMAS = {"pydantic": Joke, "TypedDict": JokeDict, "JSON schema": JOKE_SCHEMA}
METHODS = ("json_schema", "function_calling", "json_mode")
JOKE = {"setup": "Why the cat?", "punchline": "Why not?"}
JOKE_JSON = '{"setup": "Why the cat?", "punchline": "Why not?"}'

every_method = pytest.mark.parametrize("method", METHODS)
every_schema = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)


def create_answer(method: str, content: str = JOKE_JSON, schema: Any = Joke) -> Answer:
    """Create an answer with ``content`` as tool call arguments or as text."""
    if method != "function_calling":
        return Answer(content)
    name = "JokeDict" if schema is JokeDict else "Joke"
    return Answer(tool_calls=[{"name": name, "args": content}])


def create_runnable(answer: Answer, schema: Any = Joke, **kwargs: Any) -> Runnable[Any, Any]:
    """Create a model with structured output that gives ``answer``."""
    router = OfflineRouter(answers=lambda _: answer)
    return create_model(router).with_structured_output(schema, **kwargs)


def send(schema: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the body of a request for structured output."""
    router = OfflineRouter(answers=lambda _: Answer(JOKE_JSON))
    model = create_model(router)
    model.with_structured_output(schema, include_raw=True, **kwargs).invoke("A joke")
    return last_body(router)


@every_method
@every_schema
def test_output_is_instance_or_dict(method: str, schema: Any) -> None:
    joke = create_runnable(create_answer(method, schema=schema), schema, method=method).invoke(
        "A joke"
    )
    assert joke == (Joke(**JOKE) if schema is Joke else JOKE)


@every_method
@every_schema
async def test_ainvoke_returns_the_same_output(method: str, schema: Any) -> None:
    joke = await create_runnable(
        create_answer(method, schema=schema), schema, method=method
    ).ainvoke("A joke")
    assert joke == (Joke(**JOKE) if schema is Joke else JOKE)


@every_method
@every_schema
def test_stream_ends_with_the_same_output(method: str, schema: Any) -> None:
    *_, last = create_runnable(create_answer(method, schema=schema), schema, method=method).stream(
        "A joke"
    )
    assert last == (Joke(**JOKE) if schema is Joke else JOKE)


@every_method
@every_schema
def test_include_raw_returns_the_message_and_the_parsed_output(method: str, schema: Any) -> None:
    runnable = create_runnable(
        create_answer(method, schema=schema), schema, method=method, include_raw=True
    )
    answer = runnable.invoke("A joke")
    assert isinstance(answer.pop("raw"), AIMessage)
    parsed = Joke(**JOKE) if schema is Joke else JOKE
    assert answer == {"parsed": parsed, "parsing_error": None}


@pytest.mark.parametrize("strict", [None, True, False])
@every_schema
def test_json_schema_sends_response_format(schema: Any, strict: bool | None) -> None:
    body = send(schema, method="json_schema", strict=strict)
    json_schema = body["response_format"]["json_schema"]
    assert body.keys() == {"model", "messages", "response_format"}
    assert body["response_format"]["type"] == "json_schema"
    assert json_schema["name"] in {"Joke", "JokeDict"}
    assert json_schema["description"] == "A joke."
    assert json_schema["schema"]["required"] == ["setup", "punchline"]
    assert json_schema.get("strict") == strict
    assert (json_schema["schema"].get("additionalProperties") is False) == bool(strict)


@pytest.mark.parametrize("strict", [None, True, False])
@every_schema
def test_function_calling_forces_the_tool(schema: Any, strict: bool | None) -> None:
    body = send(schema, method="function_calling", strict=strict)
    (tool,) = body["tools"]
    assert tool["function"]["parameters"]["required"] == ["setup", "punchline"]
    assert tool["function"].get("strict") == strict
    name = tool["function"]["name"]
    assert body["tool_choice"] == {"type": "function", "function": {"name": name}}
    assert body["parallel_tool_calls"] is False
    assert "response_format" not in body


@pytest.mark.parametrize("schema", [*SCHEMAS.values(), None], ids=[*SCHEMAS, "none"])
def test_json_mode_sends_no_schema(schema: Any) -> None:
    body = send(schema, method="json_mode")
    assert body["response_format"] == {"type": "json_object"}
    assert body.keys() == {"model", "messages", "response_format"}


def test_json_schema_is_the_default() -> None:
    assert send(Joke)["response_format"]["type"] == "json_schema"


def test_json_mode_needs_no_schema() -> None:
    assert create_runnable(Answer('{"a": 1}'), None, method="json_mode").invoke("JSON") == {"a": 1}


@pytest.mark.parametrize("schema", [{"type": "object"}, {}], ids=["without title", "empty"])
def test_json_mode_accepts_a_schema_that_is_not_sent(schema: dict[str, Any]) -> None:
    assert create_runnable(Answer('{"a": 1}'), schema, method="json_mode").invoke("JSON") == {
        "a": 1
    }


def test_response_format_dict_is_sent_unchanged() -> None:
    inner = {"name": "joke", "schema": STRICT_JOKE_SCHEMA, "strict": True}
    body = send({"type": "json_schema", "json_schema": inner})
    assert body["response_format"]["json_schema"] == inner


def test_call_arguments_are_accepted() -> None:
    assert send(Joke, temperature=0)["temperature"] == 0


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
@pytest.mark.parametrize(
    "fenced",
    [
        f"```json\n{JOKE_JSON}\n```",
        f"```\n{JOKE_JSON}\n```",
        f"Here you are:\n```json\n{JOKE_JSON}\n```",
    ],
)
def test_code_fences_are_removed(method: str, fenced: str) -> None:
    assert create_runnable(Answer(fenced), method=method).invoke("A joke") == Joke(**JOKE)


@every_method
@every_schema
def test_refusal_raises_with_reason(method: str, schema: Any) -> None:
    runnable = create_runnable(Answer(refusal="No jokes today."), schema, method=method)
    with pytest.raises(RefusalError, match=r"No jokes today\."):
        runnable.invoke("A joke")


@every_method
def test_refusal_in_stream_raises(method: str) -> None:
    runnable = create_runnable(Answer(refusal="No jokes today."), method=method)
    with pytest.raises(RefusalError, match=r"No jokes today\."):
        list(runnable.stream("A joke"))


@every_method
def test_refusal_is_the_parsing_error(method: str) -> None:
    runnable = create_runnable(Answer(refusal="No jokes today."), method=method, include_raw=True)
    answer = runnable.invoke("A joke")
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], RefusalError)
    assert answer["raw"].additional_kwargs["refusal"] == "No jokes today."


INVALID_ANSWERS = {
    "text": "no joke",
    "truncated": '{"setup": "Why the',
    "other object": '{"answer": 42}',
    "list": "[1, 2]",
}


@every_method
@pytest.mark.parametrize("words", INVALID_ANSWERS.values(), ids=INVALID_ANSWERS)
def test_answer_that_does_not_match_raises(method: str, words: str) -> None:
    with pytest.raises(OutputParserException):
        create_runnable(create_answer(method, words), method=method).invoke("A joke")


@every_method
@pytest.mark.parametrize("words", INVALID_ANSWERS.values(), ids=INVALID_ANSWERS)
def test_answer_that_does_not_match_is_the_parsing_error(method: str, words: str) -> None:
    answer = create_runnable(create_answer(method, words), method=method, include_raw=True).invoke(
        "A joke"
    )
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], OutputParserException)
    assert isinstance(answer["raw"], AIMessage)


@every_method
@pytest.mark.parametrize("words", ["no joke", "[1, 2]"])
def test_answer_that_is_not_a_dict_raises(method: str, words: str) -> None:
    with pytest.raises(OutputParserException):
        create_runnable(create_answer(method, words), JOKE_SCHEMA, method=method).invoke("A joke")


def test_text_instead_of_forced_tool_call_raises() -> None:
    with pytest.raises(OutputParserException):
        create_runnable(Answer("I would rather talk."), method="function_calling").invoke("A joke")


def test_failed_call_raises_with_include_raw() -> None:
    router = OfflineRouter(faults={GPT: 400})
    model = create_model(router)
    with pytest.raises(BadRequestError):
        model.with_structured_output(Joke, include_raw=True).invoke("A joke")


class StartRecorder(BaseCallbackHandler):
    """Record the options of each call."""

    def __init__(self) -> None:
        self.options: list[dict[str, Any]] = []

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        **kwargs: Any,
    ) -> None:
        self.options.append(kwargs["options"])


@every_method
@every_schema
def test_schema_is_traced_and_not_sent(method: str, schema: Any) -> None:
    recorder = StartRecorder()
    router = OfflineRouter(answers=lambda _: create_answer(method, schema=schema))
    model = create_model(router)
    structured = model.with_structured_output(schema, method=method)
    structured.invoke("A joke", config={"callbacks": [recorder]})
    (options,) = recorder.options
    output_format = options["ls_structured_output_format"]
    assert output_format["schema"] == convert_to_json_schema(schema)
    assert output_format["kwargs"]["method"] == method
    assert "ls_structured_output_format" not in router.requests[-1].body


INVALID_ARGUMENTS = {
    "no schema": (None, {}, "needs a schema"),
    "no schema for a tool": (None, {"method": "function_calling"}, "needs a schema"),
    "schema without title": ({"type": "object", "properties": {}}, {}, "title"),
    "tool without title": (
        {"type": "object", "properties": {}},
        {"method": "function_calling"},
        "title",
    ),
    "int": (5, {}, "5"),
    "empty title": ({**JOKE_SCHEMA, "title": ""}, {}, "title"),
    "incomplete response format": ({"type": "json_schema"}, {}, "json_schema"),
    "include_raw str": (Joke, {"include_raw": "x"}, "include_raw: "),
    "unknown method": (Joke, {"method": "xml"}, "Unknown method 'xml'"),
    "strict with json_mode": (
        Joke,
        {"method": "json_mode", "strict": True},
        "does not support 'strict'",
    ),
}


@pytest.mark.parametrize(
    ("schema", "kwargs", "error"), INVALID_ARGUMENTS.values(), ids=INVALID_ARGUMENTS
)
def test_invalid_arguments_raise(
    model: ChatOrq, schema: Any, kwargs: dict[str, Any], error: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.with_structured_output(schema, **kwargs)
    assert error in str(caught.value)


TRUNCATED = ['{"setup": "Why", "punchline": "Wh', '```json\n{"setup": "Why", "punchline": "Wh']


@every_schema
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
@pytest.mark.parametrize("words", TRUNCATED, ids=["plain", "fenced"])
def test_truncated_answer_is_not_completed(method: str, schema: Any, words: str) -> None:
    answer = Answer(words, finish_reason="length")
    with pytest.raises(OutputParserException, match="not complete JSON"):
        create_runnable(answer, schema, method=method).invoke("A joke")
    with pytest.raises(OutputParserException, match="not complete JSON"):
        list(create_runnable(answer, schema, method=method).stream("A joke"))


@pytest.mark.parametrize("method_name", ["invoke", "stream"])
def test_truncated_answer_mentions_the_token_limit(method_name: str) -> None:
    runnable = create_runnable(
        create_answer("function_calling"), method="function_calling", max_tokens=4
    )
    with pytest.raises(OutputParserException, match=r"Why t.*Increase max_tokens"):
        list(getattr(runnable, method_name)("A joke"))


@every_method
async def test_truncated_stream_ends_with_parsing_error(method: str) -> None:
    answer = create_answer(method, TRUNCATED[0])
    runnable = create_runnable(answer, method=method, include_raw=True)
    for output in (
        merge_chunks(list(runnable.stream("A joke"))),
        merge_chunks([chunk async for chunk in runnable.astream("A joke")]),
        await runnable.ainvoke("A joke"),
    ):
        assert isinstance(output["parsing_error"], OutputParserException)
        assert output["parsed"] is None
        assert isinstance(output["raw"], AIMessage)


def merge_chunks(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    return reduce(add, map(AddableDict, chunks))


INNER = {"name": "Joke", "schema": STRICT_JOKE_SCHEMA, "strict": True}


@pytest.mark.parametrize(
    "form", [INNER, {"type": "json_schema", "json_schema": INNER}], ids=["inner", "complete"]
)
def test_schema_may_be_a_response_format(form: dict[str, Any]) -> None:
    assert send(form)["response_format"]["json_schema"] == INNER
    function = send(form, method="function_calling")["tools"][0]["function"]
    assert (function["name"], function["strict"]) == ("Joke", True)
    assert function["parameters"]["properties"] == JOKE_SCHEMA["properties"]


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
def test_tools_can_be_passed(router: OfflineRouter, api: str) -> None:
    runnable = create_model(router, api=api).with_structured_output(Joke, tools=[get_weather])
    assert isinstance(runnable.invoke("Hi"), Joke)
    assert len(last_body(router)["tools"]) == 1


CONFLICTS: dict[str, dict[str, Any]] = {
    "tools": {"method": "function_calling", "tools": [get_weather]},
    "tool_choice": {"method": "function_calling", "tool_choice": "auto"},
    "parallel_tool_calls": {"method": "function_calling", "parallel_tool_calls": True},
    "response_format": {"response_format": {"type": "text"}},
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_argument_that_the_method_sets_raises(model: ChatOrq, name: str) -> None:
    with pytest.raises(RouterInputError, match=f"'{name}' is set by method="):
        model.with_structured_output(Joke, **CONFLICTS[name])

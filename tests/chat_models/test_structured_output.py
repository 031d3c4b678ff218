"""Structured output: three methods, three kinds of schema, and what can go wrong."""

from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable
from langchain_core.runnables.utils import AddableDict
from langchain_core.utils.function_calling import convert_to_json_schema
from pydantic import BaseModel
from typing_extensions import TypedDict

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import BadRequestError, RefusalError, RouterInputError
from orq_router_integrations.testing import Answer, ToolCall


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
SCHEMAS = {"pydantic": Joke, "TypedDict": JokeDict, "JSON schema": JOKE_SCHEMA}
METHODS = ("json_schema", "function_calling", "json_mode")
WANTED = {"setup": "Why the cat?", "punchline": "Why not?"}
AS_JSON = '{"setup": "Why the cat?", "punchline": "Why not?"}'

every_method = pytest.mark.parametrize("method", METHODS)
every_schema = pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)


def said(method: str, words: str) -> Answer:
    """The answer whose structure is these words: in a call of the tool, or as text."""
    return Answer(tool_calls=(ToolCall("Joke", words),)) if method == METHODS[1] else Answer(words)


def asking(answer: Answer, schema: Any = Joke, **kwargs: Any) -> Runnable[Any, Any]:
    router = OfflineRouter(answers=lambda _: answer)
    model = ChatOrq(model="openai/gpt-4o", client=router.client())
    return model.with_structured_output(schema, **kwargs)


def sent_with(schema: Any, **kwargs: Any) -> dict[str, Any]:
    router = OfflineRouter(answers=lambda _: Answer(AS_JSON))
    model = ChatOrq(model="openai/gpt-4o", client=router.client())
    model.with_structured_output(schema, include_raw=True, **kwargs).invoke("A joke")
    body: dict[str, Any] = router.requests[-1].body
    return body


def answer_for(method: str, schema: Any) -> Answer:
    name = "JokeDict" if schema is JokeDict else "Joke"
    tool_call = ToolCall(name, AS_JSON)
    return Answer(tool_calls=(tool_call,)) if method == "function_calling" else Answer(AS_JSON)


@every_method
@every_schema
def test_output_is_instance_or_dict(method: str, schema: Any) -> None:
    joke = asking(answer_for(method, schema), schema, method=method).invoke("A joke")
    assert joke == (Joke(**WANTED) if schema is Joke else WANTED)


@every_method
@every_schema
async def test_it_is_the_same_when_awaited(method: str, schema: Any) -> None:
    joke = await asking(answer_for(method, schema), schema, method=method).ainvoke("A joke")
    assert joke == (Joke(**WANTED) if schema is Joke else WANTED)


@every_method
@every_schema
def test_stream_ends_with_the_same_output(method: str, schema: Any) -> None:
    *_, last = asking(answer_for(method, schema), schema, method=method).stream("A joke")
    assert last == (Joke(**WANTED) if schema is Joke else WANTED)


@every_method
@every_schema
def test_include_raw(method: str, schema: Any) -> None:
    both = asking(answer_for(method, schema), schema, method=method, include_raw=True)
    answer = both.invoke("A joke")
    assert isinstance(answer.pop("raw"), AIMessage)
    parsed = Joke(**WANTED) if schema is Joke else WANTED
    assert answer == {"parsed": parsed, "parsing_error": None}


@pytest.mark.parametrize("strict", [None, True, False])
@every_schema
def test_json_schema_sends_response_format(schema: Any, strict: bool | None) -> None:
    body = sent_with(schema, method="json_schema", strict=strict)
    wanted = body["response_format"]["json_schema"]
    assert body.keys() == {"model", "messages", "response_format"}
    assert body["response_format"]["type"] == "json_schema"
    assert wanted["name"] in {"Joke", "JokeDict"}
    assert wanted["description"] == "A joke."
    assert wanted["schema"]["required"] == ["setup", "punchline"]
    assert wanted.get("strict") == strict
    assert (wanted["schema"].get("additionalProperties") is False) == bool(strict)


@pytest.mark.parametrize("strict", [None, True, False])
@every_schema
def test_function_calling_forces_the_tool(schema: Any, strict: bool | None) -> None:
    body = sent_with(schema, method="function_calling", strict=strict)
    (tool,) = body["tools"]
    assert tool["function"]["parameters"]["required"] == ["setup", "punchline"]
    assert tool["function"].get("strict") == strict
    name = tool["function"]["name"]
    assert body["tool_choice"] == {"type": "function", "function": {"name": name}}
    assert body["parallel_tool_calls"] is False
    assert "response_format" not in body


@pytest.mark.parametrize("schema", [*SCHEMAS.values(), None], ids=[*SCHEMAS, "none"])
def test_json_mode_sends_no_schema(schema: Any) -> None:
    body = sent_with(schema, method="json_mode")
    assert body["response_format"] == {"type": "json_object"}
    assert body.keys() == {"model", "messages", "response_format"}


def test_json_schema_is_the_default() -> None:
    assert sent_with(Joke)["response_format"]["type"] == "json_schema"


def test_json_mode_needs_no_schema() -> None:
    assert asking(Answer('{"a": 1}'), None, method="json_mode").invoke("JSON") == {"a": 1}


def test_response_format_dict_is_sent_unchanged() -> None:
    inner = {"name": "joke", "schema": JOKE_SCHEMA, "strict": True}
    body = sent_with({"type": "json_schema", "json_schema": inner})
    assert body["response_format"]["json_schema"] == inner


def test_call_arguments_are_accepted() -> None:
    assert sent_with(Joke, temperature=0)["temperature"] == 0


@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
@pytest.mark.parametrize(
    "fenced",
    [f"```json\n{AS_JSON}\n```", f"```\n{AS_JSON}\n```", f"Here you are:\n```json\n{AS_JSON}\n```"],
)
def test_code_fences_are_removed(method: str, fenced: str) -> None:
    assert asking(Answer(fenced), method=method).invoke("A joke") == Joke(**WANTED)


@every_method
@every_schema
def test_refusal_raises_with_reason(method: str, schema: Any) -> None:
    refused = asking(Answer(refusal="No jokes today."), schema, method=method)
    with pytest.raises(RefusalError, match=r"No jokes today\."):
        refused.invoke("A joke")


@every_method
def test_refusal_in_stream_raises(method: str) -> None:
    refused = asking(Answer(refusal="No jokes today."), method=method)
    with pytest.raises(RefusalError, match=r"No jokes today\."):
        list(refused.stream("A joke"))


@every_method
def test_refusal_is_the_parsing_error(method: str) -> None:
    refused = asking(Answer(refusal="No jokes today."), method=method, include_raw=True)
    answer = refused.invoke("A joke")
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], RefusalError)
    assert answer["raw"].additional_kwargs["refusal"] == "No jokes today."


UNUSABLE = {
    "not JSON": "no joke",
    "cut off": '{"setup": "Why the',
    "another object": '{"answer": 42}',
    "no object": "[1, 2]",
}


@every_method
@pytest.mark.parametrize("words", UNUSABLE.values(), ids=UNUSABLE)
def test_answer_that_does_not_match_raises(method: str, words: str) -> None:
    with pytest.raises(OutputParserException):
        asking(said(method, words), method=method).invoke("A joke")


@every_method
@pytest.mark.parametrize("words", UNUSABLE.values(), ids=UNUSABLE)
def test_answer_that_does_not_match_is_the_parsing_error(method: str, words: str) -> None:
    answer = asking(said(method, words), method=method, include_raw=True).invoke("A joke")
    assert answer["parsed"] is None
    assert isinstance(answer["parsing_error"], OutputParserException)
    assert isinstance(answer["raw"], AIMessage)


@every_method
@pytest.mark.parametrize("words", ["no joke", "[1, 2]"])
def test_answer_that_is_not_a_dict_raises(method: str, words: str) -> None:
    with pytest.raises(OutputParserException):
        asking(said(method, words), JOKE_SCHEMA, method=method).invoke("A joke")


def test_text_instead_of_forced_tool_call_raises() -> None:
    with pytest.raises(OutputParserException):
        asking(Answer("I would rather talk."), method="function_calling").invoke("A joke")


def test_failed_call_raises_with_include_raw() -> None:
    router = OfflineRouter(faults={"openai/gpt-4o": 400})
    model = ChatOrq(model="openai/gpt-4o", client=router.client())
    with pytest.raises(BadRequestError):
        model.with_structured_output(Joke, include_raw=True).invoke("A joke")


class Started(BaseCallbackHandler):
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
    started = Started()
    router = OfflineRouter(answers=lambda _: answer_for(method, schema))
    model = ChatOrq(model="openai/gpt-4o", client=router.client())
    structured = model.with_structured_output(schema, method=method)
    structured.invoke("A joke", config={"callbacks": [started]})
    (options,) = started.options
    traced = options["ls_structured_output_format"]
    assert traced["schema"] == convert_to_json_schema(schema)
    assert traced["kwargs"]["method"] == method
    assert "ls_structured_output_format" not in router.requests[-1].body


NO_SCHEMAS = {
    "no schema": (None, {}, "needs a schema"),
    "no schema for a tool": (None, {"method": "function_calling"}, "needs a schema"),
    "a schema without title": ({"type": "object", "properties": {}}, {}, "title"),
    "a tool without title": (
        {"type": "object", "properties": {}},
        {"method": "function_calling"},
        "title",
    ),
    "a number": (5, {}, "5"),
    "a title with a blank": ({**JOKE_SCHEMA, "title": "a b"}, {}, "Use 1 to 64"),
    "a long title": ({**JOKE_SCHEMA, "title": "a" * 65}, {}, "Use 1 to 64"),
    "an unfinished response format": ({"type": "json_schema"}, {}, "json_schema"),
    "an unknown method": (Joke, {"method": "xml"}, "Unknown method 'xml'"),
    "strict JSON mode": (
        Joke,
        {"method": "json_mode", "strict": True},
        "does not support 'strict'",
    ),
}


@pytest.mark.parametrize(("schema", "kwargs", "hint"), NO_SCHEMAS.values(), ids=NO_SCHEMAS)
def test_invalid_arguments_raise(
    model: ChatOrq, schema: Any, kwargs: dict[str, Any], hint: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.with_structured_output(schema, **kwargs)
    assert hint in str(caught.value)


def test_schema_that_cannot_be_converted_raises(model: ChatOrq) -> None:
    with pytest.raises(RouterInputError, match="Cannot convert the schema"):
        model.with_structured_output({**JOKE_SCHEMA, "type": ["object", "null"]})


CUT = ['{"setup": "Why", "punchline": "Wh', '```json\n{"setup": "Why", "punchline": "Wh']


@every_schema
@pytest.mark.parametrize("method", ["json_schema", "json_mode"])
@pytest.mark.parametrize("words", CUT, ids=["plain", "fenced"])
def test_truncated_answer_is_not_completed(method: str, schema: Any, words: str) -> None:
    cut = Answer(words, finish_reason="length")
    with pytest.raises(OutputParserException, match="not complete JSON"):
        asking(cut, schema, method=method).invoke("A joke")
    with pytest.raises(OutputParserException, match="not complete JSON"):
        list(asking(cut, schema, method=method).stream("A joke"))


@pytest.mark.parametrize("verb", ["invoke", "stream"])
def test_truncated_answer_mentions_the_token_limit(verb: str) -> None:
    cut = asking(said(METHODS[1], AS_JSON), method=METHODS[1], max_tokens=4)
    with pytest.raises(OutputParserException, match=r"Why t.*Increase max_tokens"):
        list(getattr(cut, verb)("A joke"))


@every_method
async def test_truncated_stream_ends_with_parsing_error(method: str) -> None:
    cut = said(method, CUT[0])
    for collected in (
        add_up(list(asking(cut, method=method, include_raw=True).stream("A joke"))),
        add_up([c async for c in asking(cut, method=method, include_raw=True).astream("A joke")]),
        await asking(cut, method=method, include_raw=True).ainvoke("A joke"),
    ):
        assert isinstance(collected["parsing_error"], OutputParserException)
        assert collected["parsed"] is None
        assert isinstance(collected["raw"], AIMessage)


def add_up(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    total = AddableDict()
    for chunk in chunks:
        total += AddableDict(chunk)
    return total


INNER = {"name": "Joke", "schema": JOKE_SCHEMA, "strict": True}


@pytest.mark.parametrize("form", [INNER, {"type": "json_schema", "json_schema": INNER}], ids=len)
def test_schema_in_response_format_form(form: dict[str, Any]) -> None:
    assert sent_with(form)["response_format"]["json_schema"] == INNER
    function = sent_with(form, method="function_calling")["tools"][0]["function"]
    assert (function["name"], function["strict"]) == ("Joke", True)
    assert function["parameters"]["properties"] == JOKE_SCHEMA["properties"]

"""Replies: whole ones of odd shapes, and that a stream ends in the same message as one of them."""

from contextlib import suppress
from typing import Any

import httpx
import orjson
import pytest
from langchain_core.load import dumps, loads
from langchain_core.messages import (
    AIMessage,
    BaseMessageChunk,
    HumanMessage,
    message_chunk_to_message,
)

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient
from orq_router_integrations.chat_models.assistant_messages import convert_assistant_message
from orq_router_integrations.chat_models.response_conversion import create_usage_metadata
from orq_router_integrations.chat_models.tool_calls import strip_invalid_suffix
from orq_router_integrations.errors import InvalidResponseError, ServerError
from orq_router_integrations.testing import Answer, ToolCall

GPT = "openai/gpt-4o"
SPEECH = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}


ANSWERS: dict[str, tuple[Answer, dict[str, Any]]] = {
    "a text": (Answer("Hello there, you."), {}),
    "nothing": (Answer(""), {}),
    "unicode": (Answer("Grüße \u2028 🦉 👩‍💻"), {}),
    "a tool call": (Answer(tool_calls=(ToolCall("f", {"city": "Köln", "n": [1, 2]}),)), {}),
    "a call without arguments": (Answer(tool_calls=(ToolCall("f"),)), {}),
    "text and two calls": (Answer("Ok.", (ToolCall("f", {"a": 1}), ToolCall("g", {"b": 2}))), {}),
    "a call that is not JSON": (Answer(tool_calls=(ToolCall("f", "no JSON"),)), {}),
    "a call that was cut off": (
        Answer(tool_calls=(ToolCall("f", '{"city": "Par'),), finish_reason="length"),
        {},
    ),
    "reasoning": (Answer("42", reasoning="Let me think.", reasoning_signature="sig"), {}),
    "reasoning and a call": (
        Answer(reasoning="Let me think.", tool_calls=(ToolCall("f", {"a": 1}),)),
        {},
    ),
    "a refusal": (Answer(refusal="I would rather not."), {}),
    "speech": (Answer("Hello there."), SPEECH),
    "logprobs": (Answer("Hello there."), {"logprobs": True, "top_logprobs": 2}),
    "a length stop": (Answer("Hello there, all of you."), {"max_tokens": 3}),
    "a filtered answer": (Answer("He", finish_reason="content_filter"), {}),
    "a stop sequence": (Answer("Hello there, all of you."), {"stop": ["all"]}),
    "usage in detail": (
        Answer("Hi", usage={"prompt_tokens_details": {"cached_tokens": 7, "audio_tokens": None}}),
        {},
    ),
}
every_answer = pytest.mark.parametrize(("answer", "asked"), ANSWERS.values(), ids=ANSWERS)


def told(answer: Answer) -> ChatOrq:
    """A model on a new router, so that ids and times are those of a first reply."""
    return ChatOrq(model=GPT, client=OfflineRouter(answers=lambda _: answer).client())


def plain(message: Any) -> dict[str, Any]:
    members: dict[str, Any] = message.model_dump(exclude={"id"})
    members["response_metadata"].pop("latency")
    for call in members["invalid_tool_calls"]:
        call.pop("error")  # its words differ
        call["args"] = strip_invalid_suffix(call["args"])
    return members


def added_up(chunks: list[BaseMessageChunk]) -> Any:
    first, *rest = chunks
    for chunk in rest:
        first += chunk
    return message_chunk_to_message(first)


@every_answer
def test_a_stream_ends_in_the_message_of_a_whole_reply(
    answer: Answer, asked: dict[str, Any]
) -> None:
    whole = told(answer).invoke("Hi", **asked)
    assert plain(told(answer).invoke("Hi", stream=True, **asked)) == plain(whole)
    assert plain(added_up(list(told(answer).stream("Hi", **asked)))) == plain(whole)


@every_answer
async def test_it_is_the_same_when_awaited(answer: Answer, asked: dict[str, Any]) -> None:
    whole = plain(told(answer).invoke("Hi", **asked))
    assert plain(await told(answer).ainvoke("Hi", **asked)) == whole
    chunks = [chunk async for chunk in told(answer).astream("Hi", **asked)]
    assert plain(added_up(chunks)) == whole


ARGUMENTS = r'{"a": "x\n\u00e9\"", "b": ["c", {"d": [1, 2]}], "e": true, "f": "\\"}'


@pytest.mark.parametrize("length", range(1, len(ARGUMENTS)))
def test_a_streamed_call_that_was_cut_off_anywhere_is_no_valid_call(length: int) -> None:
    cut = Answer(tool_calls=(ToolCall("f", ARGUMENTS[:length]),), finish_reason="length")
    message = told(cut).invoke("Hi", stream=True)
    assert message.tool_calls == []
    assert [call["name"] for call in message.invalid_tool_calls] == ["f"]
    (sent,) = convert_assistant_message(message)["tool_calls"]
    assert sent["function"]["arguments"] == ARGUMENTS[:length]


def test_arguments_that_a_model_itself_spoiled_are_sent_back_as_they_came() -> None:
    for arguments in ('{"a": 1}]', "[1]", '{"a": 1', "no JSON"):
        message = told(Answer(tool_calls=(ToolCall("f", arguments),))).invoke("Hi")
        (sent,) = convert_assistant_message(message)["tool_calls"]
        assert sent["function"]["arguments"] == arguments


def test_a_streamed_call_that_is_whole_is_valid() -> None:
    whole = Answer(tool_calls=(ToolCall("f", ARGUMENTS),))
    (call,) = told(whole).invoke("Hi", stream=True).tool_calls
    assert call["args"] == orjson.loads(ARGUMENTS)


def test_what_an_answer_says_is_where_langchain_looks_for_it() -> None:
    answer = Answer("42", (ToolCall("f", {"a": 1}, id="call_9"),), "Let me think.", "sig")
    message = told(answer).invoke("Hi")
    assert message.text == "42"
    assert message.tool_calls == [
        {"name": "f", "args": {"a": 1}, "id": "call_9", "type": "tool_call"}
    ]
    assert message.additional_kwargs["reasoning_content"] == "Let me think."
    assert message.additional_kwargs["reasoning_signature"] == "sig"
    assert message.response_metadata["finish_reason"] == "tool_calls"
    assert [block["type"] for block in message.content_blocks] == [
        "reasoning",
        "text",
        "tool_call",
    ]


def test_a_spoken_answer_has_its_sound_and_its_words() -> None:
    audio = told(Answer("Hello there.")).invoke("Hi", **SPEECH).additional_kwargs["audio"]
    assert audio["transcript"] == "Hello there."
    assert audio["data"].startswith("UklGR")
    assert audio.keys() == {"id", "expires_at", "data", "transcript", "mime_type"}


TOKENS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
COUNTED = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
USAGES = {
    "the three numbers": (TOKENS, COUNTED),
    "no total": ({**TOKENS, "total_tokens": None}, COUNTED),
    "prompt details": (
        {
            **TOKENS,
            "prompt_tokens_details": {
                "cached_tokens": 4,
                "cache_creation_tokens": 3,
                "audio_tokens": 2,
            },
        },
        {**COUNTED, "input_token_details": {"cache_read": 4, "cache_creation": 3, "audio": 2}},
    ),
    "completion details": (
        {**TOKENS, "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 1}},
        {**COUNTED, "output_token_details": {"reasoning": 4, "audio": 1}},
    ),
    "zeros are told": (
        {**TOKENS, "prompt_tokens_details": {"cached_tokens": 0}},
        {**COUNTED, "input_token_details": {"cache_read": 0}},
    ),
    "nulls are not": (
        {**TOKENS, "prompt_tokens_details": {"cached_tokens": None, "audio_tokens": 1}},
        {**COUNTED, "input_token_details": {"audio": 1}},
    ),
    "null details": ({**TOKENS, "prompt_tokens_details": None}, COUNTED),
    "details of no kind": ({**TOKENS, "completion_tokens_details": "many"}, COUNTED),
    "floats": ({**TOKENS, "prompt_tokens": 10.0}, COUNTED),
    "nothing known": (
        {"prompt_tokens": None, "completion_tokens": "5"},
        {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
    ),
    "none": (None, None),
    "no object": ([1, 2], None),
}


@pytest.mark.parametrize(("wire", "counted"), USAGES.values(), ids=USAGES)
def test_usage_is_counted_with_its_details(wire: Any, counted: Any) -> None:
    assert create_usage_metadata(wire) == counted


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_a_service_tier_with_prices_of_its_own_is_counted_apart(tier: str) -> None:
    wire = {
        "prompt_tokens": 10,
        "completion_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    counted = create_usage_metadata(wire, tier)
    assert counted["input_token_details"] == {f"{tier}_cache_read": 4, "audio": 1, tier: 6}
    assert counted["output_token_details"] == {f"{tier}_reasoning": 2, tier: 4}
    assert create_usage_metadata(wire, "default") == create_usage_metadata(wire)


def piece(arguments: Any = None, name: str | None = None, **members: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {**members, "function": {k: v for k, v in function.items() if v is not None}}


def replied(content: bytes, kind: str = "application/json") -> ChatOrq:
    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=content, headers={"content-type": kind})

    http = httpx.Client(transport=httpx.MockTransport(handle))
    return ChatOrq(model=GPT, client=RouterClient(api_key="k", http_client=http, max_retries=0))


def answered(**members: Any) -> AIMessage:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **members}}
    answer = replied(orjson.dumps({"choices": [choice]})).invoke("Hi")
    assert isinstance(answer, AIMessage)
    return answer


@pytest.mark.parametrize("arguments", ["not JSON", '{"city": "Par', "[1, 2]", '"text"'])
def test_arguments_that_are_no_json_object_make_an_invalid_call(arguments: str) -> None:
    answer = answered(tool_calls=[piece(arguments, "f", id="a")])
    assert answer.tool_calls == []
    (invalid,) = answer.invalid_tool_calls
    assert (invalid["name"], invalid["args"], invalid["id"]) == ("f", arguments, "a")


WHOLE_CALLS = {
    "arguments as an object": [piece({"x": 1}, "f", id="a")],
    "no id": [piece('{"x":1}', "f")],
    "an empty id": [piece('{"x":1}', "f", id="")],
}


@pytest.mark.parametrize("calls", WHOLE_CALLS.values(), ids=WHOLE_CALLS)
def test_a_whole_call_is_read_in_spite_of(calls: list[Any]) -> None:
    (call,) = answered(tool_calls=calls).tool_calls
    assert (call["name"], call["args"], bool(call["id"])) == ("f", {"x": 1}, True)


def test_null_arguments_are_none() -> None:
    null = {"id": "a", "function": {"name": "f", "arguments": None}}
    assert answered(tool_calls=[null]).tool_calls[0]["args"] == {}


def test_whole_calls_of_one_id_get_ids_of_their_own() -> None:
    answer = answered(tool_calls=[piece("{}", "f", id="a"), piece("{}", "g", id="a")])
    first, second = answer.tool_calls
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    "calls", [["junk"], [None], {"id": "a"}, [{"id": "a"}], [{"id": "a", "function": "f"}]]
)
def test_a_call_of_no_function_is_never_a_valid_call(calls: Any) -> None:
    assert answered(tool_calls=calls).tool_calls == []


NO_ANSWERS = {
    "HTML": b"<html>Bad gateway</html>",
    "nothing": b"",
    "null": b"null",
    "an array": b"[]",
    "a text": b'"Hi"',
    "no choices": b"{}",
    "empty choices": b'{"choices": []}',
    "null choices": b'{"choices": null}',
    "choices that are an object": b'{"choices": {"message": {}}}',
    "a choice that is a text": b'{"choices": ["Hi"]}',
    "a choice without message": b'{"choices": [{}]}',
    "a null message": b'{"choices": [{"message": null}]}',
    "content that is a number": b'{"choices": [{"message": {"content": 5}}]}',
    "content that is an object": b'{"choices": [{"message": {"content": {"text": "Hi"}}}]}',
    "content that is false": b'{"choices": [{"message": {"content": false}}]}',
    "content in parts without text": b'{"choices": [{"message": {"content": [{"text": 5}, 5]}}]}',
    "content in unknown parts": b'{"choices": [{"message": {"content": [{"type": "x"}]}}]}',
    "a nest without end": b'{"choices": ' + b"[" * 5000,
}


@pytest.mark.parametrize("content", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_a_reply_without_an_answer_is_an_invalid_response(content: bytes) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        replied(content).invoke("Hi")
    assert caught.value.endpoint == "/chat/completions"
    assert caught.value.status_code == 200
    assert "application/json" in str(caught.value)


def half(content: bytes) -> bytes:
    return content.replace(b"half", rb"\ud83d")


def test_half_a_character_in_a_whole_reply_is_replaced() -> None:
    content = half(b'{"choices": [{"message": {"content": "Hi half"}}]}')
    assert replied(content).invoke("Hi").text == "Hi \ufffd"


ODD_MEMBERS: list[dict[str, Any]] = [
    {"tool_calls": [{"id": 5, "function": {"name": "f", "arguments": "{}"}}]},
    {"tool_calls": [{"id": "a", "function": {"name": 5, "arguments": "{}"}}]},
]


@pytest.mark.parametrize("members", ODD_MEMBERS)
def test_members_of_an_odd_type_are_read_or_refused_but_never_crash(
    members: dict[str, Any],
) -> None:
    with suppress(InvalidResponseError):
        assert isinstance(answered(**members), AIMessage)


@pytest.mark.parametrize(
    "content",
    [b'{"error": {"message": "out"}}', b'{"error": "out"}', b'{"code": "x", "message": "out"}'],
)
def test_an_error_in_a_good_reply_is_an_error(content: bytes) -> None:
    with pytest.raises(ServerError, match="out"):
        replied(content).invoke("Hi")


CONSTRUCTOR = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain_core", "messages", "HumanMessage"],
    "kwargs": {"content": "from the server"},
}
SECRET = {"lc": 1, "type": "secret", "id": ["ORQ_API_KEY"]}


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
@pytest.mark.parametrize("stream", [False, True])
def test_data_shaped_like_langchains_own_stays_data(
    monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-ENV")
    call = ToolCall("f", {"one": CONSTRUCTOR, "two": [SECRET]})
    message = told(Answer("Hi", (call,))).invoke("Hi", stream=stream)
    loaded = loads(dumps(message), allowed_objects=[AIMessage], secrets_from_env=True)
    assert loaded == message
    assert loaded.tool_calls[0]["args"] == {"one": CONSTRUCTOR, "two": [SECRET]}
    assert not isinstance(loaded.tool_calls[0]["args"]["one"], HumanMessage)

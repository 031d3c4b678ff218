"""Streams of the Responses API through the model: the messages of whole replies, and faults."""

from contextlib import suppress
from typing import Any

import httpx
import orjson
import pytest
from langchain_core.messages import (
    AIMessageChunk,
    BaseMessageChunk,
    HumanMessage,
    ToolMessage,
    message_chunk_to_message,
)

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient
from orq_router_integrations.chat_models.response_conversion import StreamConverter
from orq_router_integrations.chat_models.tool_calls import strip_invalid_suffix
from orq_router_integrations.errors import RouterError, ServerError, StreamInterruptedError
from orq_router_integrations.testing import Answer, Fault, ToolCall
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.model_candidates import ModelCandidates
from orq_router_integrations.wire.responses_stream import ResponsesStreamDecoder

GPT = "openai/gpt-4o"
STREAM = {"content-type": "text/event-stream"}
NOTE = {
    "type": "url_citation",
    "url": "https://example.com",
    "title": "T",
    "start_index": 0,
    "end_index": 2,
}

ANSWERS: dict[str, tuple[Answer, dict[str, Any]]] = {
    "a text": (Answer("Hello there, you."), {}),
    "nothing": (Answer(""), {}),
    "unicode": (Answer("Grüße \u2028 🦉 👩‍💻"), {}),
    "a call": (Answer(tool_calls=(ToolCall("f", {"city": "Köln", "n": [1, 2]}),)), {}),
    "a call without arguments": (Answer(tool_calls=(ToolCall("f"),)), {}),
    "text and two calls": (Answer("Ok.", (ToolCall("f", {"a": 1}), ToolCall("g", {"b": 2}))), {}),
    "two calls of one tool": (
        Answer(tool_calls=(ToolCall("f", {"a": 1}), ToolCall("f", {"a": 2}))),
        {},
    ),
    "a call that is not JSON": (Answer(tool_calls=(ToolCall("f", "no JSON"),)), {}),
    "a call that was cut off": (
        Answer(tool_calls=(ToolCall("f", '{"city": "Par'),), finish_reason="length"),
        {},
    ),
    "reasoning": (Answer("42", reasoning="Let me think."), {}),
    "sealed reasoning": (Answer("42", reasoning="Let me think.", reasoning_signature="S"), {}),
    "a seal alone": (Answer("42", reasoning_signature="S"), {}),
    "sealed reasoning and a call": (
        Answer(reasoning="Hm.", reasoning_signature="S", tool_calls=(ToolCall("f", {"a": 1}),)),
        {},
    ),
    "a refusal": (Answer(refusal="I would rather not."), {}),
    "text and a refusal": (Answer("Well.", refusal="I would rather not."), {}),
    "an annotation": (Answer("Hi you", annotations=[NOTE]), {}),
    "two annotations": (Answer("Hi you", annotations=[NOTE, {**NOTE, "title": "U"}]), {}),
    "a search": (
        Answer("Found it.", (ToolCall("orq:web_search", {"query": "owls"}),)),
        {"tools": [{"type": "orq:web_search"}]},
    ),
    "logprobs": (Answer("Hello there."), {"logprobs": True, "top_logprobs": 2}),
    "a length stop": (Answer("Hello there, all of you."), {"max_tokens": 3}),
    "a filtered answer": (Answer("He", finish_reason="content_filter"), {}),
    "usage in detail": (Answer("Hi", usage={"input_tokens_details": {"cached_tokens": 7}}), {}),
    "null usage details": (Answer("Hi", usage={"output_tokens_details": None}), {}),
}
every_answer = pytest.mark.parametrize(("answer", "asked"), ANSWERS.values(), ids=ANSWERS)
both_versions = pytest.mark.parametrize("version", ["v0", "v1"])


def told(answer: Answer, **kwargs: Any) -> ChatOrq:
    """A model on a new router, so that ids and times are those of a first reply."""
    client = OfflineRouter(answers=lambda _: answer).client()
    return ChatOrq(model=GPT, api="responses", client=client, **kwargs)


def without_index(value: Any) -> Any:
    """Indices only tell how pieces merge; a streamed invalid call stays a chunk in content."""
    if isinstance(value, list):
        return [without_index(item) for item in value]
    if isinstance(value, dict):
        return {k: without_index(v) for k, v in value.items() if k not in {"index", "error"}}
    if isinstance(value, str):
        value = "invalid_tool_call" if value == "tool_call_chunk" else value
        return strip_invalid_suffix(value)
    return value


def plain(message: Any) -> dict[str, Any]:
    members: dict[str, Any] = message.model_dump(exclude={"id"})
    members["response_metadata"].pop("latency")
    return {**without_index(members), "blocks": without_index(message.content_blocks)}


def added_up(chunks: list[BaseMessageChunk]) -> Any:
    first, *rest = chunks
    for chunk in rest:
        first += chunk
    return message_chunk_to_message(first)


@both_versions
@every_answer
def test_a_stream_ends_in_the_message_of_a_whole_reply(
    answer: Answer, asked: dict[str, Any], version: str
) -> None:
    whole = plain(told(answer, output_version=version).invoke("Hi", **asked))
    collected = told(answer, output_version=version).invoke("Hi", stream=True, **asked)
    assert plain(collected) == whole
    chunks = list(told(answer, output_version=version).stream("Hi", **asked))
    assert plain(added_up(chunks)) == whole


@both_versions
@every_answer
async def test_it_is_the_same_when_awaited(
    answer: Answer, asked: dict[str, Any], version: str
) -> None:
    model = told(answer, output_version=version)
    whole = plain(model.invoke("Hi", **asked))
    assert plain(await told(answer, output_version=version).ainvoke("Hi", **asked)) == whole
    stream = told(answer, output_version=version).astream("Hi", **asked)
    assert plain(added_up([chunk async for chunk in stream])) == whole


@both_versions
@every_answer
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_every_answer_can_be_sent_back(
    answer: Answer, asked: dict[str, Any], version: str, stream: bool
) -> None:
    model = told(answer, output_version=version)
    given = model.invoke("Hi", stream=stream, **asked)
    calls = [*given.tool_calls, *given.invalid_tool_calls]
    results = [ToolMessage("ok", tool_call_id=str(call["id"])) for call in calls]
    assert model.invoke([HumanMessage("Hi"), given, *results, HumanMessage("More")], **asked)


def event(kind: str, **members: Any) -> bytes:
    return b"data: " + orjson.dumps({"type": f"response.{kind}", **members}) + b"\n\n"


def says(words: str) -> bytes:
    return event("output_text.delta", delta=words)


def opens(index: Any, name: Any = "f", call_id: Any = "a") -> bytes:
    item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": ""}
    return event("output_item.added", output_index=index, item=item)


def argues(index: Any, words: Any) -> bytes:
    return event("function_call_arguments.delta", output_index=index, delta=words)


USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "total_cost": 0.5}
RESPONSE = {"id": "resp_1", "model": "gpt-4o", "status": "completed", "usage": USAGE}
COMPLETED = event("completed", response=RESPONSE)


def joined(*pieces: bytes) -> AIMessageChunk:
    reader = StreamConverter(
        Response(200, STREAM), ModelCandidates(GPT, (GPT,)), ResponsesStreamDecoder
    )
    found = [chunk for piece in pieces for chunk in reader.feed(piece)]
    first, *rest = found if reader.done else [*found, *reader.finish()]
    for chunk in rest:
        first += chunk
    assert isinstance(first.message, AIMessageChunk)
    return first.message


def made(*pieces: bytes) -> list[tuple[str, Any]]:
    calls = joined(*pieces, COMPLETED).tool_calls
    assert len({call["id"] for call in calls}) == len(calls)
    return [(call["name"], call["args"]) for call in calls]


TWO = [("f", {"x": 1}), ("g", {"y": 2})]
CALLS = {
    "in turn": [opens(0), argues(0, '{"x":1}'), opens(1, "g", "b"), argues(1, '{"y":2}')],
    "interleaved": [
        *(opens(0), opens(1, "g", "b"), argues(1, '{"y"'), argues(0, '{"x"')),
        *(argues(0, ":1}"), argues(1, ":2}")),
    ],
    "behind reasoning": [opens(3), argues(3, '{"x":1}'), opens(7, "g", "b"), argues(7, '{"y":2}')],
    "without indices": [
        *(opens(None), argues(None, '{"x":1}')),
        *(opens(None, "g", "b"), argues(None, '{"y":2}')),
    ],
    "of one id": [opens(0), argues(0, '{"x":1}'), opens(1, "g"), argues(1, '{"y":2}')],
    "without ids": [
        *(opens(0, "f", None), argues(0, '{"x":1}')),
        *(opens(1, "g", None), argues(1, '{"y":2}')),
    ],
}


@pytest.mark.parametrize("pieces", CALLS.values(), ids=CALLS)
def test_two_calls_are_kept_apart(pieces: list[bytes]) -> None:
    assert made(*pieces) == TWO


def test_a_call_that_comes_whole_in_its_items_has_its_arguments() -> None:
    item = {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'}
    added = event("output_item.added", output_index=0, item=item)
    done = event("output_item.done", output_index=0, item=item)
    assert made(added, done) == [("f", {"x": 1})]


def test_arguments_that_come_only_at_the_end_are_kept() -> None:
    whole = event("function_call_arguments.done", output_index=0, arguments='{"x":1}')
    item = {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'}
    done = event("output_item.done", output_index=0, item=item)
    assert made(opens(0), whole, done) == [("f", {"x": 1})]


def test_reasoning_in_two_parts_is_joined_as_in_a_whole_reply() -> None:
    said = [event("reasoning_text.delta", content_index=at, delta="AB"[at]) for at in (0, 1)]
    assert joined(*said, COMPLETED).additional_kwargs["reasoning_content"] == "A\n\nB"


def test_raw_reasoning_and_its_summary_are_both_told() -> None:
    raw = event("reasoning_text.delta", content_index=0, delta="raw")
    summary = event("reasoning_summary_text.delta", summary_index=0, delta="sum")
    done = {"type": "reasoning", "content": [{"text": "raw"}], "summary": [{"text": "sum"}]}
    whole = joined(raw, summary, event("output_item.done", item=done), COMPLETED)
    assert whole.additional_kwargs["reasoning_content"] == "raw\n\nsum"


def test_usage_cost_and_reason_are_told_once() -> None:
    whole = joined(says("Hi "), says("you"), COMPLETED)
    assert whole.usage_metadata == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    assert whole.response_metadata["cost"] == 0.5
    assert whole.response_metadata["id"] == "resp_1"
    assert whole.chunk_position == "last"


def streamed(content: bytes) -> ChatOrq:
    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=content, headers=STREAM)

    http = httpx.Client(transport=httpx.MockTransport(handle))
    client = RouterClient(api_key="k", http_client=http, max_retries=0)
    return ChatOrq(model=GPT, api="responses", client=client)


def test_a_stream_without_an_end_raises_with_what_it_said() -> None:
    with pytest.raises(StreamInterruptedError) as caught:
        list(streamed(says("Hi ") + says("you")).stream("Hi"))
    assert caught.value.partial == "Hi you"
    assert caught.value.endpoint == "/responses"


def test_a_stream_of_the_router_that_breaks_off_keeps_what_it_said() -> None:
    router = OfflineRouter(faults={GPT: Fault(cut_after=8)})
    model = ChatOrq(model=GPT, api="responses", client=router.client())
    with pytest.raises(StreamInterruptedError) as caught:
        list(model.stream("Hi"))
    assert caught.value.partial.startswith("Offline")


FAILURES = {
    "an error event": b'event: error\ndata: {"type":"error","code":"x","message":"out"}\n\n',
    "a nested error": b'data: {"type":"error","error":{"code":"x","message":"out"}}\n\n',
    "a failed response": event(
        "failed", response={"status": "failed", "error": {"code": "x", "message": "out"}}
    ),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failure_in_a_stream_is_an_error_with_its_words(failure: bytes) -> None:
    with pytest.raises(ServerError, match="out") as caught:
        list(streamed(says("Hi") + failure).stream("Hi"))
    assert caught.value.partial == "Hi"
    assert caught.value.code == "x"


ODD_EVENTS = {
    "an item that is a text": event("output_item.added", item="?"),
    "an item that is a list": event("output_item.done", item=["?"]),
    "a response that is a text": event("completed", response="?"),
    "a type that is a list": b'data: {"type": ["?"]}\n\n',
    "a name that is a number": opens(0, 5),
    "an id that is a list": opens(0, "f", ["a"]),
    "an index that is a text": opens("0"),
    "arguments that are an object": argues(0, {"x": 1}),
    "arguments before their call": argues(4, "{}"),
    "null arguments": opens(0) + argues(0, None),
    "a text that is a list": event("output_text.delta", delta=["Hi"]),
    "a null annotation": event("output_text.annotation.added", annotation=None),
    "an annotation that is a text": event("output_text.annotation.added", annotation="?"),
    "logprobs that are a text": event("output_text.delta", delta="Hi", logprobs="?"),
    "a picture that is a number": event(
        "output_item.done", item={"type": "image_generation_call", "result": 5}
    ),
    "a seal that is a number": event(
        "output_item.done", item={"type": "reasoning", "encrypted_content": 5}
    ),
}


@both_versions
@pytest.mark.parametrize("odd", ODD_EVENTS.values(), ids=ODD_EVENTS)
def test_odd_events_are_read_or_refused_but_never_crash(odd: bytes, version: str) -> None:
    model = streamed(says("Hi ") + odd + says("you") + COMPLETED)
    model.output_version = version
    with suppress(RouterError):
        message = added_up(list(model.stream("Hi")))
        assert message.content_blocks is not None

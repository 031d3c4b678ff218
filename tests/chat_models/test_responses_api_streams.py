"""Streams of the Responses API: they produce the messages of complete responses, and errors."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage, ToolMessage
from support import chat_responses
from support.chat_responses import (
    EVENT_STREAM,
    GPT,
    comparable,
    convert_stream,
    create_call,
    encode_event,
    merge_chunks,
    merge_generations,
)

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterError, ServerError, StreamInterruptedError
from orq_router_integrations.testing import Answer, Fault
from orq_router_integrations.wire.responses_stream import ResponsesStreamDecoder

CITATION = {
    "type": "url_citation",
    "url": "https://example.com",
    "title": "T",
    "start_index": 0,
    "end_index": 2,
}

ANSWERS: dict[str, tuple[Answer, dict[str, Any]]] = {
    "text": (Answer("Hello there, you."), {}),
    "empty": (Answer(""), {}),
    "unicode": (Answer("Grüße \u2028 🦉 👩‍💻"), {}),
    "tool call": (Answer(tool_calls=(create_call("f", {"city": "Köln", "n": [1, 2]}),)), {}),
    "tool call without arguments": (Answer(tool_calls=(create_call("f"),)), {}),
    "text and two calls": (
        Answer("Ok.", (create_call("f", {"a": 1}), create_call("g", {"b": 2}))),
        {},
    ),
    "two calls of one tool": (
        Answer(tool_calls=(create_call("f", {"a": 1}), create_call("f", {"a": 2}))),
        {},
    ),
    "invalid call": (Answer(tool_calls=(create_call("f", "no JSON"),)), {}),
    "truncated call": (
        Answer(tool_calls=(create_call("f", '{"city": "Par'),), finish_reason="length"),
        {},
    ),
    "reasoning": (Answer("42", reasoning="Let me think."), {}),
    "signed reasoning": (Answer("42", reasoning="Let me think.", reasoning_signature="S"), {}),
    "signature without reasoning": (Answer("42", reasoning_signature="S"), {}),
    "signed reasoning and a call": (
        Answer(reasoning="Hm.", reasoning_signature="S", tool_calls=(create_call("f", {"a": 1}),)),
        {},
    ),
    "refusal": (Answer(refusal="I would rather not."), {}),
    "text and refusal": (Answer("Well.", refusal="I would rather not."), {}),
    "annotation": (Answer("Hi you", annotations=[CITATION]), {}),
    "two annotations": (Answer("Hi you", annotations=[CITATION, {**CITATION, "title": "U"}]), {}),
    "server tool": (
        Answer("Found it.", (create_call("orq:web_search", {"query": "owls"}),)),
        {"tools": [{"type": "orq:web_search"}]},
    ),
    "logprobs": (Answer("Hello there."), {"logprobs": True, "top_logprobs": 2}),
    "length": (Answer("Hello there, all of you."), {"max_tokens": 3}),
    "content filter": (Answer("He", finish_reason="content_filter"), {}),
    "usage details": (Answer("Hi", usage={"input_tokens_details": {"cached_tokens": 7}}), {}),
    "null usage details": (Answer("Hi", usage={"output_tokens_details": None}), {}),
}
each_answer = pytest.mark.parametrize(("answer", "params"), ANSWERS.values(), ids=ANSWERS)
both_versions = pytest.mark.parametrize("version", ["v0", "v1"])


def create_model(answer: Answer, version: str) -> ChatOrq:
    """Create a model on a new router, so that ids and times are those of its first response."""
    client = OfflineRouter(answers=lambda _: answer).client()
    return ChatOrq(model=GPT, api="responses", client=client, output_version=version)


@both_versions
@each_answer
def test_stream_produces_the_message_of_a_complete_response(
    answer: Answer, params: dict[str, Any], version: str
) -> None:
    expected = comparable(create_model(answer, version).invoke("Hi", **params))
    collected = create_model(answer, version).invoke("Hi", stream=True, **params)
    assert comparable(collected) == expected
    chunks = create_model(answer, version).stream("Hi", **params)
    assert comparable(merge_chunks(chunks)) == expected


@both_versions
@each_answer
async def test_async_calls_produce_the_same_message(
    answer: Answer, params: dict[str, Any], version: str
) -> None:
    expected = comparable(create_model(answer, version).invoke("Hi", **params))
    assert comparable(await create_model(answer, version).ainvoke("Hi", **params)) == expected
    stream = create_model(answer, version).astream("Hi", **params)
    assert comparable(merge_chunks([chunk async for chunk in stream])) == expected


@both_versions
@each_answer
@pytest.mark.parametrize("stream", [False, True], ids=["complete", "streamed"])
def test_answer_can_be_sent_back(
    answer: Answer, params: dict[str, Any], version: str, stream: bool
) -> None:
    model = create_model(answer, version)
    message = model.invoke("Hi", stream=stream, **params)
    calls = [*message.tool_calls, *message.invalid_tool_calls]
    results = [ToolMessage("ok", tool_call_id=str(call["id"])) for call in calls]
    history = [HumanMessage("Hi"), message, *results, HumanMessage("More")]
    assert model.invoke(history, **params)


# Merging of events


def encode_response_event(event_type: str, **fields: Any) -> bytes:
    return encode_event({"type": f"response.{event_type}", **fields})


def text_delta(text: str) -> bytes:
    return encode_response_event("output_text.delta", delta=text)


def call_added(index: Any, name: Any = "f", call_id: Any = "a") -> bytes:
    item = {"type": "function_call", "call_id": call_id, "name": name, "arguments": ""}
    return encode_response_event("output_item.added", output_index=index, item=item)


def arguments_delta(index: Any, arguments: Any) -> bytes:
    return encode_response_event(
        "function_call_arguments.delta", output_index=index, delta=arguments
    )


USAGE = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "total_cost": 0.5}
RESPONSE = {"id": "resp_1", "model": "gpt-4o", "status": "completed", "usage": USAGE}
COMPLETED = encode_response_event("completed", response=RESPONSE)


def merge_events(*events: bytes) -> AIMessageChunk:
    chunks = convert_stream(*events, create_decoder=ResponsesStreamDecoder)
    message = merge_generations(chunks).message
    assert isinstance(message, AIMessageChunk)
    return message


def merge_calls(*events: bytes) -> list[tuple[str, Any]]:
    """Return names and arguments of the calls in a stream; their ids are unique."""
    calls = merge_events(*events, COMPLETED).tool_calls
    assert len({call["id"] for call in calls}) == len(calls)
    return [(call["name"], call["args"]) for call in calls]


TWO_CALLS = {
    "one after the other": [
        *(call_added(0), arguments_delta(0, '{"x":1}')),
        *(call_added(1, "g", "b"), arguments_delta(1, '{"y":2}')),
    ],
    "interleaved": [
        *(call_added(0), call_added(1, "g", "b")),
        *(arguments_delta(1, '{"y"'), arguments_delta(0, '{"x"')),
        *(arguments_delta(0, ":1}"), arguments_delta(1, ":2}")),
    ],
    "after reasoning": [
        *(call_added(3), arguments_delta(3, '{"x":1}')),
        *(call_added(7, "g", "b"), arguments_delta(7, '{"y":2}')),
    ],
    "no indices": [
        *(call_added(None), arguments_delta(None, '{"x":1}')),
        *(call_added(None, "g", "b"), arguments_delta(None, '{"y":2}')),
    ],
    "same id": [
        *(call_added(0), arguments_delta(0, '{"x":1}')),
        *(call_added(1, "g"), arguments_delta(1, '{"y":2}')),
    ],
    "no ids": [
        *(call_added(0, "f", None), arguments_delta(0, '{"x":1}')),
        *(call_added(1, "g", None), arguments_delta(1, '{"y":2}')),
    ],
}


@pytest.mark.parametrize("events", TWO_CALLS.values(), ids=TWO_CALLS)
def test_two_calls_are_not_merged(events: list[bytes]) -> None:
    assert merge_calls(*events) == [("f", {"x": 1}), ("g", {"y": 2})]


CALL_ITEM = {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'}


def test_arguments_in_two_items_of_a_call_are_read_once() -> None:
    added = encode_response_event("output_item.added", output_index=0, item=CALL_ITEM)
    item_done = encode_response_event("output_item.done", output_index=0, item=CALL_ITEM)
    assert merge_calls(added, item_done) == [("f", {"x": 1})]


def test_arguments_that_arrive_only_at_the_end_are_kept() -> None:
    arguments_done = encode_response_event(
        "function_call_arguments.done", output_index=0, arguments='{"x":1}'
    )
    item_done = encode_response_event("output_item.done", output_index=0, item=CALL_ITEM)
    assert merge_calls(call_added(0), arguments_done, item_done) == [("f", {"x": 1})]


def test_arguments_of_a_call_without_a_start_are_read_once() -> None:
    item_done = encode_response_event("output_item.done", output_index=0, item=CALL_ITEM)
    assert merge_calls(arguments_delta(0, '{"x":1}'), item_done) == [("f", {"x": 1})]
    response = {**RESPONSE, "output": [{**CALL_ITEM, "id": "fc"}]}
    end = encode_response_event("completed", response=response)
    assert merge_calls(arguments_delta(0, '{"x":1}'), end) == [("f", {"x": 1})]


def test_reasoning_parts_are_joined_as_in_a_complete_response() -> None:
    deltas = [
        encode_response_event("reasoning_text.delta", content_index=index, delta=text)
        for index, text in enumerate("AB")
    ]
    message = merge_events(*deltas, COMPLETED)
    assert message.additional_kwargs["reasoning_content"] == "A\n\nB"


def test_reasoning_and_its_summary_are_both_kept() -> None:
    reasoning = encode_response_event("reasoning_text.delta", content_index=0, delta="raw")
    summary = encode_response_event("reasoning_summary_text.delta", summary_index=0, delta="sum")
    item = {"type": "reasoning", "content": [{"text": "raw"}], "summary": [{"text": "sum"}]}
    item_done = encode_response_event("output_item.done", item=item)
    message = merge_events(reasoning, summary, item_done, COMPLETED)
    assert message.additional_kwargs["reasoning_content"] == "raw\n\nsum"


def test_usage_and_metadata_are_reported_once() -> None:
    message = merge_events(text_delta("Hi "), text_delta("you"), COMPLETED)
    assert message.usage_metadata == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    assert message.response_metadata["cost"] == 0.5
    assert message.response_metadata["id"] == "resp_1"
    assert message.chunk_position == "last"


# Repeated content: as deltas, in finished items, and in the finished response

ITEMS: list[dict[str, Any]] = [
    {
        "type": "reasoning",
        "id": "r",
        "summary": [{"text": "One"}, {"text": "Two"}],
        "encrypted_content": "E",
    },
    {
        "type": "message",
        "id": "m",
        "content": [{"type": "output_text", "text": "Hi you", "annotations": [CITATION]}],
    },
    {**CALL_ITEM, "id": "f"},
    {"type": "function_call", "id": "g", "call_id": "b", "name": "f", "arguments": '{"x":2}'},
    {"type": "message", "id": "n", "content": [{"type": "refusal", "refusal": "No way"}]},
]


def encode_deltas(index: int, item: dict[str, Any]) -> list[bytes]:
    """Encode the events of an item before it is finished."""
    place = {"output_index": index, "item_id": item["id"]}
    if item["type"] == "function_call":
        added = {**item, "arguments": ""}
        name, deltas = "function_call_arguments.delta", item["arguments"].partition(":")
        events = [encode_response_event("output_item.added", output_index=index, item=added)]
    elif item["type"] == "reasoning":
        return [
            encode_response_event(
                "reasoning_summary_text.delta", **place, summary_index=part, delta=text["text"]
            )
            for part, text in enumerate(item["summary"])
        ]
    else:
        (part,) = item["content"]
        name = "refusal.delta" if "refusal" in part else "output_text.delta"
        events, deltas = [], (part.get("text") or part["refusal"]).partition(" ")
    return events + [encode_response_event(name, **place, delta=delta) for delta in deltas]


FINISHED: dict[str, tuple[int | None, bool]] = {
    "response": (None, True),
    "items": (0, False),
    "items and response": (0, True),
    "items with shifted indices": (1, False),
    "items with shifted indices and response": (1, True),
    "items with other indices": (5, False),
}
"""Offset of the indices of finished items, if sent, and whether the finished response has them."""


@pytest.mark.parametrize(("shift", "has_response"), FINISHED.values(), ids=FINISHED)
@pytest.mark.parametrize("other_ids", [False, True], ids=["same ids", "other ids"])
@pytest.mark.parametrize("has_deltas", [True, False], ids=["deltas", "no deltas"])
def test_repeated_content_is_emitted_once(
    has_deltas: bool, other_ids: bool, shift: int | None, has_response: bool
) -> None:
    finished_items = [{**item, "id": f"x{item['id']}"} for item in ITEMS] if other_ids else ITEMS
    events: list[bytes] = []
    for index, item in enumerate(ITEMS):
        events += encode_deltas(index, item) if has_deltas else []
        if shift is not None:
            fields = {"output_index": index + shift, "item": finished_items[index]}
            events.append(encode_response_event("output_item.done", **fields))
    output = finished_items if has_response else []
    events.append(encode_response_event("completed", response={**RESPONSE, "output": output}))
    streamed = create_scripted_model(b"".join(events)).invoke("Hi", stream=True)
    content = orjson.dumps({**RESPONSE, "output": finished_items})
    complete = chat_responses.create_model(content, api="responses").invoke("Hi")
    assert comparable(streamed) == comparable(complete)


# Errors


def create_scripted_model(content: bytes, **kwargs: Any) -> ChatOrq:
    return chat_responses.create_model(content, EVENT_STREAM, api="responses", **kwargs)


def test_stream_without_an_end_raises_with_the_partial_text() -> None:
    with pytest.raises(StreamInterruptedError) as caught:
        list(create_scripted_model(text_delta("Hi ") + text_delta("you")).stream("Hi"))
    assert caught.value.partial == "Hi you"
    assert caught.value.endpoint == "/responses"


def test_interrupted_stream_reports_the_partial_text() -> None:
    router = OfflineRouter(faults={GPT: Fault(cut_after=8)})
    model = ChatOrq(model=GPT, api="responses", client=router.client())
    with pytest.raises(StreamInterruptedError) as caught:
        list(model.stream("Hi"))
    assert caught.value.partial.startswith("Offline")


ERROR = {"code": "x", "message": "out"}
FAILURES = {
    "error event": b"event: error\n" + encode_event({"type": "error", **ERROR}),
    "nested error": encode_event({"type": "error", "error": ERROR}),
    "failed response": encode_response_event(
        "failed", response={"status": "failed", "error": ERROR}
    ),
}


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_failure_in_a_stream_raises_its_error(failure: bytes) -> None:
    with pytest.raises(ServerError, match="out") as caught:
        list(create_scripted_model(text_delta("Hi") + failure).stream("Hi"))
    assert caught.value.partial == "Hi"
    assert caught.value.code == "x"


INVALID_EVENTS = {
    "item as a str": encode_response_event("output_item.added", item="?"),
    "item as a list": encode_response_event("output_item.done", item=["?"]),
    "response as a str": encode_response_event("completed", response="?"),
    "type as a list": encode_event(orjson.dumps({"type": ["?"]})),
    "name as an int": call_added(0, 5),
    "id as a list": call_added(0, "f", ["a"]),
    "index as a str": call_added("0"),
    "arguments as an object": arguments_delta(0, {"x": 1}),
    "arguments before their call": arguments_delta(4, "{}"),
    "null arguments": call_added(0) + arguments_delta(0, None),
    "text as a list": encode_response_event("output_text.delta", delta=["Hi"]),
    "null annotation": encode_response_event("output_text.annotation.added", annotation=None),
    "annotation as a str": encode_response_event("output_text.annotation.added", annotation="?"),
    "logprobs as a str": encode_response_event("output_text.delta", delta="Hi", logprobs="?"),
    "image as an int": encode_response_event(
        "output_item.done", item={"type": "image_generation_call", "result": 5}
    ),
    "signature as an int": encode_response_event(
        "output_item.done", item={"type": "reasoning", "encrypted_content": 5}
    ),
}


@both_versions
@pytest.mark.parametrize("event", INVALID_EVENTS.values(), ids=INVALID_EVENTS)
def test_invalid_event_is_ignored_or_raises_a_router_error(event: bytes, version: str) -> None:
    content = text_delta("Hi ") + event + text_delta("you") + COMPLETED
    model = create_scripted_model(content, output_version=version)
    with suppress(RouterError):
        message = merge_chunks(model.stream("Hi"))
        assert message.content_blocks is not None

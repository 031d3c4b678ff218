"""JSON of third parties: large integers, raw control characters, NaN and the infinities."""

import json
import math
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from pydantic import BaseModel
from support.chat_responses import (
    DONE,
    EVENT_STREAM,
    STOP,
    create_delta,
    create_model,
    create_tool_delta,
    encode_event,
    merge_chunks,
)

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import create_error
from orq_router_integrations.wire import json as wire_json
from orq_router_integrations.wire.call import DeferredBase64, Response
from orq_router_integrations.wire.multipart import StreamedBody
from orq_router_integrations.wire.request_encoding import build_json_body
from orq_router_integrations.wire.transcriptions import parse_transcript

BIG = 10**40 + 7
VALUES: dict[str, tuple[str, Any]] = {
    "above 64 bits": ("18446744073709551616", 2**64),
    "below 64 bits": ("-9223372036854775809", -(2**63) - 1),
    "40 digits": (f'{{"id": [{BIG}]}}', {"id": [BIG]}),
    "largest 64-bit integer": ("18446744073709551615", 2**64 - 1),
    "long fraction": ("0.12345678901234567890", 0.12345678901234568),
    "long digits in text": ('"12345678901234567890"', "12345678901234567890"),
    "large integer and lone surrogate": (rf'["\ud83d", {BIG}]', ["\ufffd", BIG]),
    "NaN": ('{"a": NaN, "b": 1}', {"a": None, "b": 1}),
    "infinities": ("[Infinity, -Infinity, 1]", [None, None, 1]),
    "float out of range": ('{"a": 1e999, "b": 1}', {"a": None, "b": 1}),
    "integer of 5000 digits": (f"[{'9' * 5000}, 1]", [None, 1]),
    "raw newline": ('{"a": "x\ny"}', {"a": "x\ny"}),
    "raw tab and carriage return": ('["\t\r"]', ["\t\r"]),
    "raw NUL": ('["\0"]', ["\0"]),
    "NaN in text": ('["NaN", NaN]', ["NaN", None]),
}


@pytest.mark.parametrize(("text", "value"), VALUES.values(), ids=VALUES)
def test_loads_accepts_json_of_third_parties(text: str, value: Any) -> None:
    assert wire_json.loads(text) == wire_json.loads(text.encode()) == value


ARGUMENTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "raw newline and tab": ('{"x": "1\n2\t3"}', {"x": "1\n2\t3"}),
    "raw CRLF": ('{"x": "1\r\n2"}', {"x": "1\r\n2"}),
    "raw newline between members": ('{\n\t"x": 1\r\n}', {"x": 1}),
    "raw escape character": ('{"x": "\x1b[0m"}', {"x": "\x1b[0m"}),
    "newline, quotes and backslash": ('{"x": "a \\"b\\"\n\\\\"}', {"x": 'a "b"\n\\'}),
    "large integer": (f'{{"x": {BIG}}}', {"x": BIG}),
    "negative large integer": (f'{{"x": [-{BIG}]}}', {"x": [-BIG]}),
    "snowflake ID": ('{"x": 1234567890123456789}', {"x": 1234567890123456789}),
    "infinity": ('{"x": Infinity, "y": 1}', {"x": math.inf, "y": 1}),
    "object with a large integer": ({"x": BIG}, {"x": BIG}),
}
every_argument = pytest.mark.parametrize(("arguments", "args"), ARGUMENTS.values(), ids=ARGUMENTS)


def create_call_completion(arguments: Any) -> bytes:
    call = create_tool_delta(arguments, "look", id="t1")
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "finish_reason": "tool_calls", "message": message}
    return json.dumps({"choices": [choice]}).encode()


def create_call_stream(arguments: Any, cut: int = 9) -> bytes:
    parts = [arguments[:cut], arguments[cut:]] if isinstance(arguments, str) else [arguments]
    head, *tail = parts
    fragments = [
        create_tool_delta(head, "look", id="t1", index=0),
        *(create_tool_delta(part, index=0) for part in tail),
    ]
    deltas = [create_delta(tool_calls=[fragment]) for fragment in fragments]
    events = [*deltas, create_delta("tool_calls")]
    return b"".join(encode_event(json.dumps(e).encode()) for e in events) + DONE


@every_argument
def test_complete_and_streamed_arguments_are_equal(arguments: Any, args: dict[str, Any]) -> None:
    complete = create_model(create_call_completion(arguments)).invoke("Hi")
    streamed = merge_chunks(create_model(create_call_stream(arguments), EVENT_STREAM).stream("Hi"))
    for message in (complete, streamed):
        assert [call["args"] for call in message.tool_calls] == [args]
        assert message.invalid_tool_calls == []


@every_argument
def test_stream_events_have_the_arguments(arguments: Any, args: dict[str, Any]) -> None:
    model = create_model(create_call_stream(arguments), EVENT_STREAM)
    events = list(model.stream_events("Hi", version="v3"))
    blocks = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert [block["args"] for block in blocks] == [args]


@every_argument
def test_arguments_can_be_sent_back(arguments: Any, args: dict[str, Any]) -> None:
    answer = create_model(create_call_completion(arguments)).invoke("Hi")
    router = OfflineRouter(answers={"Hi": "Bye"})
    history = [HumanMessage("Hi"), answer, ToolMessage("ok", tool_call_id="t1")]
    ChatOrq("openai/gpt-4o", client=router.client()).invoke(history)
    (sent_call,) = router.requests[-1].body["messages"][1]["tool_calls"]
    expected = {name: None if value == math.inf else value for name, value in args.items()}
    assert json.loads(sent_call["function"]["arguments"]) == expected


@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
def test_structured_output_may_have_raw_newline_and_large_integer(method: Any) -> None:
    class Look(BaseModel):
        """Look."""

        code: str
        number: int

    text = f'{{"code": "line 1\nline 2\tend", "number": {BIG}}}'
    content = create_call_completion(text).replace(b"look", b"Look")
    if method == "json_schema":
        message = {"role": "assistant", "content": text}
        content = json.dumps({"choices": [{"message": message}]}).encode()
    output = create_model(content).with_structured_output(Look, method=method).invoke("Hi")
    assert output == Look(code="line 1\nline 2\tend", number=BIG)


@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
def test_structured_output_keeps_infinities(method: Any) -> None:
    class Range(BaseModel):
        """A range."""

        low: float
        high: float

    text = '{"low": -Infinity, "high": 1e999}'
    content = create_call_completion(text).replace(b"look", b"Range")
    if method != "function_calling":
        message = {"role": "assistant", "content": text}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        content = json.dumps({"choices": [choice]}).encode()
    answer = create_model(content).with_structured_output(Range, method=method).invoke("Hi")
    assert answer == Range(low=-math.inf, high=math.inf)


def test_deeply_nested_arguments_are_an_invalid_call() -> None:
    arguments: Any = {"x": 1}
    for _ in range(300):
        arguments = {"x": arguments}
    answer = create_model(create_call_completion(arguments)).invoke("Hi")
    assert isinstance(answer, AIMessage)
    assert (answer.tool_calls, len(answer.invalid_tool_calls)) == ([], 1)


NAN_EXTRAS = {
    "usage": '"usage": {"prompt_tokens": 3, "completion_tokens": NaN, "cost": Infinity}',
    "logprobs": '"extra": {"logprob": -Infinity}',
    "created": '"created": 1e999',
}


@pytest.mark.parametrize("extra", NAN_EXTRAS.values(), ids=NAN_EXTRAS)
def test_text_next_to_nan_is_kept(extra: str) -> None:
    choice = '"choices": [{"index": 0, "%s": {"content": "Hi"}, "finish_reason": "stop"}]'
    completion = f"{{{choice % 'message'}, {extra}}}".encode()
    events = encode_event(f"{{{choice % 'delta'}, {extra}}}".encode()) + DONE
    assert create_model(completion).invoke("Hi").text == "Hi"
    assert merge_chunks(create_model(events, EVENT_STREAM).stream("Hi")).text == "Hi"


def test_streamed_event_with_raw_newline_is_read() -> None:
    events = b'data: {"choices":[{"delta":{"content":"a\ndata: b"}}]}\n\n' + encode_event(STOP)
    assert merge_chunks(create_model(events + DONE, EVENT_STREAM).stream("Hi")).text == "a\nb"


def test_transcript_next_to_nan_is_kept() -> None:
    body = b'{"text": "Hi.", "segments": [{"start": 0, "end": 1.5, "text": "Hi.", "no": NaN}]}'
    transcript = parse_transcript(Response(200, {}, body), "verbose_json")
    assert [(span.text, span.end) for span in transcript.segments] == [("Hi.", 1.5)]


def test_error_with_large_integer_is_read() -> None:
    body = f'{{"error": {{"message": "no\\n", "code": {BIG}, "limit": NaN}}}}'.encode()
    error = create_error(Response(429, {}, body), "/chat/completions")
    assert (error.message, error.code) == ("no\n", str(BIG))
    assert str(BIG) in error.body


def test_replayed_output_item_keeps_large_integers() -> None:
    item = {"type": "web_search_call", "id": "w", "action": {"type": "search", "rank": BIG}}
    message = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    content = json.dumps({"status": "completed", "output": [item, message]}).encode()
    answer = create_model(content, api="responses").invoke("Hi")
    assert answer.additional_kwargs["output_items"] == [item]


def test_body_may_have_large_integer_and_deferred_file() -> None:
    value = {"seed": BIG, "data": DeferredBase64("YWJj"), "limits": (1, -BIG)}
    body = build_json_body(value)
    assert isinstance(body, StreamedBody)
    assert json.loads(b"".join(body)) == {"seed": BIG, "data": "YWJj", "limits": [1, -BIG]}


def test_nan_of_a_caller_is_rejected_next_to_a_large_integer() -> None:
    with pytest.raises(ValueError, match=r"^x\.b: Cannot send nan"):
        wire_json.dumps({"a": BIG, "b": math.nan}, "x")


def test_nan_is_null_next_to_a_large_integer() -> None:
    data = wire_json.dumps({"a": BIG, "b": [math.nan, math.inf]}, nan_as_null=True)
    assert data == f'{{"a":{BIG},"b":[null,null]}}'.encode()

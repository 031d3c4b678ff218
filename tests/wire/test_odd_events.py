"""Streams of the Responses API: errors, bodies that are no stream, and odd members."""

from typing import Any

import pytest
from support.response_events import (
    CALL,
    RESPONSE,
    SEALED,
    decoded,
    event,
    wire,
)

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
    WireError,
)
from orq_router_integrations.wire.chat_completions import ChatStreamDecoder
from orq_router_integrations.wire.responses_stream import ResponsesStreamDecoder

ERRORS: dict[str, Any] = {
    "an error event": {"type": "error", "code": "x", "message": "out"},
    "an error event with an object": {"type": "error", "error": {"code": "x", "message": "out"}},
    "a failed response": event("failed", response={"error": {"code": "x", "message": "out"}}),
    "a failed response without its error": event("failed", response=None),
    "an error without type": {"error": {"message": "out"}},
    "a flat error": {"code": "x", "message": "out"},
}


@pytest.mark.parametrize("told", ERRORS.values(), ids=ERRORS)
def test_an_error_in_a_stream_is_an_error(told: Any) -> None:
    decoder = ResponsesStreamDecoder()
    list(decoder.feed(wire(event("output_text.delta", delta="Hi"))))
    with pytest.raises(EmbeddedError):
        list(decoder.feed(wire(told)))
    assert decoder.partial == "Hi"


@pytest.mark.parametrize("decoder", [ResponsesStreamDecoder, ChatStreamDecoder])
@pytest.mark.parametrize(
    "data", [b"data: {\n\n", b"data: []\n\n", b"data: null\n\n", b"data: 5\n\n"]
)
def test_an_event_that_is_no_object_is_refused(decoder: Any, data: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        list(decoder().feed(data))


@pytest.mark.parametrize("decoder", [ResponsesStreamDecoder, ChatStreamDecoder])
@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (b"<html>", MalformedResponseError),
        (b'{"output": []}', MalformedResponseError),
        (b'{"error": {"message": "out"}}', EmbeddedError),
        (b"", MalformedResponseError),
        (b"data: {", TruncatedStreamError),
    ],
)
def test_a_body_that_is_no_stream_is_told_as_what_it_is(
    decoder: Any, body: bytes, fault: type[Exception]
) -> None:
    reader = decoder()
    list(reader.feed(body))
    with pytest.raises(fault):
        reader.finish()


ODD_VALUES = [None, 5, "?", [], ["?"], {}, True]
ODD_PLACES = {
    "delta of a text": lambda odd: event("output_text.delta", delta=odd),
    "logprobs": lambda odd: event("output_text.delta", delta="Hi", logprobs=odd),
    "place of a text": lambda odd: event("output_text.delta", delta="Hi", content_index=odd),
    "delta of a refusal": lambda odd: event("refusal.delta", delta=odd),
    "delta of a summary": lambda odd: event("reasoning_summary_text.delta", delta=odd),
    "delta of arguments": lambda odd: event("function_call_arguments.delta", delta=odd),
    "item added": lambda odd: event("output_item.added", item=odd, output_index=0),
    "item done": lambda odd: event("output_item.done", item=odd, output_index=0),
    "output index": lambda odd: event("output_item.added", item=CALL, output_index=odd),
    "type of an item": lambda odd: event("output_item.done", item={"type": odd}),
    "summary": lambda odd: event("output_item.done", item={**SEALED, "summary": odd}),
    "seal": lambda odd: event("output_item.done", item={**SEALED, "encrypted_content": odd}),
    "annotation": lambda odd: event("output_text.annotation.added", annotation=odd),
    "summary index": lambda odd: event("reasoning_summary_part.added", summary_index=odd),
    "response": lambda odd: event("completed", response=odd),
    "usage": lambda odd: event("completed", response={**RESPONSE, "usage": odd}),
    "details": lambda odd: event(
        "incomplete", response={"status": "incomplete", "incomplete_details": odd}
    ),
    "type": lambda odd: {"type": odd},
}


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
@pytest.mark.parametrize("place", ODD_PLACES.values(), ids=ODD_PLACES)
def test_odd_members_are_read_or_refused_but_never_crash(place: Any, odd: Any) -> None:
    try:
        found = decoded(place(odd))
    except WireError:
        return
    assert all(isinstance(chunk["choices"][0]["delta"], dict) for chunk in found)


@pytest.mark.parametrize("odd", [5, {"text": "Hi"}, [5]], ids=repr)
def test_a_text_that_is_none_is_refused(odd: Any) -> None:
    with pytest.raises(MalformedResponseError, match="without text"):
        decoded(event("output_text.delta", delta=odd))
    with pytest.raises(MalformedResponseError, match="without text"):
        decoded(event("output_item.done", item={"type": "message", "content": odd} | {"id": "m"}))

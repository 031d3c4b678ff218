"""Errors that all event streams have in common."""

import pytest

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
)
from orq_router_integrations.wire.chat_completions import ChatStreamDecoder
from orq_router_integrations.wire.event_stream import EventStreamDecoder
from orq_router_integrations.wire.responses_stream import ResponsesStreamDecoder


@pytest.fixture(params=[ChatStreamDecoder, ResponsesStreamDecoder], ids=["chat", "responses"])
def decoder(request: pytest.FixtureRequest) -> EventStreamDecoder:
    return request.param()


@pytest.mark.parametrize("data", ["{", "[]", "null", "5"])
def test_event_that_is_not_an_object_raises(decoder: EventStreamDecoder, data: str) -> None:
    with pytest.raises(MalformedResponseError):
        list(decoder.feed(f"data: {data}\n\n".encode()))


BODIES: dict[str, tuple[bytes, type[Exception]]] = {
    "web page": (b"<html>", MalformedResponseError),
    "complete response": (b'{"output": []}', MalformedResponseError),
    "error": (b'{"error": {"message": "out"}}', EmbeddedError),
    "empty": (b"", MalformedResponseError),
    "truncated event": (b"data: {", TruncatedStreamError),
}


@pytest.mark.parametrize(("body", "error"), BODIES.values(), ids=BODIES)
def test_body_that_is_not_a_stream_raises(
    decoder: EventStreamDecoder, body: bytes, error: type[Exception]
) -> None:
    list(decoder.feed(body))
    with pytest.raises(error):
        decoder.finish()

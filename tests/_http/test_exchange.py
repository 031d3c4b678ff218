"""Responses that are refused: too large, or partial."""

import httpx
import pytest
from support.scripted_router import (
    ANSWER,
    ResponseBody,
    both_callers,
    create_call,
    create_client,
    create_stream_call,
    respond_with_stream,
)

from orq_router_integrations import RouterError
from orq_router_integrations.errors import InvalidResponseError

MB = 1024 * 1024


class EndlessBody(ResponseBody):
    """Repeats one chunk forever, and counts the bytes that are read."""

    def __init__(self, chunk: bytes) -> None:
        super().__init__()
        self.chunk = chunk
        self.bytes_read = 0

    def __iter__(self):
        while True:
            self.bytes_read += len(self.chunk)
            yield self.chunk

    def answer(self, status: int = 200, content_type: str = ""):
        headers = {"content-type": content_type} if content_type else {}
        return lambda _: httpx.Response(status, headers=headers, stream=self)


@both_callers
def test_too_large_response_is_refused(caller):
    body = EndlessBody(b" " * MB)
    with pytest.raises(InvalidResponseError, match="larger than 64 MB"):
        caller.send(create_client(body.answer()), create_call())
    assert body.bytes_read <= 66 * MB


@both_callers
def test_only_start_of_error_response_is_read(caller):
    body = EndlessBody(b"no " * 1000)
    with pytest.raises(RouterError, match="no no") as raised:
        caller.send(create_client(body.answer(status=400)), create_call())
    assert raised.value.status_code == 400
    assert body.bytes_read < 80_000


@both_callers
@pytest.mark.parametrize(
    ("chunk", "max_bytes_read"),
    [
        (b"data: " + b"x" * MB, 18 * MB),
        pytest.param(b"data: xx\n" * 100_000, 80 * MB, marks=pytest.mark.slow),
    ],
    ids=["one line", "many lines"],
)
def test_too_large_event_is_refused(caller, chunk, max_bytes_read):
    body = EndlessBody(chunk)
    with pytest.raises(InvalidResponseError, match="than 16 MB"):
        caller.stream(
            create_client(body.answer(content_type="text/event-stream")), create_stream_call()
        )
    assert body.bytes_read <= max_bytes_read


EXTREME_JSON = {
    "nested arrays": "[" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "long number": "9" * 100_000,
    "long number after half a surrogate pair": '["\\ud83d",' + "9" * 5000 + "]",
}


@both_callers
@pytest.mark.parametrize("text", EXTREME_JSON.values(), ids=EXTREME_JSON)
def test_extreme_json_raises_invalid_response_error(caller, text):
    body = text.encode()
    with pytest.raises(InvalidResponseError):
        caller.send(
            create_client(lambda _: httpx.Response(200, stream=ResponseBody(body))), create_call()
        )
    with pytest.raises(InvalidResponseError):
        caller.stream(
            create_client(respond_with_stream(b"data: " + body + b"\n\n")), create_stream_call()
        )


@both_callers
@pytest.mark.parametrize("is_stream", [False, True], ids=["complete", "streamed"])
def test_partial_response_is_refused(caller, is_stream):
    client = create_client(lambda _: httpx.Response(206, json=ANSWER))
    call, send = create_call(), caller.send
    if is_stream:
        call, send = create_stream_call(), caller.stream
    with pytest.raises(InvalidResponseError, match=r"partial \(206\)") as raised:
        send(client, call)
    assert raised.value.status_code == 206

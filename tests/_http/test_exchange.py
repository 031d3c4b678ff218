"""Limits for the size of responses."""

import httpx
import pytest
from support.scripted_router import Body, both_doors, chat, chat_stream, client_of, streams

from orq_router_integrations import RouterError
from orq_router_integrations.errors import InvalidResponseError

MB = 1024 * 1024


class EndlessBody(Body):
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


@both_doors
def test_too_large_response_is_refused(door):
    body = EndlessBody(b" " * MB)
    with pytest.raises(InvalidResponseError, match="larger than 64 MB"):
        door.send(client_of(body.answer()), chat())
    assert body.bytes_read <= 66 * MB


@both_doors
def test_only_start_of_error_response_is_read(door):
    body = EndlessBody(b"no " * 1000)
    with pytest.raises(RouterError, match="no no") as raised:
        door.send(client_of(body.answer(status=400)), chat())
    assert raised.value.status_code == 400
    assert body.bytes_read < 80_000


@both_doors
@pytest.mark.parametrize(
    ("chunk", "max_bytes_read"),
    [
        (b"data: " + b"x" * MB, 18 * MB),
        pytest.param(b"data: xx\n" * 100_000, 80 * MB, marks=pytest.mark.slow),
    ],
    ids=["one line", "many lines"],
)
def test_too_large_event_is_refused(door, chunk, max_bytes_read):
    body = EndlessBody(chunk)
    with pytest.raises(InvalidResponseError, match="than 16 MB"):
        door.stream(client_of(body.answer(content_type="text/event-stream")), chat_stream())
    assert body.bytes_read <= max_bytes_read


EXTREME_JSON = {
    "nested arrays": "[" * 100_000,
    "nested objects": '{"a":' * 100_000,
    "long number": "9" * 100_000,
    "long number after half a surrogate pair": '["\\ud83d",' + "9" * 5000 + "]",
}


@both_doors
@pytest.mark.parametrize("text", EXTREME_JSON.values(), ids=EXTREME_JSON)
def test_extreme_json_raises_invalid_response_error(door, text):
    body = text.encode()
    with pytest.raises(InvalidResponseError):
        door.send(client_of(lambda _: httpx.Response(200, stream=Body(body))), chat())
    with pytest.raises(InvalidResponseError):
        door.stream(client_of(streams(b"data: " + body + b"\n\n")), chat_stream())

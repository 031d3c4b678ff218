"""How much of a reply is read, and how it is unpacked."""

import gzip
import json
import tracemalloc
import zlib
from typing import Any

import httpx
import pytest
from support.scripted_router import (
    ANSWER,
    Body,
    Script,
    both_doors,
    chat,
    chat_stream,
    client_of,
    streams,
)

from orq_router_integrations import RouterError
from orq_router_integrations.errors import (
    InvalidResponseError,
    ServerError,
)

COMPLETION = json.dumps(ANSWER).encode()
MB = 1024 * 1024


def endless(piece: bytes, headers: dict[str, str], status: int = 200) -> Any:
    """A reply that goes on and on; the second value counts what was taken of it."""
    taken = [0]

    class Endless(Body):
        def __iter__(self) -> Any:
            while True:
                taken[0] += len(piece)
                yield piece

    return (lambda _: httpx.Response(status, headers=headers, stream=Endless())), taken


@both_doors
def test_too_large_response_is_refused(door):
    answer, taken = endless(b" " * MB, {})
    with pytest.raises(InvalidResponseError, match="larger than 64 MB"):
        door.send(client_of(answer), chat())
    assert taken[0] <= 66 * MB


@both_doors
def test_only_start_of_error_response_is_read(door):
    answer, taken = endless(b"no " * 1000, {}, 400)
    with pytest.raises(RouterError, match="no no") as raised:
        door.send(client_of(answer), chat())
    assert (raised.value.status_code, taken[0] < 80_000) == (400, True)


@both_doors
def test_too_large_event_is_refused(door):
    answer, taken = endless(b"data: " + b"x" * MB, {"content-type": "text/event-stream"})
    with pytest.raises(InvalidResponseError, match="longer than 16 MB"):
        door.stream(client_of(answer), chat_stream())
    assert taken[0] <= 18 * MB


@both_doors
def test_too_large_event_of_many_lines_is_refused(door):
    answer, taken = endless(b"data: xx\n" * 100_000, {"content-type": "text/event-stream"})
    with pytest.raises(InvalidResponseError, match="longer than 16 MB"):
        door.stream(client_of(answer), chat_stream())
    assert taken[0] <= 80 * MB


def packed(size: int) -> bytes:
    return gzip.compress(bytes(size), 6)


BOMB = packed(100 * MB)


@both_doors
@pytest.mark.parametrize("status", [200, 400])
def test_gzip_bomb_uses_bounded_memory(door, status):
    def reply(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"content-encoding": "gzip"}, stream=Body(BOMB))

    tracemalloc.start()
    try:
        with pytest.raises(RouterError):
            door.send(client_of(reply), chat())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < (140 if status == 200 else 4) * MB


@both_doors
@pytest.mark.parametrize("cut", [1, 7, 10_000])
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "identity, x-gzip", "deflate"])
def test_compressed_response_is_decompressed(door, cut, encoding):
    data = (
        zlib.compress(COMPLETION) if encoding == "deflate" else gzip.compress(COMPLETION, mtime=0)
    )
    pieces = [data[start : start + cut] for start in range(0, len(data), cut)]
    headers = {"content-encoding": encoding}
    script = Script(lambda _: httpx.Response(200, headers=headers, stream=Body(*pieces)))
    assert door.send(client_of(script), chat()) == ANSWER
    assert script.headers("accept-encoding") == ["gzip"]


@both_doors
@pytest.mark.parametrize(
    ("encoding", "data", "said"),
    [
        ("br", COMPLETION, "encoded as 'br', which was not requested"),
        ("gzip, gzip", gzip.compress(gzip.compress(COMPLETION, mtime=0)), "not requested"),
        ("gzip", COMPLETION, "compressed response body is invalid"),
        ("gzip", gzip.compress(COMPLETION, mtime=0)[:-9], "compressed response body is incomplete"),
    ],
)
def test_invalid_compression_raises_invalid_response_error(door, encoding, data, said):
    headers = {"content-encoding": encoding}
    for status, expected in ((200, InvalidResponseError), (503, ServerError)):
        client = client_of(
            lambda _, status=status: httpx.Response(status, headers=headers, stream=Body(data)),
            max_retries=0,
        )
        with pytest.raises(expected, match=said if status == 200 else None):
            door.send(client, chat())


@both_doors
@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"a":' * 100_000, "9" * 100_000, '["\\ud83d",' + "9" * 5000 + "]"],
    ids=["arrays", "objects", "a number", "a number behind half a character"],
)
def test_extreme_json_raises_invalid_response_error(door, text):
    body = text.encode()
    with pytest.raises(InvalidResponseError):
        door.send(client_of(lambda _: httpx.Response(200, stream=Body(body))), chat())
    with pytest.raises(InvalidResponseError):
        door.stream(client_of(streams(b"data: " + body + b"\n\n")), chat_stream())

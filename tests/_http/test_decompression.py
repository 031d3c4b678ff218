"""Compressed responses."""

import gzip
import tracemalloc
import zlib

import httpx
import pytest
from support.local_client import COMPLETION
from support.scripted_router import (
    ANSWER,
    ResponseBody,
    Script,
    both_callers,
    create_call,
    create_client,
)

from orq_router_integrations import RouterError
from orq_router_integrations.errors import InvalidResponseError, ServerError
from orq_router_integrations.wire.call import Response

MB = 1024 * 1024
GZIPPED = gzip.compress(COMPLETION, mtime=0)


@pytest.fixture(scope="module", params=[1, 10], ids=["one member", "ten members"])
def gzip_bomb(request) -> bytes:
    size = 100 * MB // request.param
    return gzip.compress(bytes(size), 6, mtime=0) * request.param


@pytest.mark.slow
@both_callers
@pytest.mark.parametrize(("status", "max_memory"), [(200, 140 * MB), (400, 4 * MB)])
def test_gzip_bomb_uses_bounded_memory(caller, gzip_bomb, status, max_memory):
    def answer(_: httpx.Request) -> httpx.Response:
        body = ResponseBody(gzip_bomb)
        return httpx.Response(status, headers={"content-encoding": "gzip"}, stream=body)

    tracemalloc.start()
    try:
        with pytest.raises(RouterError):
            caller.send(create_client(answer), create_call())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < max_memory


@both_callers
@pytest.mark.parametrize("chunk_size", [1, 7, 10_000])
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", "deflate"])
def test_compressed_response_is_decompressed(caller, chunk_size, encoding):
    data = zlib.compress(COMPLETION) if encoding == "deflate" else GZIPPED
    chunks = [data[start : start + chunk_size] for start in range(0, len(data), chunk_size)]
    headers = {"content-encoding": encoding}
    script = Script(lambda _: httpx.Response(200, headers=headers, stream=ResponseBody(*chunks)))
    assert caller.send(create_client(script), create_call()) == ANSWER
    assert script.headers("accept-encoding") == ["gzip"]


@both_callers
@pytest.mark.parametrize("encoding", ["identity", ""])
def test_identity_encoding_is_accepted(caller, encoding):
    headers = {"content-encoding": encoding}
    client = create_client(
        lambda _: httpx.Response(200, headers=headers, stream=ResponseBody(COMPLETION))
    )
    assert caller.send(client, create_call()) == ANSWER


@both_callers
@pytest.mark.parametrize("chunk_size", [1, 7, 10_000])
@pytest.mark.parametrize("padding", [b"", b"\0\0", b"\x1f", b"text"])
def test_all_gzip_members_are_read(caller, chunk_size, padding):
    """Bytes after the last member that are not another one are ignored."""
    members = COMPLETION[:20], COMPLETION[20:]
    data = b"".join(gzip.compress(member, mtime=0) for member in (*members, b"")) + padding
    chunks = [data[start : start + chunk_size] for start in range(0, len(data), chunk_size)]
    headers = {"content-encoding": "gzip"}
    client = create_client(
        lambda _: httpx.Response(200, headers=headers, stream=ResponseBody(*chunks))
    )
    assert caller.send(client, create_call()) == ANSWER


@both_callers
def test_empty_body_with_an_encoding_is_reported_as_empty(caller):
    headers = {"content-encoding": "gzip"}
    client = create_client(lambda _: httpx.Response(200, headers=headers, stream=ResponseBody(b"")))
    with pytest.raises(InvalidResponseError, match="not JSON"):
        caller.send(client, create_call(parse=Response.json_object))


INVALID_BODIES = {
    "incomplete second member": ("gzip", GZIPPED + GZIPPED[:-9], "body is incomplete"),
    "unknown encoding": ("br", COMPLETION, "encoded as 'br', which was not requested"),
    "compressed twice": ("gzip, gzip", gzip.compress(GZIPPED, mtime=0), "not requested"),
    "not compressed": ("gzip", COMPLETION, "compressed response body is invalid"),
    "incomplete": ("gzip", GZIPPED[:-9], "compressed response body is incomplete"),
}


@both_callers
@pytest.mark.parametrize(
    ("encoding", "data", "message"), INVALID_BODIES.values(), ids=INVALID_BODIES
)
def test_invalid_compression_raises_invalid_response_error(caller, encoding, data, message):
    """An error status is reported even if its body cannot be decompressed."""
    headers = {"content-encoding": encoding}
    for status, error_class in ((200, InvalidResponseError), (503, ServerError)):
        client = create_client(
            lambda _, status=status: httpx.Response(
                status, headers=headers, stream=ResponseBody(data)
            ),
            max_retries=0,
        )
        with pytest.raises(error_class, match=message if status == 200 else None):
            caller.send(client, create_call())

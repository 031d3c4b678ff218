"""Chunks that arrive together are joined, and httpcore still sees every error."""

from itertools import pairwise

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orq_router_integrations._http.backend import ChunkJoiner

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = b"3\r\nabc\r\n00b\r\nhello world\r\n1\r\n!\r\n0\r\n\r\n"
CONTENT = b"abchello world!"

UNUSUAL = [
    b"3;name=value\r\nabc\r\n1\r\n!\r\n0\r\n\r\n",
    b"3\r\nabc\r\n0\r\nTrailer: value\r\n\r\n",
    b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n",
    b"3\r\nabcd\r\n0\r\n\r\n",
    b"3\r\nabc5\r\nhello\r\n0\r\n\r\n",
    b"3\r\nabc\n5\r\nhello\r\n0\r\n\r\n",
    b"3\nabc\r\n0\r\n\r\n",
    b"3\r\nabc\r\n-5\r\nhello\r\n0\r\n\r\n",
    b"3\r\nabc\r\nffffffffffffffffffffff\r\nx",
    b"3 \r\nabc\r\n0\r\n\r\n",
    b"3\r\nab",
    b"3\r\nabc\r\n",
    b"not a chunk",
]


def join(data: bytes, *positions: int) -> list[bytes]:
    """Cut data at positions, feed the pieces and return the results."""
    joiner = ChunkJoiner()
    edges = [0, *sorted(position % len(data) for position in positions), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges) if end > start]
    return [result for piece in [*pieces, b""] if (result := joiner.feed(piece))]


def read(pieces: list[bytes]) -> tuple[bytes, str]:
    """Read a response with h11, and return its content and how it ended."""
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    connection.send(h11.EndOfMessage())
    for piece in (*pieces, b""):
        connection.receive_data(piece)
    content = b""
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            return content, str(error)
        if isinstance(event, h11.Data):
            content += bytes(event.data)
        if isinstance(event, h11.EndOfMessage):
            return content, f"end, then {connection.trailing_data[0]!r}"


def test_chunks_that_arrive_together_are_joined() -> None:
    assert join(HEAD + BODY) == [HEAD + b"f\r\n" + CONTENT + b"\r\n0\r\n\r\n"]


def test_chunks_are_joined_if_the_head_arrives_first() -> None:
    joiner = ChunkJoiner()
    assert joiner.feed(HEAD) == HEAD
    assert joiner.feed(b"3\r\nabc\r\n1\r\n!\r\n") == b"4\r\nabc!\r\n"


def test_content_is_passed_on_before_its_chunk_is_complete() -> None:
    joiner = ChunkJoiner()
    assert joiner.feed(HEAD + b"8\r\nabc") == HEAD + b"8\r\nabc"
    assert joiner.feed(b"defgh\r") == b"defgh\r"
    assert joiner.feed(b"\n1\r\na\r\n1\r\nb\r\n") == b"\n2\r\nab\r\n"


def test_single_chunks_are_not_changed() -> None:
    joiner = ChunkJoiner()
    assert joiner.feed(HEAD + b"3\r\nabc\r\n1\r\n!\r\n") == HEAD + b"4\r\nabc!\r\n"
    assert joiner.feed(b"2\r\nde\r\n") == b"2\r\nde\r\n"


@pytest.mark.parametrize("position", range(1, len(HEAD + BODY)))
def test_data_may_be_cut_anywhere(position: int) -> None:
    assert read(join(HEAD + BODY, position)) == (CONTENT, "end, then b''")


@pytest.mark.slow
@given(st.sampled_from([BODY, *UNUSUAL]), st.lists(st.integers(0, 200), max_size=6))
@settings(max_examples=300, deadline=None)
def test_httpcore_reads_the_same_with_and_without_joining(body: bytes, cuts: list[int]) -> None:
    assert read(join(HEAD + body, *cuts)) == read([HEAD + body])


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 38\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
    ids=["content-length", "http-1.0", "other-encoding", "informational", "error"],
)
def test_other_responses_are_not_changed(head: bytes) -> None:
    assert join(head + BODY) == [head + BODY]

"""Server-sent events cut at any byte, and errors that all event streams have in common."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
)
from orq_router_integrations.wire.chat_completions import ChatStreamDecoder
from orq_router_integrations.wire.event_stream import (
    EventStreamDecoder,
    SSEDecoder,
)
from orq_router_integrations.wire.responses_stream import ResponsesStreamDecoder

BOM = "\ufeff".encode()


def decode(*chunks: bytes) -> list[tuple[bytes, str]]:
    decoder = SSEDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def cut(stream: bytes, positions: list[int]) -> list[bytes]:
    bounds = [0, *sorted(p % (len(stream) + 1) for p in positions), len(stream)]
    return [stream[start:end] for start, end in pairwise(bounds)]


def split_bytes(stream: bytes) -> list[bytes]:
    return [stream[index : index + 1] for index in range(len(stream))]


def decode_by_standard(stream: bytes) -> list[tuple[bytes, str]]:
    """Decode a complete stream with the algorithm of the WHATWG standard."""
    *lines, _unfinished = re.split(rb"\r\n|\r|\n", stream.removeprefix(BOM))
    events, data, name = [], [], b""
    for line in lines:
        field, _, value = line.partition(b":")
        if line == b"":
            events += [(b"\n".join(data), name.decode("utf-8", "replace"))] if data else []
            data, name = [], b""
        elif field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data: a\r\n\r\n", [b"a"]),
        (b"data: a\r\r", [b"a"]),
        (b"data: a\r\n\n", [b"a"]),
        (b"data: a\n\rdata: b\r\n\r", [b"a", b"b"]),
        (b"data: a\n\n\n\n\ndata: b\n\n", [b"a", b"b"]),
        (BOM + b"data: a\n\n", [b"a"]),
        (BOM + b"\ndata: a\n\n", [b"a"]),
        (BOM + BOM + b"data: a\n\ndata: b\n\n", [b"b"]),
        (b"data: a\n\n" + BOM + b"data: b\n\n", [b"a"]),
        (b"\n" + BOM + b"data: a\n\n", []),
        (b": hello\n\n:\n: data: a\ndata: b\n:\n\n", [b"b"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data: a\r: hm\rdata:\rdata: c\r\r", [b"a\n\nc"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a \n\n", [b" a "]),
        (b"data:a:b: c\n\n", [b"a:b: c"]),
        (b"data:\n\n", [b""]),
        (b"data\n\n", [b""]),
        (b"data\ndata\n\n", [b"\n"]),
        (b"id: 7\ndata: a\nretry: 10\n\n", [b"a"]),
        (b"retry: 10\n\nid: 8\n\n", []),
        (b" data: a\n\nDATA: a\n\ndata : a\n\ndatax: a\n\n", []),
        ("data: a\u2028b\u2029c\u0085d\x0b\x0c\x1ce\n\n".encode(), None),
        (b"data: \xff\xfe\x00\n\n", [b"\xff\xfe\x00"]),
        (b"data: a", []),
        (b"data: a\n", []),
        (b"data: a\n\ndata: b\n", [b"a"]),
        (b"\n\r\r\n", []),
        (b"", []),
    ],
    ids=repr,
)
def test_data_of_events_is_decoded(stream, events):
    expected = [stream[6:-2]] if events is None else events
    assert [data for data, _ in decode(stream)] == expected
    assert [data for data, _ in decode(*split_bytes(stream))] == expected


@pytest.mark.parametrize(
    ("stream", "names"),
    [
        (b"data: a\n\n", [""]),
        (b"event: ping\ndata: a\n\n", ["ping"]),
        (b"data: a\nevent:ping\n\n", ["ping"]),
        (b"event: one\nevent: two\ndata: a\n\n", ["two"]),
        (b"event: one\nevent\ndata: a\n\n", [""]),
        (b"event: one\ndata: a\n\ndata: b\n\n", ["one", ""]),
        (b"event: one\n\ndata: b\n\n", [""]),
        (b"event: caf\xc3\xa9\ndata: a\n\n", ["café"]),
        (b"event: \xff\ndata: a\n\n", ["\ufffd"]),
    ],
    ids=repr,
)
def test_event_name_applies_to_one_block(stream, names):
    assert [name for _, name in decode(stream)] == names


UNUSUAL = (
    BOM + b"event: e\r\ndata: one\r\ndata: two\r\n\r\n: c\n\rdata:\n\r\n"
    b"data: {\xe2\x80\xa8}\r\revent: x\n\ndata: last\n\n"
)


def test_unusual_stream_is_decoded():
    assert decode(UNUSUAL) == [
        (b"one\ntwo", "e"),
        (b"", ""),
        (b"{\xe2\x80\xa8}", ""),
        (b"last", ""),
    ]


@pytest.mark.parametrize("position", range(len(UNUSUAL) + 1))
def test_unusual_stream_may_be_cut_at_any_byte(position):
    assert decode(UNUSUAL[:position], b"", UNUSUAL[position:]) == decode_by_standard(UNUSUAL)


def test_unusual_stream_may_arrive_in_single_bytes():
    assert decode(*split_bytes(UNUSUAL)) == decode_by_standard(UNUSUAL)


def test_event_is_returned_at_its_blank_line():
    decoder = SSEDecoder()
    assert list(decoder.feed(b"data: a\r")) == []
    assert list(decoder.feed(b"\n\r")) == [(b"a", "")]
    assert list(decoder.feed(b"\n")) == []
    assert list(decoder.feed(b"data: b\n\n")) == [(b"b", "")]


TOKENS = (
    *(b"data", b"data:", b"data: ", b"event: ", b"event", b"id: 1", b"retry: 5", b":", b" "),
    *(b"\r", b"\n", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n"),
    *(BOM, "\u2028".encode(), "\u0085".encode(), b"\x0b", b"\x1c", b"\x00", b"\xff", b"{}"),
)
STREAMS = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=3), max_size=30).map(b"".join)


@given(STREAMS, st.lists(st.integers(min_value=0), max_size=8))
def test_any_stream_is_decoded_as_by_the_standard(stream, positions):
    assert decode(*cut(stream, positions)) == decode(stream) == decode_by_standard(stream)


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

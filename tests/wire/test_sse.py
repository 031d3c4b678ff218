"""Server-sent events from bytes: the oddities that are legal, and any cut of the bytes."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.sse import ServerSentEvent, SSEDecoder

BOM = "\ufeff".encode()


def events_of(*pieces: bytes) -> list[ServerSentEvent]:
    decoder = SSEDecoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(stream) + 1) for place in places), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def in_single_bytes(stream: bytes) -> list[bytes]:
    return [stream[place : place + 1] for place in range(len(stream))]


def reference(stream: bytes) -> list[ServerSentEvent]:
    """The WHATWG standard's algorithm, over a whole stream at once."""
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
def test_the_data_of_a_stream(stream, events):
    expected = [stream[6:-2]] if events is None else events
    assert [data for data, _ in events_of(stream)] == expected
    assert [data for data, _ in events_of(*in_single_bytes(stream))] == expected


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
def test_the_name_of_an_event_lasts_for_its_block_only(stream, names):
    assert [name for _, name in events_of(stream)] == names


ODD = (
    BOM + b"event: e\r\ndata: one\r\ndata: two\r\n\r\n: c\n\rdata:\n\r\n"
    b"data: {\xe2\x80\xa8}\r\revent: x\n\ndata: last\n\n"
)


def test_an_odd_stream_holds_these_events():
    assert events_of(ODD) == [
        (b"one\ntwo", "e"),
        (b"", ""),
        (b"{\xe2\x80\xa8}", ""),
        (b"last", ""),
    ]


@pytest.mark.parametrize("place", range(len(ODD) + 1))
def test_one_cut_at_any_byte_changes_nothing(place):
    assert events_of(ODD[:place], b"", ODD[place:]) == reference(ODD)


def test_single_bytes_change_nothing():
    assert events_of(*in_single_bytes(ODD)) == reference(ODD)


def test_an_event_is_given_out_as_soon_as_its_blank_line_ends():
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
def test_any_cut_gives_the_events_of_the_whole_as_the_standard_reads_it(stream, places):
    assert events_of(*cut(stream, places)) == events_of(stream) == reference(stream)

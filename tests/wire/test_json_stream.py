"""JSON with its long texts taken out: the same, however the bytes are cut."""

import json
from contextlib import suppress

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orq_router_integrations.wire.json_stream import MAX_CHUNK_BYTES, StreamingJsonReader

BODY = {
    "created": 1,
    "b64": ["b64", {"b64": 1}],
    "data": [
        {"b64": "AAAA/+BB", "note": 'say "hi" \\ {[', "more": {"x": [{"y": "z"}]}},
        {"url": "https://x", "b64": None},
        {"b64": "", "é": "ü"},
    ],
    "usage": {"data": [{"b64x": "kept"}]},
}
PLAIN = json.dumps(BODY).encode()
ESCAPED = json.dumps(BODY).replace("/", "\\/").replace("+", "\\u002b").encode()
SPACED = json.dumps(BODY, indent=2, ensure_ascii=False).encode()


def read(*pieces: bytes):
    reader = StreamingJsonReader(items_key="data", text_key="b64")
    texts, items = [b""], []
    for piece in pieces:
        for found in reader.feed(piece):
            if isinstance(found, bytes):
                texts[-1] += found
            else:
                items.append(found)
                texts.append(b"")
    return texts[:-1], items, reader


@pytest.mark.parametrize("body", [PLAIN, ESCAPED, SPACED], ids=["plain", "escaped", "spaced"])
def test_the_texts_are_taken_out_and_the_rest_stays(body):
    for at in range(len(body)):
        texts, items, reader = read(body[:at], body[at:])
        assert texts == [b"AAAA/+BB", b"", b""]
        assert items == [{**BODY["data"][0], "b64": ""}, *BODY["data"][1:]]
        assert orjson.loads(reader.skeleton) == {**BODY, "data": items}
        assert reader.is_complete


def test_one_byte_at_a_time_is_no_different():
    assert read(*(bytes([byte]) for byte in ESCAPED))[:2] == read(PLAIN)[:2]


@pytest.mark.parametrize("at", range(1, len(PLAIN)))
def test_what_is_cut_off_is_not_complete(at):
    assert not read(PLAIN[:at])[2].is_complete


def test_a_long_text_comes_in_pieces_of_a_bound_size():
    reader = StreamingJsonReader(items_key="data", text_key="b64")
    text = b"A" * (3 * MAX_CHUNK_BYTES + 5)
    pieces = list(reader.feed(b'{"data":[{"b64":"' + text + b'"}]}'))
    assert [len(piece) for piece in pieces[:-1]] == [
        MAX_CHUNK_BYTES,
        MAX_CHUNK_BYTES,
        MAX_CHUNK_BYTES,
        5,
    ]
    assert len(reader.skeleton) < 40


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_nothing_that_comes_makes_it_fail_in_another_way(data):
    with suppress(ValueError):
        read(b'{"data":[{"b64":"', data)

"""StreamingJsonReader: the same result wherever the bytes are cut."""

import json
from contextlib import suppress

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orq_router_integrations.wire.json_stream import (
    MAX_CHUNK_BYTES,
    MAX_VALUES,
    StreamingJsonReader,
)

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
COMPACT = json.dumps(BODY).encode()
ESCAPED = json.dumps(BODY).replace("/", "\\/").replace("+", "\\u002b").encode()
INDENTED = json.dumps(BODY, indent=2, ensure_ascii=False).encode()


def read(*chunks: bytes):
    """Return the long strings, the items, and the reader."""
    reader = StreamingJsonReader(items_key="data", text_key="b64")
    texts, items = [b""], []
    for chunk in chunks:
        for value in reader.feed(chunk):
            if isinstance(value, bytes):
                texts[-1] += value
            else:
                items.append(value)
                texts.append(b"")
    return texts[:-1], items, reader


@pytest.mark.parametrize(
    "body", [COMPACT, ESCAPED, INDENTED], ids=["compact", "escaped", "indented"]
)
def test_long_strings_are_extracted(body):
    for position in range(len(body)):
        texts, items, reader = read(body[:position], body[position:])
        assert texts == [b"AAAA/+BB", b"", b""]
        assert items == [{**BODY["data"][0], "b64": ""}, *BODY["data"][1:]]
        assert orjson.loads(reader.skeleton) == {**BODY, "data": items}
        assert reader.is_complete


def test_single_bytes():
    assert read(*(bytes([byte]) for byte in ESCAPED))[:2] == read(COMPACT)[:2]


@pytest.mark.parametrize("length", range(1, len(COMPACT)))
def test_truncated_json_is_not_complete(length):
    assert not read(COMPACT[:length])[2].is_complete


@pytest.mark.parametrize("text", [b"[", b'{"a":', b"0,", b"{},"], ids=["[", "{", "0", "{}"])
def test_endless_json_is_refused_early(text):
    reader = StreamingJsonReader(items_key="data", text_key="b64")
    with pytest.raises(ValueError, match="nested too deeply, or too many values"):
        list(reader.feed(b"[" + 10 * MAX_VALUES * text))
    assert len(reader.skeleton) <= 10 * MAX_VALUES


def test_chunk_size_is_limited():
    reader = StreamingJsonReader(items_key="data", text_key="b64")
    text = b"A" * (3 * MAX_CHUNK_BYTES + 5)
    chunks = list(reader.feed(b'{"data":[{"b64":"' + text + b'"}]}'))
    assert [len(chunk) for chunk in chunks[:-1]] == [*[MAX_CHUNK_BYTES] * 3, 5]
    assert len(reader.skeleton) < 40


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_invalid_json_raises_value_error_at_most(data):
    with suppress(ValueError):
        read(b'{"data":[{"b64":"', data)

"""Parameters and responses of ``POST /embeddings``."""

import base64
import struct
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.call import EmbeddedError, MalformedResponseError, Response
from orq_router_integrations.wire.embeddings import (
    check_dimensions,
    decode_vector,
    parse_embeddings,
    split_batches,
)


def encode_vector(*numbers: float) -> str:
    return base64.b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


def create_response(*items: Any, **fields: Any) -> Response:
    body = {"object": "list", "data": [*items], "model": "m", "usage": {"prompt_tokens": 5}}
    return Response(200, {}, orjson.dumps(body | fields))


def create_item(index: Any, *numbers: float) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": [*numbers]}


def test_decode_base64():
    assert decode_vector("AACAPwAAAMAAAGBAAAAAPg==") == [1.0, -2.0, 3.5, 0.125]


@pytest.mark.parametrize(
    "text", ["AACAPw", "AACAPw==", "data:application/octet-stream;base64,AACAPw=="]
)
def test_base64_may_lack_padding_or_be_a_data_url(text):
    assert decode_vector(text) == [1.0]


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_base64_is_exact(numbers):
    assert decode_vector(encode_vector(*numbers)) == numbers


def test_integers_become_floats():
    vector = decode_vector([1, 0.5])
    assert vector == [1.0, 0.5]
    assert all(type(number) is float for number in vector)


INVALID_VECTORS = {
    "null": None,
    "number": 5,
    "empty": [],
    "empty base64": "",
    "not base64": "!!!!",
    "not a multiple of 4 bytes": base64.b64encode(bytes(5)).decode(),
    "text in array": ["x"],
    "null in array": [1.0, None],
    "object": {"a": 1},
    "huge integer": [10**400],
    "NaN": encode_vector(1.0, float("nan")),
    "infinity": encode_vector(float("inf")),
}


@pytest.mark.parametrize("value", INVALID_VECTORS.values(), ids=INVALID_VECTORS)
def test_invalid_vector_raises(value):
    with pytest.raises(MalformedResponseError, match="embedding"):
        decode_vector(value)


def test_vectors_are_ordered_by_index():
    response = create_response(create_item(2, 3.0), create_item(0, 1.0), create_item(1, 2.0))
    parsed = parse_embeddings(response, 3)
    assert parsed.vectors == [[1.0], [2.0], [3.0]]
    assert (parsed.model, parsed.tokens) == ("m", 5)


@pytest.mark.parametrize("index", [1.0, "1"])
def test_index_may_be_a_float_or_a_string(index):
    response = create_response(create_item(index, 2.0), create_item(0, 1.0))
    assert parse_embeddings(response, 2).vectors == [[1.0], [2.0]]


def test_vectors_may_have_different_encodings():
    item = {"index": 1, "embedding": encode_vector(2.0)}
    assert parse_embeddings(create_response(create_item(0, 1.0), item), 2).vectors == [[1.0], [2.0]]


INCOMPLETE = {
    "missing": [create_item(0, 1.0)],
    "duplicate": [create_item(0, 1.0), create_item(0, 2.0)],
    "out of range": [create_item(0, 1.0), create_item(2, 2.0)],
    "negative": [create_item(0, 1.0), create_item(-1, 2.0)],
    "too many": [create_item(0, 1.0), create_item(1, 2.0), create_item(1, 3.0)],
    "not an object": [create_item(0, 1.0), create_item(1, 2.0), "x"],
    "index null": [create_item(0, 1.0), create_item(None, 2.0)],
}


@pytest.mark.parametrize("items", INCOMPLETE.values(), ids=INCOMPLETE)
def test_incomplete_response_raises(items):
    with pytest.raises(MalformedResponseError, match="one embedding for each of 2 texts"):
        parse_embeddings(create_response(*items), 2)


@pytest.mark.parametrize("data", [None, {}, "x"])
def test_missing_data_raises(data):
    with pytest.raises(MalformedResponseError, match="'data' must be an array"):
        parse_embeddings(create_response(data=data), 1)


def test_vectors_of_different_lengths_raise():
    response = create_response(create_item(0, 1.0, 2.0), create_item(1, 1.0))
    with pytest.raises(MalformedResponseError, match="vectors of 2 dimensions, got one of 1"):
        parse_embeddings(response, 2)


def test_ignored_dimensions_raise():
    with pytest.raises(MalformedResponseError, match="may not support 'dimensions'"):
        parse_embeddings(create_response(create_item(0, 1.0, 2.0)), 1, dimensions=1)


def test_error_with_status_200_raises():
    with pytest.raises(EmbeddedError):
        parse_embeddings(Response(200, {}, b'{"error": {"message": "No."}}'), 1)


def test_usage_and_model_may_be_missing():
    parsed = parse_embeddings(create_response(create_item(0, 1.0), usage=None, model=None), 1)
    assert (parsed.tokens, parsed.model) == (None, None)


def test_batches_are_limited_by_count_and_tokens():
    assert list(split_batches(["a"] * 5, 2, 100)) == [["a", "a"], ["a", "a"], ["a"]]
    assert list(split_batches(["abcdef", "abc", "abc"], 10, 3)) == [["abcdef", "abc"], ["abc"]]


def test_text_above_the_limit_is_sent_alone():
    long = "word " * 100
    assert list(split_batches(["a", long, "b"], 10, 5)) == [["a"], [long], ["b"]]


@given(st.lists(st.text(min_size=1)), st.integers(1, 5), st.integers(1, 30))
def test_batches_contain_every_text_in_order(texts, max_texts, max_tokens):
    batches = list(split_batches(texts, max_texts, max_tokens))
    assert [text for batch in batches for text in batch] == texts
    assert all(0 < len(batch) <= max_texts for batch in batches)


def test_too_many_dimensions_raise():
    check_dimensions("openai/text-embedding-3-small", 1536)
    check_dimensions("acme/unknown", 9999)
    with pytest.raises(ValueError, match="at most 1536 dimensions, not 1537"):
        check_dimensions("openai/text-embedding-3-small", 1537)


def test_large_numbers_are_valid():
    assert decode_vector([1e308, 1e308]) == [1e308, 1e308]

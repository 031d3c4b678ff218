"""Strict JSON serialization, and parsing that tolerates lone surrogates."""

import json as stdlib
import math

import pytest

from orq_router_integrations.wire import json


def nest(depth: int, value: object) -> object:
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 0.5, True, None, "é\u2028"], "b": {"": {}}},
        {"null": "null", "nan": "NaN"},
        "null",
        (1, (2,)),
        2**63,
        {"a": nest(190, None)},
        {"a": nest(250, "text")},
        {"a": nest(250, "null")},
        {"a": nest(250, "text"), "b": None},
    ],
    ids=lambda value: str(value)[:30],
)
def test_dumps_equals_the_standard_library(value):
    assert stdlib.loads(json.dumps(value)) == stdlib.loads(stdlib.dumps(value))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_non_finite_number_raises(number):
    """The orjson package would send null."""
    with pytest.raises(ValueError, match=r"^a\.b\[1\]: "):
        json.dumps({"x": None, "a": {"b": [0.5, number]}})
    with pytest.raises(ValueError, match=r"^temperature: "):
        json.dumps(number, "temperature")


def test_error_starts_with_path():
    with pytest.raises(ValueError, match=r"^orq\.identity: Cannot send bytes as JSON"):
        json.dumps({"identity": b"raw"}, "orq")


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a":[1,null]}', {"a": [1, None]}),
        ('"caf\u00e9"', "café"),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\ud83d"', "\ufffd"),
        (rb'"a\ud83db"', "a\ufffdb"),
        (rb'"\uDE00\uD83D"', "\ufffd\ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (rb'{"\ud800":["\udfff",1,{"a":"\udfffz"}]}', {"\ufffd": ["\ufffd", 1, {"a": "\ufffdz"}]}),
        (r'"\ud83d"', "\ufffd"),
        (rb'"\\ud83d"', "\\ud83d"),
    ],
)
def test_lone_surrogates_are_replaced(data, value):
    assert json.loads(data) == value


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"nan", b'"\xff"', rb'"\ud800', b'"\xff\\ud800"', b"[" * 5000, b'["\\ud800",NAN]'],
    ids=lambda data: repr(data[:12]),
)
def test_invalid_json_raises_value_error(data):
    with pytest.raises(ValueError, match=r"\S"):
        json.loads(data)


@pytest.mark.parametrize("text", ["[[", "[],", "{},", '{"a":1},'])
def test_too_many_containers_raise_value_error(text):
    """A reply of 10 MB could otherwise need a gigabyte of memory."""
    with pytest.raises(ValueError, match="more than 1000000 objects and arrays"):
        json.loads("[" + text * 1_000_000 + "0]")


def test_large_text_without_many_containers_is_read():
    assert json.loads("[" + "0," * 2_000_000 + "0]")[-1] == 0


def test_deep_nesting_around_lone_surrogate_raises_value_error():
    with pytest.raises(ValueError, match="nested too deeply"):
        json.loads(b"[" * 100_000 + rb'"\ud800"' + b"]" * 100_000)

"""JSON both ways: strict in what is sent, tolerant of half characters in what is read."""

import json as stdlib
import math

import pytest

from orq_router_integrations.wire import json


def nested(depth: int, core: object) -> object:
    for _ in range(depth):
        core = [core]
    return core


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 0.5, True, None, "é\u2028"], "b": {"": {}}},
        {"null": "null", "nan": "NaN"},
        "null",
        (1, (2,)),
        2**63,
        {"a": nested(190, None)},
        {"a": nested(250, "text")},
        {"a": nested(250, "null")},
        {"a": nested(250, "text"), "b": None},
    ],
    ids=lambda value: str(value)[:30],
)
def test_what_is_json_is_sent_as_it_is(value):
    assert stdlib.loads(json.dumps(value)) == stdlib.loads(stdlib.dumps(value))


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_never_sent_as_null(number):
    with pytest.raises(ValueError, match=r"^a\.b\[1\]: "):
        json.dumps({"x": None, "a": {"b": [0.5, number]}})
    with pytest.raises(ValueError, match=r"^temperature: "):
        json.dumps(number, "temperature")


def test_the_path_begins_with_the_name_of_the_value():
    with pytest.raises(ValueError, match=r"^orq\.identity: bytes cannot be sent as JSON"):
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
def test_half_characters_become_the_replacement_character(data, value):
    assert json.loads(data) == value


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"NaN", b'"\xff"', rb'"\ud800', b'"\xff\\ud800"', b"[" * 5000, b'["\\ud800",NaN]'],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_not_json_is_a_value_error(data):
    with pytest.raises(ValueError, match=r"\S"):
        json.loads(data)


def test_so_is_what_is_nested_too_deep_around_half_a_character():
    with pytest.raises(ValueError, match="nested too deeply"):
        json.loads(b"[" * 100_000 + rb'"\ud800"' + b"]" * 100_000)

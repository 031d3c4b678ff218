"""Requests made to break the offline router: it refuses or answers them, and soon."""

import math
import re
import time
import zlib

import orjson
import pytest

from orq_router_integrations.testing.answering.patterns import (
    MAX_TEXT_CHARS,
    PatternExamples,
    create_example,
)
from orq_router_integrations.testing.answering.schema_values import MAX_VALUES, create_value
from orq_router_integrations.testing.media.pdf import read_pdf

CLAUDE = "anthropic/claude-sonnet-4-5"
MAX_CPU_SECONDS = 120.0
"""Far more than any test here needs, and far less than a hostile input can cost."""


@pytest.fixture(autouse=True)
def _limit_cpu_time():
    start = time.process_time()
    yield
    assert time.process_time() - start < MAX_CPU_SECONDS


HOSTILE = [
    "^(a+)+$",
    "(a*)*b",
    "(a|a)*b",
    "(?:a|aa){40}$",
    "(a|a)" * 60 + "b",
    "a?" * 60 + "a" * 60,
    ".*" * 20 + "x",
    "((?:^){1000}){1000}",
    "((a{1000}){1000}){1000}",
    "(" * 400 + "a" + ")" * 400,
    "a" * 5000,
    "a{999999999999}",
    "(?(1)a|b)",
    ")",
    "(",
]


@pytest.mark.parametrize("pattern", HOSTILE)
@pytest.mark.parametrize("length", [3, 20, 40, MAX_TEXT_CHARS, 5000])
def test_a_pattern_is_not_run_where_that_may_take_long(pattern, length):
    text = "a" * length + "!"
    PatternExamples().matches(pattern, text)
    create_example(pattern)
    schema = {"type": "string", "pattern": pattern}
    assert isinstance(create_value(schema, f"'{text}' and '{text[1:]}'"), str)
    assert isinstance(create_value({"type": "array", "items": schema, "minItems": 50}, text), list)


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("^(a+)+$", "a" * 40 + "!", None),
        ("^(a+)+$", "a", True),
        (r"^[\w.]+@[a-z.]+\.[a-z]{2,}$", "ada@example.com", True),
        (r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", "x" * 36, False),
        (r"^(foo)+$", "foofoo", True),
        (r"[\]|(*]+", "]|(*", True),
        ("a", "a" * 65, None),
        ("[", "a", None),
    ],
)
def test_which_patterns_are_run(pattern, text, fits):
    assert PatternExamples().matches(pattern, text) is fits


def test_a_text_whose_pattern_is_not_run_is_made_up():
    assert create_value({"type": "string", "pattern": "^(a+)+$"}, f"'{'a' * 40}!'") == "a"


def test_the_effort_of_one_schema_is_bounded():
    patterns = PatternExamples()
    found = [patterns.matches(".*.*.*x", "a" * 40) for _ in range(100)]
    assert found[0] is False
    assert found[-1] is None


def test_the_values_of_one_schema_are_bounded(create_chat):
    many = {"type": "array", "minItems": 9999}
    nested = many | {"items": many | {"items": many | {"items": {"type": "integer"}}}}
    with pytest.raises(ValueError, match="more than"):
        create_value(nested, "")
    assert len(create_value(many | {"minItems": MAX_VALUES - 1}, "")) == MAX_VALUES - 1
    wide = {"type": "object", "properties": {"rows": nested}, "required": ["rows"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": wide}}
    assert create_chat().get_error(400, response_format=wanted)["param"] == "response_format"
    for hostile in (
        many | {"items": {"type": "string", "minLength": 10**9}},
        many | {"items": {"enum": list(range(9999))}, "uniqueItems": True},
        many | {"items": {"type": "boolean"}, "uniqueItems": True},
        {"type": "object", "minProperties": 10**9},
        {"type": "array", "minItems": 1e300, "uniqueItems": True},
        {"$ref": "#/$defs/t", "$defs": {"t": {"required": ["a", "b"], "allOf": [
            {"properties": {"a": {"$ref": "#/$defs/t"}, "b": {"$ref": "#/$defs/t"}}}]}}},
    ):  # fmt: skip
        try:
            create_value(hostile, "a 'b' 1")
        except ValueError as error:
            assert "more than" in str(error)  # noqa: PT017


def test_a_request_asks_for_128_answers_at_most(create_chat):
    assert create_chat().get_error(400, n=3_000_000)["param"] == "n"
    assert len(create_chat().complete(n=128)["choices"]) == 128


def test_huge_numbers_are_answered(create_chat):
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1e300}, "b": {"type": "number"}},
        "required": ["a", "b"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for text in ("hi", "9" * 400, "99999999999999999999999"):
        content = create_chat().get_message(text=text, response_format=wanted)["content"]
        assert orjson.loads(content)["a"] >= 1e300


def document(content: bytes, head: bytes = b"") -> bytes:
    return b"%PDF-1.4\n1 0 obj <<" + head + b">>\nstream\n" + content + b"\nendstream endobj"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (rb"BT (Caf\8) Tj ET", "Caf8"),
        (rb"BT (Caf\351 \(x\)) Tj (open \) Tj ET", "Café (x)"),
        (b"BT " + b"[" * 50_000 + b"(x)] TJ", "x"),
        (b"BT " + b"(" * 900_000, ""),
        (b"BT " + b"[(" * 300_000 + b") Tj", ""),
        (b"BT " + b"\\" * 900_000, ""),
        (b"BT " + b"9" * 900_000, ""),
        (b"BT " + b"[-999" * 200_000, ""),
        (b"BT " + b"(a)" * 300_000 + b" Tj", "a"),
        (b"BT (a) Tj" * 200_000, None),
        (rb"BT (a) /Tj (b) Tj [(c) (d) Tj (e) ' ET", "b cd e"),
    ],
)
def test_content_streams_are_read_in_one_pass(content, text):
    for data in (document(content), document(zlib.compress(content), b"/FlateDecode")):
        read = read_pdf(data)
        assert text is None or read.text == text


def test_files_of_many_streams_or_of_one_without_an_end():
    bomb = document(zlib.compress(bytes(2**24)), b"/FlateDecode")
    for data in (b"%PDF-" + b"stream\n" * 500_000, bomb * 300, document(b"BT (a) Tj")[:-20]):
        read_pdf(data)


@pytest.mark.parametrize("depth", [90, 101, 500, 1000, 100_000])
@pytest.mark.parametrize("lenient", [False, True])
def test_a_body_nested_too_deep_is_refused(create_chat, depth, lenient):
    body = b'{"model": "openai/gpt-4o", "messages": ' + b"[" * depth + b"]" * depth + b"}"
    chat = create_chat(lenient=lenient)
    headers = {"authorization": "Bearer k"}
    reply = chat.http.post("/v3/router/chat/completions", content=body, headers=headers)
    assert reply.status_code == 400


def test_a_schema_nested_deep_is_answered_or_refused(create_chat):
    for member in ("items", "allOf", "anyOf", "not"):
        schema: object = {"type": "string"}
        for _ in range(40):
            schema = {member: [schema] if member.endswith("Of") else schema}
        wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        assert create_chat().post(response_format=wanted).status_code in {200, 400}


def test_an_error_of_the_caller_is_raised_in_process(create_chat):
    def answers(_):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        create_chat(answers=answers).post()


MODEL = {"model": CLAUDE, "weight": 1}


@pytest.mark.parametrize(
    ("controls", "param"),
    [
        ({"load_balancer": {"type": "weight_based", "models": [CLAUDE]}}, "models[0]"),
        ({"load_balancer": {"type": "weight_based", "models": [MODEL, CLAUDE]}}, "models[1]"),
        ({"load_balancer": {"models": [MODEL]}}, "type"),
        ({"cache": {}}, "type"),
        ({"cache": {"ttl": 60}}, "type"),
    ],
)
def test_shorthands_of_our_own_client_are_not_on_the_wire(create_chat, controls, param):
    (name,) = controls
    assert create_chat().get_error(400, **controls)["param"] == f"{name}.{param}"
    error = create_chat().get_error(400, prefix="v2/router", orq=controls)
    assert error["param"] == f"orq.{name}.{param}"


SCHEMAS = [
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 3},
    {"type": "object", "minProperties": 2, "properties": {"a": {"type": "integer"}}},
    {
        "type": "object",
        "minProperties": 2,
        "properties": {"a": {"type": "integer"}, "b": {"type": "null"}},
        "additionalProperties": False,
    },
    {"type": "object", "minProperties": 1, "propertyNames": {"pattern": "^[a-z]{2}$"}},
    {"type": "object", "minProperties": 3, "propertyNames": {"enum": ["x", "y", "z"]}},
    {"type": "array", "uniqueItems": True, "minItems": 5, "items": {"type": "string"}},
    {
        "type": "array",
        "uniqueItems": True,
        "minItems": 3,
        "items": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
    },
    {
        "type": "array",
        "uniqueItems": True,
        "minItems": 9,
        "items": {"type": "integer", "multipleOf": 3, "maximum": 20},
    },
    {
        "type": "array",
        "uniqueItems": True,
        "minItems": 30,
        "items": {"type": "string", "pattern": r"^\d{4}$"},
    },
    {"type": "array", "uniqueItems": True, "minItems": 2, "items": {"type": "boolean"}},
    {"type": "array", "uniqueItems": True, "minItems": 3, "items": {"enum": ["a", 1, None]}},
    {
        "type": "array",
        "uniqueItems": True,
        "minItems": 4,
        "items": {"type": "string", "maxLength": 2, "pattern": "^[a-z0-9]+$"},
    },
    {
        "type": "array",
        "uniqueItems": True,
        "minItems": 4,
        "items": {"type": "string", "format": "date"},
    },
    {
        "type": "array",
        "uniqueItems": True,
        "minItems": 4,
        "items": {"type": "number", "minimum": 0, "maximum": 1},
    },
    {
        "type": "array",
        "uniqueItems": True,
        "minItems": 3,
        "items": {"type": "array", "items": {"type": "integer"}, "minItems": 1},
    },
    {"type": "number", "exclusiveMinimum": 0, "maximum": 0.3},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "number", "maximum": -3, "multipleOf": 5},
    {"type": "number", "maximum": 2, "minimum": 0.5, "multipleOf": 0.75},
    {"type": "integer", "maximum": -2.5},
    {"type": "integer", "multipleOf": 0.5, "minimum": 3.5},
    {"type": "integer", "multipleOf": 2.5, "exclusiveMinimum": 5},
    {"type": "integer", "multipleOf": 0.5, "exclusiveMaximum": 0},
    {"type": "number", "exclusiveMaximum": -1e300},
    {"type": "string", "pattern": "^[A-Z]{2,3}-(?:0|1)$"},
]


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("text", ["", "3.5 and 7 or 'x' and 'x' and 7", "2.5, 2.5, -3, 0.2"])
def test_values_satisfy_their_schema(schema, text):
    check(create_value(schema, text), schema)


def check(value, schema):
    """What a validator of JSON schemas would check."""
    if "enum" in schema:
        assert value in schema["enum"]
    match schema.get("type"):
        case "object":
            check_object(value, schema)
        case "array":
            check_array(value, schema)
        case "integer" | "number":
            check_number(value, schema)
        case "string":
            assert isinstance(value, str)
            assert len(value) <= schema.get("maxLength", math.inf)
            assert re.search(schema.get("pattern", ""), value)
        case "boolean":
            assert isinstance(value, bool)
        case "null":
            assert value is None


def check_object(value, schema):
    assert isinstance(value, dict)
    assert len(value) >= schema.get("minProperties", 0)
    assert set(schema.get("required", ())) <= value.keys()
    properties, more = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name, member in value.items():
        assert name in properties or more is not False
        check(member, properties.get(name, more))
        check(name, schema.get("propertyNames", {}))


def check_array(value, schema):
    assert isinstance(value, list)
    assert len(value) >= schema.get("minItems", 0)
    for item in value:
        check(item, schema.get("items", {}))
    if schema.get("uniqueItems"):
        assert len({orjson.dumps(item) for item in value}) == len(value)


def check_number(value, schema):
    assert isinstance(value, int | float)
    assert not isinstance(value, bool)
    if schema["type"] == "integer":
        assert isinstance(value, int)
    assert schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf)
    assert schema.get("exclusiveMinimum", -math.inf) < value
    assert value < schema.get("exclusiveMaximum", math.inf)
    assert value % schema.get("multipleOf", 1) == 0 or "multipleOf" not in schema

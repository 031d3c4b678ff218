"""Hostile requests: the offline router answers or rejects them within a bounded effort."""

import math
import re
import time
import zlib

import orjson
import pytest

from orq_router_integrations.testing.answering.patterns import (
    MAX_TEXT_CHARS,
    create_example,
    matches_pattern,
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


HOSTILE_PATTERNS = [
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


@pytest.mark.parametrize("pattern", HOSTILE_PATTERNS, ids=range(len(HOSTILE_PATTERNS)))
@pytest.mark.parametrize("length", [3, 20, 40, MAX_TEXT_CHARS, 5000])
def test_hostile_pattern_is_fast(pattern, length):
    text = "a" * length + "!"
    matches_pattern(pattern, text)
    create_example(pattern)
    schema = {"type": "string", "pattern": pattern}
    assert isinstance(create_value(schema, f"'{text}' and '{text[1:]}'"), str)
    assert isinstance(create_value({"type": "array", "items": schema, "minItems": 50}, text), list)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("^(a+)+$", "a" * 40 + "!", None),
        (r"^[\w.]+@[a-z.]+\.[a-z]{2,}$", "ada@example.com", True),
        (r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{12}$", "x" * 26, False),
        (r"^(foo)+$", "foofoo", None),
        ("a?" * 4, "a", None),
        (r"[\]|(*]+", "]|(*", True),
        ("a", "a" * 41, None),
        ("[", "a", None),
    ],
)
def test_pattern_matches(pattern, text, expected):
    assert matches_pattern(pattern, text) is expected


def test_value_of_hostile_pattern():
    assert create_value({"type": "string", "pattern": "^(a+)+$"}, f"'{'a' * 40}!'") == "a"


@pytest.mark.slow
def test_number_of_values_is_limited(create_chat):
    many = {"type": "array", "minItems": 9999}
    nested = many | {"items": many | {"items": many | {"items": {"type": "integer"}}}}
    with pytest.raises(ValueError, match="more than"):
        create_value(nested, "")
    assert len(create_value(many | {"minItems": MAX_VALUES - 1}, "")) == MAX_VALUES - 1
    wide = {"type": "object", "properties": {"rows": nested}, "required": ["rows"]}
    response_format = {"type": "json_schema", "json_schema": {"name": "x", "schema": wide}}
    assert (
        create_chat().get_error(400, response_format=response_format)["param"] == "response_format"
    )
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


def test_n_is_limited(create_chat):
    assert create_chat().get_error(400, n=3_000_000)["param"] == "n"
    assert len(create_chat().complete(n=128)["choices"]) == 128


def test_huge_numbers(create_chat):
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1e300}, "b": {"type": "number"}},
        "required": ["a", "b"],
    }
    response_format = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for text in ("hi", "9" * 400, "99999999999999999999999"):
        content = create_chat().get_message(text=text, response_format=response_format)["content"]
        assert orjson.loads(content)["a"] >= 1e300


def build_pdf(content: bytes, header: bytes = b"") -> bytes:
    return b"%PDF-1.4\n1 0 obj <<" + header + b">>\nstream\n" + content + b"\nendstream endobj"


@pytest.mark.slow
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
        (rb"BT (a) /Tj (b) Tj [(c) (d) Tj (e) ' ET", "b d e"),
    ],
)
def test_hostile_pdf_content(content, text):
    for data in (build_pdf(content), build_pdf(zlib.compress(content), b"/FlateDecode")):
        assert text is None or read_pdf(data).text == text


@pytest.mark.slow
def test_hostile_pdf_streams():
    bomb = build_pdf(zlib.compress(bytes(2**24)), b"/FlateDecode")
    for data in (b"%PDF-" + b"stream\n" * 500_000, bomb * 300, build_pdf(b"BT (a) Tj")[:-20]):
        read_pdf(data)


@pytest.mark.parametrize("depth", [90, 101, 500, 1000, 100_000])
@pytest.mark.parametrize("lenient", [False, True])
def test_deeply_nested_body_returns_400(create_chat, depth, lenient):
    body = b'{"model": "openai/gpt-4o", "messages": ' + b"[" * depth + b"]" * depth + b"}"
    chat = create_chat(lenient=lenient)
    headers = {"authorization": "Bearer k"}
    response = chat.http.post("/v3/router/chat/completions", content=body, headers=headers)
    assert response.status_code == 400


def test_deeply_nested_schema(create_chat):
    for keyword in ("items", "allOf", "anyOf", "not"):
        schema: object = {"type": "string"}
        for _ in range(40):
            schema = {keyword: [schema] if keyword.endswith("Of") else schema}
        response_format = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
        assert create_chat().post(response_format=response_format).status_code in {200, 400}


def test_exception_of_answer_function_propagates(create_chat):
    def answers(_):
        raise KeyError("raised by the function")

    with pytest.raises(KeyError, match="raised by the function"):
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
def test_client_shorthands_return_400(create_chat, controls, param):
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
def test_value_is_valid_for_schema(schema, text):
    check_value(create_value(schema, text), schema)


def check_value(value, schema):
    """Assert that a value is valid for a schema."""
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
    properties, additional = schema.get("properties", {}), schema.get("additionalProperties", {})
    for name, property_value in value.items():
        assert name in properties or additional is not False
        check_value(property_value, properties.get(name, additional))
        check_value(name, schema.get("propertyNames", {}))


def check_array(value, schema):
    assert isinstance(value, list)
    assert len(value) >= schema.get("minItems", 0)
    for item in value:
        check_value(item, schema.get("items", {}))
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

"""Values for JSON schemas."""

import contextlib
import datetime as dt
import enum
from typing import Annotated, Literal
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, TypeAdapter

from orq_router_integrations.testing.answering.default_answer import find_json_schema
from orq_router_integrations.testing.answering.schema_values import create_value, find_quoted

KEYWORD_NAMES = """
    type enum const anyOf allOf oneOf $ref properties required items prefixItems minItems maxItems
    minLength maxLength minimum maximum multipleOf pattern format default examples
"""
KEYWORDS = st.sampled_from(KEYWORD_NAMES.split())


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str = Field(min_length=40)
    zip: str = Field(pattern=r"^\d{4}-[A-Z]{2}$", examples=["1234-AB"])


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = Field(ge=7, le=9)


class Dog(BaseModel):
    kind: Literal["dog"]


class Tree(BaseModel):
    name: str
    children: list["Tree"]


class Everything(BaseModel):
    name: str
    short: str = Field(max_length=3)
    age: int = Field(gt=17, lt=19)
    share: float = Field(ge=0.2, le=0.4)
    flag: bool
    nothing: None
    maybe: int | None
    color: Color
    address: Address
    addresses: list[Address] = Field(min_length=2)
    pet: Cat | Dog
    tags: set[Literal["a", "b"]]
    pair: tuple[int, str]
    day: dt.date
    moment: dt.datetime
    id: UUID
    scores: dict[str, int]
    tree: Tree


@pytest.mark.parametrize(
    "type_",
    [
        Everything,
        Tree,
        int | None,
        list[int],
        Annotated[set[str], Field(min_length=3)],
        Annotated[int, Field(lt=-5)],
        Annotated[list[str], Field(max_length=0)],
        dict[str, str],
    ],
)
def test_pydantic_accepts_values(type_):
    adapter = TypeAdapter(type_)
    for text in ("", "18 of 'Ada', in Rome, by 3.5"):
        adapter.validate_python(create_value(adapter.json_schema(), text))


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "integer"}, "add 3.5 and 4", 4),
        ({"type": "number"}, "add 3.5 and 4", 3.5),
        ({"type": "integer", "minimum": 10}, "3 then 12", 12),
        ({"type": "integer"}, "it is -7 degrees", -7),
        ({"type": "integer"}, "no number", 1),
        ({"enum": ["metric", "imperial"]}, "in imperial units", "imperial"),
        ({"enum": ["metric", "imperial"]}, "", "metric"),
        ({"const": 5}, "7", 5),
        ({"type": "string", "format": "date"}, "on 'Monday'", "2026-01-31"),
        ({"type": "string"}, 'say "hi there"', "hi there"),
        ({"type": "string", "default": "d"}, "", "d"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, "'x'", "x"),
        ({"$ref": "#/$defs/N", "$defs": {"N": {"type": "integer"}}}, "9", 9),
        ({}, "", "offline value"),
        (True, "", "offline value"),
    ],
)
def test_values_are_taken_from_the_text(schema, text, value):
    assert create_value(schema, text) == value


def test_facts_are_used_once():
    string, number = {"type": "string"}, {"type": "integer"}
    schema = {
        "type": "object",
        "properties": {"a": number, "b": number, "c": string, "d": string, "e": string},
        "required": ["a", "b", "c", "d"],
    }
    value = create_value(schema, "3 + 4 is 'seven'")
    assert value == {"a": 3, "b": 4, "c": "seven", "d": "offline d", "e": "offline e"}


def test_optional_properties_are_filled():
    number = {"type": "integer"}
    schema = {"properties": {"a": number, "b": {**number, "default": 7}, "c": number}}
    assert create_value(schema, "add 3 and 4") == {"a": 3, "b": 7, "c": 4}


def test_recursive_model_is_filled_once():
    """Optional properties of the inner persons are omitted."""
    schema = {
        "$ref": "#/$defs/Person",
        "$defs": {
            "Person": {
                "properties": {
                    "name": {"type": "string"},
                    "partner": {"anyOf": [{"$ref": "#/$defs/Person"}, {"type": "null"}]},
                    "children": {"type": "array", "items": {"$ref": "#/$defs/Person"}},
                },
                "required": ["name"],
            }
        },
    }
    child = {"name": "offline name"}
    expected = {"name": "offline name", "partner": None, "children": [child]}
    assert create_value(schema, "") == expected


def test_required_property_of_a_recursive_model_is_null():
    schema = {
        "$ref": "#/$defs/Folder",
        "$defs": {
            "Folder": {
                "properties": {"parent": {"anyOf": [{"$ref": "#/$defs/Folder"}, {"type": "null"}]}},
                "required": ["parent"],
            }
        },
    }
    assert create_value(schema, "") == {"parent": None}


def test_query_is_complete_text():
    schema = {"properties": {"query": {"type": "string"}}, "required": ["query"]}
    assert create_value(schema, "Who won?") == {"query": "Who won?"}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"self": {"$ref": "#"}}, "required": ["self"]},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"$ref": "#"},
        {"$ref": "#/missing"},
        {"allOf": [{"type": "integer"}, {"minimum": 5}]},
        {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 3},
        {"type": "number", "multipleOf": 0.5},
        {"type": "array", "minItems": 10**9},
        {"type": "array", "uniqueItems": True, "minItems": 3, "items": {"type": "boolean"}},
        {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
        {"type": "string", "pattern": "^(a|b)$"},
        {"type": "string", "minLength": 10**9},
    ],
    ids=str,
)
def test_unsupported_schema_raises(schema):
    with pytest.raises(ValueError, match=r"JSON schema|nested|Script the answer"):
        create_value(schema, "")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYWORDS, inner, max_size=4),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.dictionaries(KEYWORDS, JSON, max_size=5), st.text(max_size=30))
def test_invalid_schema_raises_value_error_only(schema, text):
    with contextlib.suppress(ValueError):
        create_value(schema, text)


def test_quoted_texts_are_found():
    text = "It's said that \u2018one\u2019 or \u201ctwo\u201d, \"don't\" or 'three'."
    assert find_quoted(text) == ["one", "two", "don't", "three"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"pattern": "^[A-Z]{3}$", "examples": [5, "FCO"]}, "FCO"),
        ({"pattern": "^(a+)+$", "default": "aa"}, "aa"),
        ({"pattern": ".+@.+", "format": "email"}, "someone@example.com"),
    ],
    ids=str,
)
def test_patterns_are_never_matched(schema, value):
    text = f"from 'Rome' or '{'a' * 99}!'"
    assert create_value({"type": "string", **schema}, text) == value


@pytest.mark.parametrize(
    ("text", "properties"),
    [
        ('Use this schema: {"type": "object", "properties": {"a": {}}}. Thanks!', {"a": {}}),
        ('{"other": 1} {broken {"properties": {"b": {}}}', {"b": {}}),
        ('{"properties": 3}', None),
        ("no braces", None),
        ('{"a":' * 5000, None),
    ],
)
def test_json_schema_is_found_in_a_text(text, properties):
    schema = find_json_schema(text)
    assert schema == properties or schema["properties"] == properties


SCHEMAS = [
    {"type": "array", "uniqueItems": True, "minItems": 5, "items": {"type": "string"}},
    {"type": "array", "minItems": 3, "items": {"type": "array", "items": {"type": "integer"}}},
    {"type": "number", "exclusiveMinimum": 0, "maximum": 0.3},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "integer", "maximum": -2.5},
    {"type": "integer", "exclusiveMinimum": 5, "maximum": 12},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
@pytest.mark.parametrize("text", ["", "3.5 and 7 or 'x' and 'x' and 7", "2.5, 2.5, -3, 0.2"])
def test_value_is_valid_for_schema(schema, text):
    jsonschema.validate(create_value(schema, text), schema)

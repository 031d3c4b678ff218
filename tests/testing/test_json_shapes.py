"""Types of JSON objects that are declared by tables of their fields."""

from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from orq_router_integrations.testing.routing.json_shapes import OneOf, Shape

PARTS = {
    "text": {"text": str, "note?": str | None},
    "image": {"image": {"url": str, "size?": int}},
    "any": dict[str, Any],
}
shape = TypeAdapter(Annotated[Any, Shape({"name": str, "tags?": list[str]})])
part = TypeAdapter(Annotated[Any, OneOf("type", PARTS)])


@pytest.mark.parametrize("value", [{"name": "a"}, {"name": "a", "tags": ["b"]}])
def test_optional_fields_may_be_missing(value):
    assert shape.validate_python(value) == value


@pytest.mark.parametrize(
    "value",
    [
        {"type": "text", "text": "a", "note": None},
        {"type": "image", "image": {"url": "a", "size": 1}},
        {"type": "any", "other": [1]},
    ],
)
def test_tag_determines_the_fields(value):
    assert part.validate_python(value) == value


@pytest.mark.parametrize(
    ("value", "location", "error"),
    [
        ({"type": "text"}, ("text", "text"), "missing"),
        ({"type": "text", "text": 1}, ("text", "text"), "string_type"),
        ({"type": "text", "text": "a", "x": 1}, ("text", "x"), "extra_forbidden"),
        (
            {"type": "image", "image": {"url": "a", "x": 1}},
            ("image", "image", "x"),
            "extra_forbidden",
        ),
        (
            {"type": "image", "image": {"url": "a", "size": "1"}},
            ("image", "image", "size"),
            "int_type",
        ),
        ({"type": "video"}, (), "union_tag_invalid"),
        ({"text": "a"}, (), "union_tag_not_found"),
    ],
)
def test_types_are_strict(value, location, error):
    with pytest.raises(ValidationError) as raised:
        part.validate_python(value)
    (details,) = raised.value.errors()
    assert (details["loc"], details["type"]) == (location, error)

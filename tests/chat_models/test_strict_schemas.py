"""Schemas that exceed the size limits of OpenAI's strict mode are rejected with advice."""

from typing import Any

import pytest
from support.chat import create_model

from orq_router_integrations import OfflineRouter
from orq_router_integrations.chat_models.strict_schemas import find_exceeded_limit
from orq_router_integrations.errors import RouterInputError

Schema = dict[str, Any]


def create_object(**properties: Any) -> Schema:
    return {"type": "object", "properties": properties}


def nest(levels: int, *, in_lists: bool = False) -> Schema:
    """Create a schema of objects that contain each other."""
    schema = create_object(leaf={"type": "string"})
    for _ in range(levels - 1):
        schema = create_object(inner={"type": "array", "items": schema} if in_lists else schema)
    return schema


def create_properties(count: int, length: int = 1) -> Schema:
    names = (f"p{number}".ljust(length, "_") for number in range(count))
    return create_object(**{name: {"type": "integer"} for name in names})


def create_enums(*counts: int, length: int = 4) -> Schema:
    return create_object(
        **{
            f"e{index}": {"enum": [f"{number:0{length}}" for number in range(count)]}
            for index, count in enumerate(counts)
        }
    )


def create_recursive_schema(levels: int) -> Schema:
    node = create_object(child={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]})
    for _ in range(levels - 1):
        node = create_object(inner=node, other={"$ref": "#/$defs/Node"})
    return {**create_object(root={"$ref": "#/$defs/Node"}), "$defs": {"Node": node}}


EXCEEDED: dict[str, tuple[Schema, str]] = {
    "nested objects": (nest(11), "has 11 levels of nested objects, and OpenAI allows 10. Flatten"),
    "nested objects in lists": (nest(12, in_lists=True), "has 12 levels of nested objects"),
    "nested objects in a union": (
        create_object(inner={"anyOf": [{"type": "null"}, nest(10)]}),
        "has 11 levels of nested objects",
    ),
    "nested objects in a definition": (create_recursive_schema(11), "has 11 levels"),
    "properties": (create_properties(5001), "has 5,001 properties, and OpenAI allows 5,000. Split"),
    "properties in several objects": (
        create_object(a=create_properties(3000), b=create_properties(2000)),
        "has 5,002 properties",
    ),
    "enum values": (
        create_enums(1001),
        "has 1,001 enum values, and OpenAI allows 1,000. Use a str",
    ),
    "enum values in several enums": (create_enums(600, 401), "has 1,001 enum values"),
    "characters in a large enum": (
        create_enums(251, length=60),
        "has 15,060 characters in an enum",
    ),
    "characters in names": (create_properties(1200, 101), "has 121,200 characters in names"),
    "characters in small enums": (create_enums(200, 200, length=301), "has 120,404 characters"),
}


@pytest.mark.parametrize(("schema", "error"), EXCEEDED.values(), ids=EXCEEDED)
def test_schema_beyond_a_limit_raises(schema: Schema, error: str, router: OfflineRouter) -> None:
    model = create_model(router)
    schema = {"title": "Answer", **schema}
    tool = {"title": "answer", "description": "Answer.", **schema}
    for call in (
        lambda: model.with_structured_output(schema, strict=True),
        lambda: model.with_structured_output(schema, method="function_calling", strict=True),
        lambda: model.bind_tools([tool], strict=True),
    ):
        with pytest.raises(RouterInputError) as caught:
            call()
        assert error in str(caught.value)
        assert "or do not set strict=True" in str(caught.value)
    model.with_structured_output(schema)  # only strict mode has limits


ALLOWED = {
    "nested objects": nest(10),
    "nested objects in lists": nest(10, in_lists=True),
    "recursive": create_recursive_schema(10),
    "properties": create_properties(5000),
    "enum values": create_enums(1000),
    "characters in a small enum": create_enums(250, length=70),
    "characters in names": create_properties(1200, 100),
}


@pytest.mark.parametrize("schema", ALLOWED.values(), ids=ALLOWED)
def test_schema_at_a_limit_is_accepted(schema: Schema, router: OfflineRouter) -> None:
    create_model(router).with_structured_output({"title": "Answer", **schema}, strict=True)


def test_constants_and_definition_names_count_as_names() -> None:
    const = create_object(a={"const": "x" * 120_000})
    definition = {
        **create_object(a={"$ref": "#/$defs/" + "x" * 120_000}),
        "$defs": {"x" * 120_000: {}},
    }
    for schema in (const, definition):
        problem, advice = find_exceeded_limit(schema) or ("", "")
        assert (problem.split(",")[0], advice) == ("has 120", "Use shorter names")

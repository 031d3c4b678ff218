"""Schemas that an answer is to follow, in the forms that a request has for them."""

from collections.abc import Mapping
from typing import Any, Literal

from orq_router_integrations.chat_models.tool_schemas import convert_to_tool, validate_name

StructuredOutputMethod = Literal["json_schema", "function_calling", "json_mode"]
OutputSchema = dict[str, Any] | type


def build_response_format(schema: OutputSchema, strict: bool | None) -> dict[str, Any]:
    """The ``response_format`` that asks for this schema.

    A finished ``response_format`` dict is passed on, its schema's name checked; so is the
    ``name``, ``schema``, ``strict`` of one.

    Raises:
        ValueError: the schema cannot be converted, or its name cannot be sent.
    """
    if isinstance(schema, Mapping) and schema.get("type") in ("json_object", "text"):
        return dict(schema)
    inner = _named(schema) or _converted(schema, strict)
    validate_name("response_format", inner.get("name"))
    return {"type": "json_schema", "json_schema": inner}


def _named(schema: OutputSchema) -> dict[str, Any] | None:
    """The ``name``, ``schema`` and ``strict`` of a schema that is given in that form."""
    if not isinstance(schema, Mapping):
        return None
    if schema.get("type") == "json_schema":
        inner = schema.get("json_schema")
        if not isinstance(inner, Mapping):
            raise ValueError("response_format: type json_schema needs json_schema.name and schema")
        return dict(inner)
    return dict(schema) if isinstance(schema.get("schema"), Mapping) else None


def schema_to_tool(schema: OutputSchema) -> OutputSchema:
    """A schema in a form that converts to a tool."""
    named = _named(schema)
    if named is None:
        return schema
    about = {"name": named.get("name"), "description": named.get("description") or ""}
    function = {**about, "parameters": named.get("schema")}
    strict = {"strict": named["strict"]} if named.get("strict") is not None else {}
    return {"type": "function", "function": {**function, **strict}}


def _converted(schema: OutputSchema, strict: bool | None) -> dict[str, Any]:
    function = convert_to_tool(schema, strict, "schema")["function"]
    inner = {"name": function["name"], "schema": function.get("parameters", {"type": "object"})}
    if function.get("description"):
        inner["description"] = function["description"]
    return {**inner, "strict": strict} if strict is not None else inner


def get_schema_name(schema: OutputSchema) -> str:
    """The name under which a schema is offered as a tool."""
    return str(convert_to_tool(schema_to_tool(schema), None, "schema")["function"].get("name"))

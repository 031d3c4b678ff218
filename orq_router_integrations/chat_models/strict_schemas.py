"""The subset of JSON Schema that OpenAI's strict mode supports."""

from collections.abc import Mapping
from typing import Any

from orq_router_integrations.chat_models.json_schemas import Schema, inline_refs
from orq_router_integrations.wire import json

_SUPPORTED_KEYWORDS = {
    *("type", "title", "description", "enum", "const", "anyOf", "$ref"),
    *("properties", "items", "minItems", "maxItems", "pattern", "format"),
    *("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
_FORMATS = {
    *("date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"),
}
_DESCRIBED_KEYWORDS = (
    *("default", "format", "pattern", "minLength", "maxLength", "uniqueItems"),
    *("minProperties", "maxProperties", "contentEncoding", "contentMediaType"),
)
"""Keywords that strict mode rejects and that are added to the description for the model."""

_UNSUPPORTED_KEYWORDS = (
    *("allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas"),
    *("patternProperties", "prefixItems", "contains", "unevaluatedItems", "unevaluatedProperties"),
)
_LOOKAROUNDS = ("(?=", "(?!", "(?<=", "(?<!")
_JSON_TYPES = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    type(None): "null",
}


def to_strict_schema(schema: Mapping[str, Any]) -> Schema:
    """Convert the schema of an object to the subset that OpenAI's strict mode supports.

    Every object allows exactly its properties and requires all of them, unions are ``anyOf``,
    and default values and unsupported constraints become part of the descriptions.
    """
    root = inline_refs(schema)
    definitions = root.pop("$defs", {})
    if "anyOf" in root or "oneOf" in root:
        raise _create_error("", "has a union at its root", "Move the union into a property")
    try:
        strict = _convert(root, "")
        definitions = {name: _convert(inner, name) for name, inner in definitions.items()}
    except (AttributeError, TypeError) as error:
        raise ValueError(f"strict=True needs a valid JSON schema, but {error}.") from None
    return {**strict, "$defs": definitions} if definitions else strict


def _create_error(path: str, problem: str, advice: str) -> ValueError:
    subject = f"{path!r}" if path else "it"
    return ValueError(
        f"strict=True is not supported by this schema: {subject} {problem}. "
        f"{advice}, or do not set strict=True."
    )


def _convert(schema: Any, path: str) -> Schema:
    schema = _convert_unions(schema) if isinstance(schema, Mapping) else {}
    if keyword := next((name for name in _UNSUPPORTED_KEYWORDS if name in schema), None):
        advice = "Use a list, a nested model or a union instead"
        raise _create_error(path, f"uses {keyword!r}", advice)
    if {"type", "anyOf", "$ref"}.isdisjoint(schema):
        schema["type"] = _infer_type(schema, path)
    strict = _drop_unsupported(schema)
    if "anyOf" in strict:
        strict["anyOf"] = [_convert(option, path) for option in strict["anyOf"]]
    type_ = strict.get("type")
    types = [type_] if isinstance(type_, str) else type_ or []
    if "object" in types:
        strict.update(_convert_object(schema, path))
    if "array" in types:
        strict["items"] = _convert(schema.get("items"), f"{path}[]")
    return strict


def _convert_unions(schema: Mapping[str, Any]) -> Schema:
    """Replace ``oneOf`` and single ``allOf``, and wrap references that have other keywords."""
    converted = dict(schema)
    if "oneOf" in converted and "anyOf" not in converted:
        converted["anyOf"] = converted.pop("oneOf")
    options = converted.get("allOf")
    if isinstance(options, list) and len(options) == 1:
        del converted["allOf"]
        converted = {**options[0], **converted}
    if "$ref" in converted and len(converted) > 1:
        converted["anyOf"] = [{"$ref": converted.pop("$ref")}]
    return converted


def _infer_type(schema: Schema, path: str) -> str | list[str]:
    """Return the type of a schema that does not declare it, because strict mode requires it."""
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    types = sorted({_JSON_TYPES.get(type(value), "object") for value in values})
    if not types:
        keywords = {"properties": "object", "items": "array"}
        types = [type_ for keyword, type_ in keywords.items() if keyword in schema]
    if not types:
        raise _create_error(path, "allows any value", "Give it a type")
    return types[0] if len(types) == 1 else types


def _drop_unsupported(schema: Schema) -> Schema:
    """Move unsupported constraints to the description, and drop other unsupported keywords."""
    strict = {key: value for key, value in schema.items() if key in _SUPPORTED_KEYWORDS}
    if strict.get("format") not in _FORMATS:
        strict.pop("format", None)
    if any(lookaround in str(strict.get("pattern")) for lookaround in _LOOKAROUNDS):
        del strict["pattern"]
    notes = [
        f"{keyword}: {json.dumps(schema[keyword], keyword).decode()}"
        for keyword in _DESCRIBED_KEYWORDS
        if schema.get(keyword) is not None and keyword not in strict
    ]
    if notes:
        strict["description"] = f"{schema.get('description') or ''} ({', '.join(notes)})".strip()
    return strict


def _convert_object(schema: Schema, path: str) -> Schema:
    properties, additional = schema.get("properties"), schema.get("additionalProperties")
    if properties is None or (isinstance(additional, Mapping) and additional):
        raise _create_error(
            path, "is an object with arbitrary keys", "Use a list of key-value objects"
        )
    prefix = f"{path}." if path else ""
    return {
        "properties": {
            name: _convert(inner, f"{prefix}{name}") for name, inner in properties.items()
        },
        "required": list(properties),
        "additionalProperties": False,
    }

"""The subset of JSON Schema that OpenAI's strict mode supports."""

from collections.abc import Iterator, Mapping
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
_ADVICE = {
    "prefixItems": "Use a list or a nested model instead of a tuple",
    "patternProperties": "Use a list of key-value objects",
}
_LOOKAROUNDS = ("(?=", "(?!", "(?<=", "(?<!")


def to_strict_schema(schema: Mapping[str, Any]) -> Schema:
    """Convert the schema of an object to the subset that OpenAI's strict mode supports.

    Every object allows exactly its properties and requires all of them, unions are ``anyOf``,
    and default values and unsupported constraints become part of the descriptions.
    """
    inlined = inline_refs(schema)
    definitions = inlined.pop("$defs", {})
    if "anyOf" in inlined or "oneOf" in inlined:
        raise _create_error("", "has a union at its root", "Move the union into a property")
    try:
        strict = _convert(inlined, "")
        definitions = {name: _convert(inner, name) for name, inner in definitions.items()}
    except (AttributeError, TypeError) as error:
        raise ValueError(f"strict=True needs a valid JSON schema, but {error}.") from None
    strict = {**strict, "$defs": definitions} if definitions else strict
    if exceeded := find_exceeded_limit(strict):
        raise _create_error("", *exceeded)
    return strict


def _create_error(path: str, problem: str, advice: str) -> ValueError:
    subject = f"{path!r}" if path else "it"
    return ValueError(
        f"strict=True is not supported by this schema: {subject} {problem}. "
        f"{advice}, or do not set strict=True."
    )


def _convert(schema: Any, path: str) -> Schema:
    if not isinstance(schema, Mapping):
        raise _create_error(path, "allows any value", "Give it a type")
    schema = _convert_unions(schema)
    for keyword in _UNSUPPORTED_KEYWORDS:
        if keyword in schema:
            advice = _ADVICE.get(keyword, "Simplify the schema")
            raise _create_error(path, f"uses {keyword!r}", advice)
    schema = _add_type(schema, path)
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
    schema = dict(schema)
    if "oneOf" in schema and "anyOf" not in schema:
        schema["anyOf"] = schema.pop("oneOf")
    match schema.get("allOf"):
        case [Mapping() as single]:
            schema = {**single, **{k: v for k, v in schema.items() if k != "allOf"}}
        case _:
            pass
    if "$ref" in schema and len(schema) > 1:
        schema["anyOf"] = [{"$ref": schema.pop("$ref")}]
    return schema


def _add_type(schema: Schema, path: str) -> Schema:
    """Add the type if it is missing, because strict mode requires it."""
    if not {"type", "anyOf", "$ref"}.isdisjoint(schema):
        return schema
    values = schema.get("enum") or ([schema["const"]] if "const" in schema else [])
    types = sorted({_get_json_type(value) for value in values})
    if not types:
        types = [type_ for key, type_ in _TYPES_BY_KEYWORD.items() if key in schema]
    if not types:
        raise _create_error(path, "allows any value", "Give it a type")
    return {**schema, "type": types[0] if len(types) == 1 else types}


_TYPES_BY_KEYWORD = {"properties": "object", "items": "array"}


def _get_json_type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    types = {str: "string", int: "integer", float: "number", list: "array"}
    return types.get(type(value), "object")


def _is_supported(keyword: str, value: Any) -> bool:
    if keyword == "format":
        return value in _FORMATS
    if keyword == "pattern":
        return not any(lookaround in str(value) for lookaround in _LOOKAROUNDS)
    return keyword in _SUPPORTED_KEYWORDS


def _drop_unsupported(schema: Schema) -> Schema:
    """Move unsupported constraints to the description, and drop other unsupported keywords."""
    strict = {key: value for key, value in schema.items() if _is_supported(key, value)}
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


# OpenAI's limits, as its guide to structured outputs documents them
_MAX_LEVELS = 10
_MAX_PROPERTIES = 5_000
_MAX_NAME_CHARS = 120_000
_MAX_ENUM_VALUES = 1_000
_LARGE_ENUM_VALUES, _MAX_LARGE_ENUM_CHARS = 250, 15_000


def find_exceeded_limit(schema: Schema) -> tuple[str, str] | None:
    """Return the limit that a strict schema exceeds and what to do about it, or ``None``."""
    schemas = list(_iter_schemas(schema))
    properties = [name for _, item in schemas for name in item.get("properties", ())]
    constants = [str(item.get("const", "")) for _, item in schemas]
    enums = [list(map(_count_chars, item.get("enum", ()))) for _, item in schemas]
    large_enums = [sum(enum) for enum in enums if len(enum) > _LARGE_ENUM_VALUES]
    name_chars = sum(map(len, (*properties, *schema.get("$defs", ()), *constants)))
    name_chars += sum(map(sum, enums))
    limits = (
        (max(level for level, _ in schemas), _MAX_LEVELS, "levels of nested objects", "Flatten it"),
        (len(properties), _MAX_PROPERTIES, "properties", "Split it into several schemas"),
        (
            sum(map(len, enums)),
            _MAX_ENUM_VALUES,
            "enum values",
            "Use a str, and check the value yourself",
        ),
        (
            max(large_enums, default=0),
            _MAX_LARGE_ENUM_CHARS,
            f"characters in an enum of more than {_LARGE_ENUM_VALUES} values",
            "Use shorter values",
        ),
        (name_chars, _MAX_NAME_CHARS, "characters in names and enums", "Use shorter names"),
    )
    for value, maximum, unit, advice in limits:
        if value > maximum:
            return f"has {value:,} {unit}, and OpenAI allows {maximum:,}", advice
    return None


def _iter_schemas(schema: Schema, level: int = 0) -> Iterator[tuple[int, Schema]]:
    """Yield a schema and all schemas in it, each with the number of objects that contain it."""
    level += "properties" in schema
    yield level, schema
    items = [schema["items"]] if "items" in schema else []
    for child in (*schema.get("properties", {}).values(), *schema.get("anyOf", ()), *items):
        yield from _iter_schemas(child, level)
    for definition in schema.get("$defs", {}).values():
        yield from _iter_schemas(definition)


def _count_chars(value: Any) -> int:
    return len(value) if isinstance(value, str) else 0

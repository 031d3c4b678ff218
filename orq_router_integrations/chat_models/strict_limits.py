"""The size limits of OpenAI's strict mode, as its guide to structured outputs documents them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_MAX_LEVELS = 10
_MAX_PROPERTIES = 5_000
_MAX_NAME_CHARS = 120_000
_MAX_ENUM_VALUES = 1_000
_LARGE_ENUM_VALUES, _MAX_LARGE_ENUM_CHARS = 250, 15_000


@dataclass(slots=True)
class _Size:
    """The size of a schema."""

    levels: int = 0  # maximum number of objects that contain each other, the root included
    properties: int = 0
    name_chars: int = 0  # in names of properties and definitions, and in enum values
    enum_values: int = 0
    large_enum_chars: int = 0  # maximum for the values of an enum with more than 250 of them

    def add_schema(self, schema: Mapping[str, Any], level: int = 0) -> None:
        """Add a schema that is nested in ``level`` objects."""
        properties: Mapping[str, Any] = schema.get("properties", {})
        level += "properties" in schema
        self.levels = max(self.levels, level)
        self.properties += len(properties)
        self.name_chars += sum(map(len, (*properties, *schema.get("$defs", ()))))
        self._add_values(schema)
        for child in _iter_children(schema):
            self.add_schema(child, level)
        for definition in schema.get("$defs", {}).values():
            self.add_schema(definition)

    def _add_values(self, schema: Mapping[str, Any]) -> None:
        values = schema.get("enum", [])
        chars = sum(len(value) for value in values if isinstance(value, str))
        self.enum_values += len(values)
        self.name_chars += chars + len(str(schema.get("const", "")))
        if len(values) > _LARGE_ENUM_VALUES:
            self.large_enum_chars = max(self.large_enum_chars, chars)


def _iter_children(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from schema.get("properties", {}).values()
    yield from schema.get("anyOf", ())
    if "items" in schema:
        yield schema["items"]


def find_exceeded_limit(schema: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the limit that a strict schema exceeds and what to do about it, or ``None``."""
    size = _Size()
    size.add_schema(schema)
    limits = (
        (size.levels, _MAX_LEVELS, "levels of nested objects", "Flatten it"),
        (size.properties, _MAX_PROPERTIES, "properties", "Split it into several schemas"),
        (
            size.enum_values,
            _MAX_ENUM_VALUES,
            "enum values",
            "Use a str, and check the value yourself",
        ),
        (
            *(size.large_enum_chars, _MAX_LARGE_ENUM_CHARS),
            f"characters in an enum of more than {_LARGE_ENUM_VALUES} values",
            "Use shorter values",
        ),
        (size.name_chars, _MAX_NAME_CHARS, "characters in names and enums", "Use shorter names"),
    )
    for value, maximum, unit, advice in limits:
        if value > maximum:
            return f"has {value:,} {unit}, and OpenAI allows {maximum:,}", advice
    return None

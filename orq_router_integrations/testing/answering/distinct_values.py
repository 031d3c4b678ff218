"""Alternative values for arrays whose items must be unique."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import orjson

from orq_router_integrations.testing.answering import numbers

Schema = Mapping[str, Any]
ResolveSchema = Callable[[Any], Schema]
"""Resolves the references of a schema."""

MAX_DEPTH = 4
"""Maximum nesting depth at which values are varied."""

MAX_CANDIDATES = 200
"""Maximum number of candidates of one type."""

_START = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


def get_comparison_key(value: Any) -> bytes:
    """Return bytes that are equal for equal JSON values."""
    if isinstance(value, float) and value.is_integer():
        value = numbers.to_plain_number(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


class DistinctValues:
    """Generates values that differ from a first value.

    Args:
        start: number of values that already exist. The candidate after these is tried first.
        resolve: resolves the references of a schema.
    """

    def __init__(self, start: int, resolve: ResolveSchema) -> None:
        self._start = start
        self._resolve = resolve

    def iter_values(self, schema: Schema, value: Any, depth: int = 0) -> Iterator[Any]:
        """Yield other values for a schema."""
        if options := [schema["const"]] if "const" in schema else schema.get("enum"):
            return chain(options[self._start : self._start + 1], options)
        match value:
            case bool():
                return iter((not value,))
            case int() | float():
                return numbers.iter_other_numbers(schema, value, self._start)
            case str():
                return _iter_strings(schema, value, self._start)
            case dict() | list() if depth < MAX_DEPTH:
                return self._iter_nested(schema, value, depth)
        return iter(())

    def _iter_nested(
        self, schema: Schema, value: dict[str, Any] | list[Any], depth: int
    ) -> Iterator[Any]:
        """Yield copies of an array or object with a different first item or property."""
        if isinstance(value, list):
            items = self._resolve(schema.get("items", {}))
            for first in self.iter_values(items, value[0], depth + 1) if value else ():
                yield [first, *value[1:]]
            return
        properties, additional = (
            schema.get("properties", {}),
            schema.get("additionalProperties", {}),
        )
        for name, property_value in value.items():
            inner = self._resolve(properties.get(name, additional))
            for other in self.iter_values(inner, property_value, depth + 1):
                yield {**value, name: other}


def _iter_strings(schema: Schema, value: str, start: int) -> Iterator[str]:
    formatted = format_number(schema.get("format"), start)
    if formatted is not None:
        yield formatted
        return
    max_length = schema.get("maxLength", len(value) + 12)
    for number in (start + 1, *range(1, MAX_CANDIDATES)):
        candidates = (
            (f" {number}", max_length),
            (f"{number}", max_length),
            (f"{number}", len(value)),
        )
        for suffix, length in candidates:
            if len(suffix) <= length:
                yield value[: length - len(suffix)] + suffix
    for number in range(33, 127):
        yield value[:-1] + chr(number)


def format_number(format_name: Any, number: int) -> str | None:
    """Format a number as a string ``format`` of JSON schema; ``None`` for other formats."""
    moment = _START + dt.timedelta(days=number)
    values = {
        "date": moment.date().isoformat(),
        "date-time": moment.isoformat().replace("+00:00", "Z"),
        "time": f"{number // 60 % 24:02}:{number % 60:02}:00Z",
        "duration": f"P{number + 1}D",
        "email": f"someone{number}@example.com",
        "hostname": f"host{number}.example.com",
        "ipv4": f"198.51.{number // 256 % 256}.{number % 256}",
        "ipv6": f"2001:db8::{number % 65536:x}",
        "uri": f"https://example.com/{number}",
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
    }
    return values.get(format_name) if isinstance(format_name, str) else None

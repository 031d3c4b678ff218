"""Values beside a first one, for lists whose items must all differ."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Any

import orjson

from orq_router_integrations.testing.answering import numbers

Schema = Mapping[str, Any]
Plain = Callable[[Any], Schema]
"""Works the references of a schema in."""

MAX_DEPTH = 4
"""Levels of objects in which a difference is looked for."""

MAX_CANDIDATES = 200
"""Values of one kind that are tried."""

_MOMENT = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)


def get_comparison_key(value: Any) -> bytes:
    """What two equal JSON values have in common."""
    if isinstance(value, float) and value.is_integer():
        value = numbers.to_plain_number(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


class DistinctValues:
    """Values like a first one, none equal to it.

    Args:
        start: how many such values there are already; the one after these comes early.
        plain: works the references of a schema in.
    """

    def __init__(self, start: int, plain: Plain) -> None:
        self._start = start
        self._plain = plain

    def iter_values(self, schema: Schema, value: Any, depth: int = 0) -> Iterator[Any]:
        """The other values for a schema."""
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
        """With another first item, or with another member."""
        if isinstance(value, list):
            items = self._plain(schema.get("items", {}))
            for first in self.iter_values(items, value[0], depth + 1) if value else ():
                yield [first, *value[1:]]
            return
        properties, more = schema.get("properties", {}), schema.get("additionalProperties", {})
        for name, member in value.items():
            inner = self._plain(properties.get(name, more))
            for other in self.iter_values(inner, member, depth + 1):
                yield {**value, name: other}


def _iter_strings(schema: Schema, value: str, start: int) -> Iterator[str]:
    made = format_number(schema.get("format"), start)
    if made is not None:
        yield made
        return
    most = schema.get("maxLength", len(value) + 12)
    for number in (start + 1, *range(1, MAX_CANDIDATES)):
        for end, room in ((f" {number}", most), (f"{number}", most), (f"{number}", len(value))):
            if len(end) <= room:
                yield value[: room - len(end)] + end
    for number in range(33, 127):
        yield value[:-1] + chr(number)


def format_number(kind: Any, number: int) -> str | None:
    """The ``number``-th text of a format; ``None`` where there is only one, or no format."""
    later = _MOMENT + dt.timedelta(days=number)
    made = {
        "date": later.date().isoformat(),
        "date-time": later.isoformat().replace("+00:00", "Z"),
        "time": f"{number // 60 % 24:02}:{number % 60:02}:00Z",
        "duration": f"P{number + 1}D",
        "email": f"someone{number}@example.com",
        "hostname": f"host{number}.example.com",
        "ipv4": f"198.51.{number // 256 % 256}.{number % 256}",
        "ipv6": f"2001:db8::{number % 65536:x}",
        "uri": f"https://example.com/{number}",
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
    }
    return made.get(kind) if isinstance(kind, str) else None

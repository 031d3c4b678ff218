"""Create values that are valid for a JSON schema, using the user's text where it fits.

Schemas that need more than this raise an error: the test should script the answer.
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import reduce
from operator import getitem
from typing import Any

Schema = Mapping[str, Any]

MAX_STEPS = 10_000  # values, references and choices in one schema; stops infinite recursion
MAX_CHARS = 1000  # longest made-up string

_FORMATS = {
    "date": "2026-01-31",
    "time": "12:00:00Z",
    "date-time": "2026-01-31T12:00:00Z",
    "duration": "P1D",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
_UNSUPPORTED = {"allOf", "if", "minProperties", "multipleOf", "not"}
_LIMITS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
_TEXT_NAMES = {"query", "question", "prompt", "text", "input", "message", "sentence"}
_PLACE_NAMES = {"location", "city", "place", "town"}
_PLACE = re.compile(r"\bin\s+([A-Z][\w.'-]*(?:,?\s+[A-Z][\w'-]*)*)")
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_QUOTED = re.compile(r"""(?<!\w)["'\u201c\u2018](.{1,500}?)["'\u201d\u2019](?!\w)""")


def create_value(schema: Schema, text: str) -> Any:
    """Create a value for a schema, filled from ``text``.

    Optional properties get their default, or a value if they have none. A recursive schema is
    filled once; below, optional properties are omitted and arrays are as short as allowed.

    Raises:
        ValueError: The schema is invalid, or more complex than what is supported here.
    """
    try:
        return _ValueBuilder(schema, text).build(schema, "value")
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError) as error:
        raise ValueError(f"is not a valid JSON schema, or too deep ({error})") from None


class _ValueBuilder:
    """Builds a value for one schema. Numbers and quotes of the text are used once each.

    The ``refs`` of the methods are the references that lead to a schema. If one occurs twice, the
    schema is recursive, and what is optional is omitted.
    """

    def __init__(self, root: Schema, text: str) -> None:
        self._root = root
        self._text = text
        self._numbers = [float(number) for number in _NUMBER.findall(text)]
        self._quotes = find_quoted(text)
        self._steps = 0

    def build(self, schema: Any, name: str, refs: tuple[str, ...] = ()) -> Any:
        """Build a value for a schema. The name of the property is used in made-up strings."""
        schema, refs = self._resolve(schema, refs)
        if "const" in schema:
            return schema["const"]
        if options := schema.get("enum"):
            text = self._text.lower()
            mentioned = (name for name in options if isinstance(name, str) and name.lower() in text)
            return next(mentioned, options[0])
        builders: dict[str, Callable[[], Any]] = {
            "object": lambda: self._build_object(schema, refs),
            "array": lambda: self._build_array(schema, name, refs),
            "integer": lambda: self._build_number(schema),
            "number": lambda: self._build_number(schema),
            "boolean": lambda: True,
            "null": lambda: None,
            "string": lambda: self._build_string(schema, name),
        }
        return builders[_get_type(schema)]()

    def _resolve(self, schema: Any, refs: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """Follow ``$ref``, and choose from ``anyOf`` and ``oneOf``."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise ValueError("needs more values than the offline router creates. Script the answer")
        remaining: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
        if unsupported := _UNSUPPORTED & remaining.keys():
            raise ValueError(f"uses {min(unsupported)}. Script the answer")
        choice = next((name for name in ("anyOf", "oneOf") if name in remaining), None)
        if "$ref" in remaining:
            refs = (*refs, remaining.pop("$ref"))
            resolved = reduce(getitem, refs[-1].split("/")[1:], self._root)
        elif choice is not None:
            options = [self._resolve(option, refs) for option in remaining.pop(choice)]
            # Prefer options that do not recurse, and null only to end a recursion.
            prefers_null = _is_recursive(refs)
            ranks = [
                (_is_recursive(option_refs), (_get_type(option) == "null") != prefers_null)
                for option, option_refs in options
            ]
            resolved, refs = options[ranks.index(min(ranks))]
        else:
            return remaining, refs
        return self._resolve({**resolved, **remaining}, refs)

    def _build_object(self, schema: Schema, refs: tuple[str, ...]) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        value = {}
        optional = () if _is_recursive(refs) else properties
        for name in (*required, *optional):
            inner = properties.get(name, {})
            if name not in required and isinstance(inner, Mapping) and "default" in inner:
                value[name] = inner["default"]
            elif name not in value:
                value[name] = self.build(inner, name, refs)
        return value

    def _build_array(self, schema: Schema, name: str, refs: tuple[str, ...]) -> list[Any]:
        items = [self.build(item, name, refs) for item in schema.get("prefixItems", ())]
        count = schema.get("minItems", 0 if _is_recursive(refs) else 1)
        for number in range(len(items) + 1, min(count, schema.get("maxItems", count)) + 1):
            item = self.build(schema.get("items", {}), f"{name} {number}", refs)
            if schema.get("uniqueItems") and item in items:
                raise ValueError("needs several unique items. Script the answer")
            items.append(item)
        return items

    def _build_number(self, schema: Schema) -> float:
        """Return the first valid number: one of the text, the default, or one near the limits."""
        limits = [schema[name] for name in _LIMITS if name in schema]
        near = (math.floor(limit) + shift for limit in (1, *limits) for shift in (0, 1, -1))
        middle = sum(limits) / max(1, len(limits))
        for number in (*self._numbers, schema.get("default"), *near, middle):
            if isinstance(number, int | float) and _is_number_valid(number, schema):
                if number in self._numbers:
                    self._numbers.remove(number)
                # Integers above 2 ** 53 are written as floats: many JSON readers cannot take them.
                is_integer = number % 1 == 0 and abs(number) < 2**53
                return int(number) if is_integer else float(number)
        raise ValueError("has limits that the offline router cannot meet. Script the answer")

    def _build_string(self, schema: Schema, name: str) -> str:
        """Return a part of the text, an example, or a made-up string.

        Nothing is matched with a pattern, because that may take forever.
        """
        min_length, max_length = schema.get("minLength", 0), schema.get("maxLength")
        format_text = _FORMATS.get(schema.get("format", ""))
        texts = [*schema.get("examples", ()), schema.get("default"), format_text]
        if "pattern" not in schema and format_text is None:
            places = _PLACE.findall(self._text) if name.lower() in _PLACE_NAMES else []
            complete = [self._text] if name.lower() in _TEXT_NAMES else []
            made_up = f"offline {name.replace('_', ' ')}".ljust(min(min_length, MAX_CHARS), ".")
            texts = [*self._quotes, *places, *complete, *texts, made_up[:max_length]]
        for text in texts:
            if isinstance(text, str) and len(text) >= min_length and text == text[:max_length]:
                if text in self._quotes:
                    self._quotes.remove(text)
                return text
        raise ValueError(
            "has a pattern or a length that the offline router cannot meet. Script the answer, or "
            "add an example to the schema"
        )


def _is_recursive(refs: tuple[str, ...]) -> bool:
    return len(set(refs)) < len(refs)


def _get_type(schema: Schema) -> str:
    types = schema.get("type")
    if isinstance(types, list):
        return next((type_ for type_ in types if type_ != "null"), "null")
    if isinstance(types, str):
        return types
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema else "string"


def _is_number_valid(number: float, schema: Schema) -> bool:
    return (
        math.isfinite(number)
        and schema.get("minimum", -math.inf) <= number <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < number
        and number < schema.get("exclusiveMaximum", math.inf)
        and (number % 1 == 0 or _get_type(schema) != "integer")
    )


def find_quoted(text: str) -> list[str]:
    return list(dict.fromkeys(_QUOTED.findall(text)))

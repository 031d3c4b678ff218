"""Create values that are valid for a JSON schema, using a string where it fits."""

import math
from collections.abc import Mapping
from typing import Any

from orq_router_integrations.testing.answering import numbers
from orq_router_integrations.testing.answering.distinct_values import (
    DistinctValues,
    get_comparison_key,
)
from orq_router_integrations.testing.answering.patterns import PatternExamples
from orq_router_integrations.testing.answering.text_facts import TextFacts

Schema = Mapping[str, Any]

MAX_DEPTH = 12
"""Maximum nesting depth. From half of it, arrays stay empty and the simplest branch is chosen."""

HARD_MAX_DEPTH = 4 * MAX_DEPTH
"""Nesting depth below which nothing is filled in."""

MAX_VALUES = 10_000
"""Maximum number of values for one schema, and maximum length of a made-up text."""

CHARS_PER_VALUE = 1000
"""Number of characters of a string that count as one more value."""

MAX_FACTS = 100
"""Maximum number of numbers and quotes taken from a string."""

MAX_STEPS = 5000
"""Maximum number of references and choices followed in one schema; stops infinite recursion."""

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
_PLACE_NAMES = ("location", "city", "place", "town")
_TEXT_NAMES = ("query", "question", "prompt", "text", "input", "message", "sentence")
_TYPES_BY_SIMPLICITY = ("null", "boolean", "integer", "number", "string", "array", "object")


def create_value(schema: Schema, text: str) -> Any:
    """Create a value for a schema: required properties only, filled from ``text``.

    Raises:
        ValueError: the schema is invalid, or needs more than ``MAX_VALUES`` values.
    """
    try:
        return _ValueBuilder(schema, text).build(schema, name="value", depth=0)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (ArithmeticError, AttributeError, IndexError, LookupError, TypeError) as error:
        raise ValueError(f"is not a valid JSON schema ({error})") from error


class _ValueBuilder:
    """Builds a value for one schema. Numbers and quotes of the text are used once each."""

    def __init__(self, root: Schema, text: str) -> None:
        self._root = root
        self._facts = TextFacts(text)
        self._facts.numbers = self._facts.numbers[:MAX_FACTS]
        self._facts.quotes = self._facts.quotes[:MAX_FACTS]
        self._patterns = PatternExamples()
        self._ordered_enums: dict[int, list[Any]] = {}
        self._remaining_steps = MAX_STEPS
        self._values = 0

    def build(self, schema: Any, *, name: str, depth: int) -> Any:
        """Build a value for a schema or one of its subschemas."""
        self._count_values(1)
        schema = self._resolve(schema, depth)
        if "const" in schema or depth > HARD_MAX_DEPTH:
            return schema.get("const")
        if schema.get("enum"):
            return self._order_enum(schema["enum"])[0]
        return self._build_type(_get_type(schema), schema, name=name, depth=depth)

    def _count_values(self, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise ValueError(
                f"requires more than {MAX_VALUES} values, the limit of the offline router"
            )

    def _build_type(self, type_: str, schema: Schema, *, name: str, depth: int) -> Any:
        match type_:
            case "object":
                return self._build_object(schema, depth)
            case "array":
                return self._build_array(schema, name, depth)
            case "integer" | "number":
                return self._build_number({**schema, "type": type_})
            case "boolean" | "null":
                return type_ == "boolean" or None
        return self._build_string(schema, name)

    def _resolve(self, schema: Any, depth: int) -> dict[str, Any]:
        """Resolve ``$ref``, ``allOf`` and the choice of ``anyOf`` and ``oneOf``."""
        resolved: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
        while self._remaining_steps > 0 and depth <= HARD_MAX_DEPTH:
            self._remaining_steps -= 1
            if "$ref" in resolved:
                resolved = _merge(self._follow_ref(resolved.pop("$ref")), resolved)
            elif "allOf" in resolved:
                for part in resolved.pop("allOf"):
                    resolved = _merge(resolved, self._resolve(part, depth + 1))
            elif options := resolved.pop("anyOf", None) or resolved.pop("oneOf", None):
                resolved = _merge(resolved, self._choose_branch(options, depth))
            else:
                break
        return resolved

    def _choose_branch(self, options: list[Any], depth: int) -> Schema:
        """Choose the first option that is not null; at depth, the simplest one."""
        types = [_get_type(self._resolve(option, depth + 1)) for option in options]
        if depth >= MAX_DEPTH // 2:
            index = min(range(len(options)), key=lambda i: _TYPES_BY_SIMPLICITY.index(types[i]))
        else:
            index = next((i for i, type_ in enumerate(types) if type_ != "null"), 0)
        return options[index] if isinstance(options[index], Mapping) else {}

    def _follow_ref(self, reference: str) -> Schema:
        target: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            target = target.get(key, {}) if isinstance(target, Mapping) else {}
        return target if isinstance(target, Mapping) else {}

    def _order_enum(self, options: list[Any]) -> list[Any]:
        """Return the options of an enum, starting with those that the text names."""
        if id(options) not in self._ordered_enums:
            text = self._facts.text[:MAX_VALUES].lower()
            named = [
                option
                for option in options[:MAX_VALUES]
                if isinstance(option, str) and option.lower() in text
            ]
            self._ordered_enums[id(options)] = [*named, *options]
        return self._ordered_enums[id(options)]

    def _build_object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        value = {
            name: self.build(properties.get(name, {}), name=name, depth=depth + 1)
            for name in schema.get("required", ())
        }
        min_properties = schema.get("minProperties", 0)
        optional = [name for name in properties if name not in value]
        for name in optional[: max(0, min_properties - len(value))]:
            value[name] = self.build(properties[name], name=name, depth=depth + 1)
        return self._add_properties(schema, value, depth)

    def _add_properties(self, schema: Schema, value: dict[str, Any], depth: int) -> dict[str, Any]:
        """Add made-up properties until ``minProperties`` is reached."""
        inner = schema.get("additionalProperties", {})
        min_properties = schema.get("minProperties", 0) if inner is not False else 0
        name_schema = {"type": "string", **schema.get("propertyNames", {})}
        number = 0
        while len(value) < min_properties:
            number += 1
            name = f"key_{number}"
            if "propertyNames" in schema:
                name = self.build(name_schema, name=name, depth=depth + 1)
                name = self._make_distinct(
                    name_schema, name, {get_comparison_key(key) for key in value}, depth
                )
            value[name] = self.build(inner, name=name, depth=depth + 1)
        return value

    def _build_array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        prefix = schema.get("prefixItems", [])
        min_items = schema.get("minItems", 0 if depth >= MAX_DEPTH // 2 else 1)
        count = min(max(min_items, len(prefix)), schema.get("maxItems", math.inf))
        items = [
            self.build(item_schema, name=name, depth=depth + 1)
            for item_schema in prefix[: min(count, MAX_VALUES)]
        ]
        unique = bool(schema.get("uniqueItems"))
        seen = {get_comparison_key(item) for item in items} if unique else set()
        while len(items) < count:
            item_schema = self._resolve(schema.get("items", {}), depth)
            item = self.build(item_schema, name=f"{name} {len(items) + 1}", depth=depth + 1)
            if unique:
                item = self._make_distinct(item_schema, item, seen, depth)
                seen.add(get_comparison_key(item))
            items.append(item)
        return items

    def _make_distinct(self, schema: Schema, value: Any, seen: set[bytes], depth: int) -> Any:
        """Return the value, or a similar one, that is not in ``seen``."""
        if get_comparison_key(value) not in seen:
            return value
        alternatives = DistinctValues(len(seen), lambda inner: self._resolve(inner, depth + 1))
        for candidate in alternatives.iter_values(schema, value):
            self._count_values(1)
            if get_comparison_key(candidate) not in seen and self._is_allowed(schema, candidate):
                return candidate
        return value

    def _is_allowed(self, schema: Schema, value: Any) -> bool:
        return not isinstance(value, str) or "format" in schema or self._accepts(schema, value)

    def _build_number(self, schema: Schema) -> float:
        for index, number in enumerate(self._facts.numbers):
            if numbers.matches_schema(number, schema):
                del self._facts.numbers[index]
                return numbers.to_plain_number(number)
        return numbers.choose_number(schema)

    def _build_string(self, schema: Schema, name: str) -> str:
        text = self._find_string(schema, name) or self._make_up_string(schema, name)
        self._count_values(len(text) // CHARS_PER_VALUE)
        return text

    def _find_string(self, schema: Schema, name: str) -> str | None:
        """Find a string in the text, the examples, the default or the format."""
        for index, text in enumerate(self._facts.quotes):
            if self._accepts(schema, text):
                del self._facts.quotes[index]
                return text
        examples = schema.get("examples") or [schema.get("default")]
        candidates = (self._find_in_text(name), *examples, _FORMATS.get(schema.get("format", "")))
        return next(
            (text for text in candidates if isinstance(text, str) and self._accepts(schema, text)),
            None,
        )

    def _accepts(self, schema: Schema, text: str) -> bool:
        """Return whether a string is known to be valid."""
        if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", math.inf):
            return False
        pattern = schema.get("pattern", "")
        if pattern and not self._patterns.matches(pattern, text):
            return False
        return bool(text == _FORMATS.get(schema.get("format", ""), text))

    def _make_up_string(self, schema: Schema, name: str) -> str:
        pattern = schema.get("pattern")
        example = self._patterns.get_example(pattern) if isinstance(pattern, str) else None
        if example is not None:
            return example
        text = f"offline {name.replace('_', ' ')}"
        min_length, max_length = schema.get("minLength", 0), schema.get("maxLength")
        return text.ljust(min(min_length, MAX_VALUES), ".")[:max_length]

    def _find_in_text(self, name: str) -> str | None:
        if any(word in name.lower() for word in _PLACE_NAMES):
            return self._facts.place
        return self._facts.text if name.lower() in _TEXT_NAMES else None


def _get_type(schema: Any) -> str:
    type_ = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(type_, list):
        type_ = next((option for option in type_ if option != "null"), "null")
    if type_ in _TYPES_BY_SIMPLICITY:
        return str(type_)
    if isinstance(schema, Mapping) and ("properties" in schema or "required" in schema):
        return "object"
    return "array" if isinstance(schema, Mapping) and "items" in schema else "string"


def _merge(base: Schema, update: Schema) -> dict[str, Any]:
    merged = {**base, **update}
    for keyword in ("properties", "$defs"):
        if keyword in base and keyword in update:
            merged[keyword] = {**base[keyword], **update[keyword]}
    if "required" in base and "required" in update:
        merged["required"] = list(dict.fromkeys([*base["required"], *update["required"]]))
    return merged

"""Values that are valid for a JSON schema, taken from a text where they fit."""

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
"""Levels of nesting after which lists stay empty and choices take their plainest branch."""

HARD_MAX_DEPTH = 4 * MAX_DEPTH
"""Levels of nesting below which nothing is filled."""

MAX_VALUES = 10_000
"""Values that are made for one schema, and characters that are made up for one text."""

CHARS_PER_VALUE = 1000
"""Characters of a text that count as one value more."""

MAX_FACTS = 100
"""Numbers and quotes of a text that are looked at."""

MAX_STEPS = 5000
"""References and choices followed in one schema; ends those that go round in circles."""

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
_PLACES = ("location", "city", "place", "town")
_WHOLE_TEXTS = ("query", "question", "prompt", "text", "input", "message", "sentence")
_PLAINEST = ("null", "boolean", "integer", "number", "string", "array", "object")


def create_value(schema: Schema, text: str) -> Any:
    """A value for the schema: required members only, filled from ``text``.

    Raises:
        ValueError: the schema is none, or wants more than ``MOST`` values.
    """
    try:
        return _ValueBuilder(schema, text).build(schema, name="value", depth=0)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except (ArithmeticError, AttributeError, IndexError, LookupError, TypeError) as error:
        raise ValueError(f"is no JSON schema ({error})") from error


class _ValueBuilder:
    """Fills one schema; holds the facts that are still to be used."""

    def __init__(self, root: Schema, text: str) -> None:
        self._root = root
        self._facts = TextFacts(text)
        self._facts.numbers = self._facts.numbers[:MAX_FACTS]
        self._facts.quotes = self._facts.quotes[:MAX_FACTS]
        self._patterns = PatternExamples()
        self._choices: dict[int, list[Any]] = {}
        self._left = MAX_STEPS
        self._values = 0

    def build(self, schema: Any, *, name: str, depth: int) -> Any:
        """A value for one schema below the root."""
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
            raise ValueError(f"asks for more than the {MAX_VALUES} values that are made offline")

    def _build_type(self, kind: str, schema: Schema, *, name: str, depth: int) -> Any:
        match kind:
            case "object":
                return self._build_object(schema, depth)
            case "array":
                return self._build_array(schema, name, depth)
            case "integer" | "number":
                return self._build_number({**schema, "type": kind})
            case "boolean" | "null":
                return kind == "boolean" or None
        return self._build_string(schema, name)

    def _resolve(self, schema: Any, depth: int) -> dict[str, Any]:
        """The schema with references, ``allOf`` and the choice of ``anyOf`` worked in."""
        plain: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
        while self._left > 0 and depth <= HARD_MAX_DEPTH:
            self._left -= 1
            if "$ref" in plain:
                plain = _merge(self._follow_ref(plain.pop("$ref")), plain)
            elif "allOf" in plain:
                for part in plain.pop("allOf"):
                    plain = _merge(plain, self._resolve(part, depth + 1))
            elif options := plain.pop("anyOf", None) or plain.pop("oneOf", None):
                plain = _merge(plain, self._choose_branch(options, depth))
            else:
                break
        return plain

    def _choose_branch(self, options: list[Any], depth: int) -> Schema:
        """The option to take: the first that is not null, or the plainest once it is deep."""
        types = [_get_type(self._resolve(option, depth + 1)) for option in options]
        if depth >= MAX_DEPTH // 2:
            best = min(range(len(options)), key=lambda index: _PLAINEST.index(types[index]))
        else:
            best = next((index for index, kind in enumerate(types) if kind != "null"), 0)
        return options[best] if isinstance(options[best], Mapping) else {}

    def _follow_ref(self, reference: str) -> Schema:
        here: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            here = here.get(key, {}) if isinstance(here, Mapping) else {}
        return here if isinstance(here, Mapping) else {}

    def _order_enum(self, options: list[Any]) -> list[Any]:
        """The options of an enum, those first that the text names."""
        if id(options) not in self._choices:
            text = self._facts.text[:MAX_VALUES].lower()
            said = [it for it in options[:MAX_VALUES] if isinstance(it, str) and it.lower() in text]
            self._choices[id(options)] = [*said, *options]
        return self._choices[id(options)]

    def _build_object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        made = {
            name: self.build(properties.get(name, {}), name=name, depth=depth + 1)
            for name in schema.get("required", ())
        }
        least = schema.get("minProperties", 0)
        optional = [name for name in properties if name not in made]
        for name in optional[: max(0, least - len(made))]:
            made[name] = self.build(properties[name], name=name, depth=depth + 1)
        return self._add_members(schema, made, depth)

    def _add_members(self, schema: Schema, made: dict[str, Any], depth: int) -> dict[str, Any]:
        """The object with as many made-up members as it needs."""
        inner = schema.get("additionalProperties", {})
        least = schema.get("minProperties", 0) if inner is not False else 0
        naming = {"type": "string", **schema.get("propertyNames", {})}
        number = 0
        while len(made) < least:
            number += 1
            name = f"key_{number}"
            if "propertyNames" in schema:
                name = self.build(naming, name=name, depth=depth + 1)
                name = self._make_distinct(
                    naming, name, {get_comparison_key(it) for it in made}, depth
                )
            made[name] = self.build(inner, name=name, depth=depth + 1)
        return made

    def _build_array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        fixed = schema.get("prefixItems", [])
        least = schema.get("minItems", 0 if depth >= MAX_DEPTH // 2 else 1)
        count = min(max(least, len(fixed)), schema.get("maxItems", math.inf))
        items = [
            self.build(it, name=name, depth=depth + 1) for it in fixed[: min(count, MAX_VALUES)]
        ]
        unique = bool(schema.get("uniqueItems"))
        before = {get_comparison_key(item) for item in items} if unique else set()
        while len(items) < count:
            inner = self._resolve(schema.get("items", {}), depth)
            item = self.build(inner, name=f"{name} {len(items) + 1}", depth=depth + 1)
            if unique:
                item = self._make_distinct(inner, item, before, depth)
                before.add(get_comparison_key(item))
            items.append(item)
        return items

    def _make_distinct(self, schema: Schema, value: Any, before: set[bytes], depth: int) -> Any:
        """The value, or one like it, that is not among those before."""
        if get_comparison_key(value) not in before:
            return value
        others = DistinctValues(len(before), lambda inner: self._resolve(inner, depth + 1))
        for offer in others.iter_values(schema, value):
            self._count_values(1)
            if get_comparison_key(offer) not in before and self._is_allowed(schema, offer):
                return offer
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
        """A text that is already there."""
        for index, text in enumerate(self._facts.quotes):
            if self._accepts(schema, text):
                del self._facts.quotes[index]
                return text
        known = schema.get("examples") or [schema.get("default")]
        offers = (self._find_in_text(name), *known, _FORMATS.get(schema.get("format", "")))
        fitting = (text for text in offers if isinstance(text, str) and self._accepts(schema, text))
        return next(fitting, None)

    def _accepts(self, schema: Schema, text: str) -> bool:
        """Whether a text is known to fit."""
        if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", math.inf):
            return False
        pattern = schema.get("pattern", "")
        if pattern and not self._patterns.matches(pattern, text):
            return False
        return bool(text == _FORMATS.get(schema.get("format", ""), text))

    def _make_up_string(self, schema: Schema, name: str) -> str:
        pattern = schema.get("pattern")
        found = self._patterns.get_example(pattern) if isinstance(pattern, str) else None
        if found is not None:
            return found
        text = f"offline {name.replace('_', ' ')}"
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        return text.ljust(min(least, MAX_VALUES), ".")[:most]

    def _find_in_text(self, name: str) -> str | None:
        if any(word in name.lower() for word in _PLACES):
            return self._facts.place
        return self._facts.text if name.lower() in _WHOLE_TEXTS else None


def _get_type(schema: Any) -> str:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(kind, list):
        kind = next((option for option in kind if option != "null"), "null")
    if kind in _PLAINEST:
        return str(kind)
    if isinstance(schema, Mapping) and ("properties" in schema or "required" in schema):
        return "object"
    return "array" if isinstance(schema, Mapping) and "items" in schema else "string"


def _merge(one: Schema, two: Schema) -> dict[str, Any]:
    merged = {**one, **two}
    for member in ("properties", "$defs"):
        if member in one and member in two:
            merged[member] = {**one[member], **two[member]}
    if "required" in one and "required" in two:
        merged["required"] = list(dict.fromkeys([*one["required"], *two["required"]]))
    return merged

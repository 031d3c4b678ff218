"""Values that are valid for a JSON schema, taken from a text where they fit."""

import math
import re
from collections.abc import Mapping
from typing import Any

from orq_router_integrations.offline.answering.facts import Facts
from orq_router_integrations.offline.answering.patterns import example

Schema = Mapping[str, Any]

DEEPEST = 12
"""Levels of nesting after which lists stay empty and choices take their plainest branch."""

BOTTOM = 4 * DEEPEST
"""Levels of nesting below which nothing is filled."""

MOST = 10_000
"""Items or characters that are made up, whatever a schema asks for."""

MOST_STEPS = 5000
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


def value_for(schema: Schema, text: str) -> Any:
    """A value for the schema: required members only, filled from ``text``.

    Raises:
        ValueError: the schema is none.
    """
    try:
        return _Filler(schema, text).value(schema, name="value", depth=0)
    except (ArithmeticError, AttributeError, IndexError, LookupError, TypeError) as error:
        raise ValueError(f"is no JSON schema ({error})") from error


class _Filler:
    """Fills one schema; holds the facts that are still to be used."""

    def __init__(self, root: Schema, text: str) -> None:
        self._root = root
        self._facts = Facts(text)
        self._left = MOST_STEPS

    def value(self, schema: Any, *, name: str, depth: int) -> Any:
        """A value for one schema below the root."""
        schema = self._plain(schema, depth)
        if "const" in schema or depth > BOTTOM:
            return schema.get("const")
        if schema.get("enum"):
            return self._choice(schema["enum"])
        return self._typed(_type_of(schema), schema, name=name, depth=depth)

    def _typed(self, kind: str, schema: Schema, *, name: str, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer" | "number":
                return self._number(schema, whole=kind == "integer")
            case "boolean" | "null":
                return kind == "boolean" or None
        return self._string(schema, name)

    def _plain(self, schema: Any, depth: int) -> dict[str, Any]:
        """The schema with references, ``allOf`` and the choice of ``anyOf`` worked in."""
        plain: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
        while self._left > 0 and depth <= BOTTOM:
            self._left -= 1
            if "$ref" in plain:
                plain = _merged(self._target(plain.pop("$ref")), plain)
            elif "allOf" in plain:
                for part in plain.pop("allOf"):
                    plain = _merged(plain, self._plain(part, depth + 1))
            elif options := plain.pop("anyOf", None) or plain.pop("oneOf", None):
                plain = _merged(plain, self._branch(options, depth))
            else:
                break
        return plain

    def _branch(self, options: list[Any], depth: int) -> Schema:
        """The option to take: the first that is not null, or the plainest once it is deep."""
        types = [_type_of(self._plain(option, depth + 1)) for option in options]
        if depth >= DEEPEST // 2:
            best = min(range(len(options)), key=lambda index: _PLAINEST.index(types[index]))
        else:
            best = next((index for index, kind in enumerate(types) if kind != "null"), 0)
        return options[best] if isinstance(options[best], Mapping) else {}

    def _target(self, reference: str) -> Schema:
        here: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            here = here.get(key, {}) if isinstance(here, Mapping) else {}
        return here if isinstance(here, Mapping) else {}

    def _choice(self, options: list[Any]) -> Any:
        text = self._facts.text.lower()
        said = (option for option in options if isinstance(option, str) and option.lower() in text)
        return next(said, options[0])

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        return {
            name: self.value(properties.get(name, {}), name=name, depth=depth + 1)
            for name in schema.get("required", ())
        }

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        fixed = schema.get("prefixItems", [])
        least = schema.get("minItems", 0 if depth >= DEEPEST // 2 else 1)
        count = min(max(least, len(fixed)), schema.get("maxItems", MOST), MOST)
        items = [self.value(item, name=name, depth=depth + 1) for item in fixed[: int(count)]]
        while len(items) < count:
            items.append(self._item(schema, f"{name} {len(items) + 1}", depth, items))
        return items

    def _item(self, schema: Schema, name: str, depth: int, before: list[Any]) -> Any:
        inner = self._plain(schema.get("items", {}), depth)
        if schema.get("uniqueItems") and inner.get("enum"):
            inner["enum"] = [option for option in inner["enum"] if option not in before]
        value = self.value(inner, name=name, depth=depth + 1)
        if schema.get("uniqueItems") and value in before and isinstance(value, int):
            return max(before) + 1
        return value

    def _number(self, schema: Schema, *, whole: bool) -> float:
        step = schema.get("multipleOf", 1 if whole else None)
        for index, number in enumerate(self._facts.numbers):
            if _fits(number, schema, step):
                del self._facts.numbers[index]
                return int(number) if number.is_integer() else number
        return _within(schema, step)

    def _string(self, schema: Schema, name: str) -> str:
        for index, text in enumerate(self._facts.quotes):
            if _takes(schema, text):
                del self._facts.quotes[index]
                return text
        known = schema.get("examples") or [schema.get("default")]
        offers = (self._from_text(name), *known, _FORMATS.get(schema.get("format", "")))
        fitting = (text for text in offers if isinstance(text, str) and _takes(schema, text))
        return next(fitting, None) or _made_up(schema, name)

    def _from_text(self, name: str) -> str | None:
        if any(word in name.lower() for word in _PLACES):
            return self._facts.place
        return self._facts.text if name.lower() in _WHOLE_TEXTS else None


def _type_of(schema: Any) -> str:
    kind = schema.get("type") if isinstance(schema, Mapping) else None
    if isinstance(kind, list):
        kind = next((option for option in kind if option != "null"), "null")
    if kind in _PLAINEST:
        return str(kind)
    if isinstance(schema, Mapping) and ("properties" in schema or "required" in schema):
        return "object"
    return "array" if isinstance(schema, Mapping) and "items" in schema else "string"


def _merged(one: Schema, two: Schema) -> dict[str, Any]:
    merged = {**one, **two}
    for member in ("properties", "$defs"):
        if member in one and member in two:
            merged[member] = {**one[member], **two[member]}
    if "required" in one and "required" in two:
        merged["required"] = list(dict.fromkeys([*one["required"], *two["required"]]))
    return merged


def _fits(number: float, schema: Schema, step: float | None) -> bool:
    above = number >= schema.get("minimum", -math.inf)
    below = number <= schema.get("maximum", math.inf)
    strictly = (
        schema.get("exclusiveMinimum", -math.inf)
        < number
        < schema.get("exclusiveMaximum", math.inf)
    )
    return bool(above and below and strictly) and (
        step is None or abs(math.remainder(number, step)) < 1e-9
    )


def _within(schema: Schema, step: float | None) -> float:
    """A number inside the limits, 1 where that fits."""
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    middle = (low + high) / 2 if math.isfinite(low + high) else 0
    unit = step or 1
    offers = (schema.get("default"), 1, unit, 0, low, low + unit, high, high - unit, middle)
    stepped = (
        (math.ceil(low / unit) * unit, (math.floor(low / unit) + 1) * unit)
        if math.isfinite(low)
        else ()
    )
    for offer in (*offers, *stepped):
        if isinstance(offer, int | float) and math.isfinite(offer) and _fits(offer, schema, step):
            return int(offer) if float(offer).is_integer() else offer
    return 1


def _takes(schema: Schema, text: str) -> bool:
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", math.inf):
        return False
    try:
        found = re.search(schema.get("pattern", ""), text)
    except re.error:
        return True
    return found is not None and text == _FORMATS.get(schema.get("format", ""), text)


def _made_up(schema: Schema, name: str) -> str:
    pattern = schema.get("pattern")
    found = example(pattern) if isinstance(pattern, str) else None
    if found is not None:
        return found
    text = f"offline {name.replace('_', ' ')}"
    least, most = schema.get("minLength", 0), schema.get("maxLength")
    return text.ljust(min(least, MOST), ".")[:most]

"""Values that are valid for a JSON schema, taken from a text where they fit."""

import math
from collections.abc import Mapping
from typing import Any

from orq_router_integrations.testing.answering import numbers
from orq_router_integrations.testing.answering.distinct import Others, key
from orq_router_integrations.testing.answering.facts import Facts
from orq_router_integrations.testing.answering.patterns import Patterns

Schema = Mapping[str, Any]

DEEPEST = 12
"""Levels of nesting after which lists stay empty and choices take their plainest branch."""

BOTTOM = 4 * DEEPEST
"""Levels of nesting below which nothing is filled."""

MOST = 10_000
"""Values that are made for one schema, and characters that are made up for one text."""

CHARACTERS = 1000
"""Characters of a text that count as one value more."""

MOST_FACTS = 100
"""Numbers and quotes of a text that are looked at."""

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
        ValueError: the schema is none, or wants more than ``MOST`` values.
    """
    try:
        return _Filler(schema, text).value(schema, name="value", depth=0)
    except RecursionError:
        raise ValueError("is nested too deep") from None
    except (ArithmeticError, AttributeError, IndexError, LookupError, TypeError) as error:
        raise ValueError(f"is no JSON schema ({error})") from error


class _Filler:
    """Fills one schema; holds the facts that are still to be used."""

    def __init__(self, root: Schema, text: str) -> None:
        self._root = root
        self._facts = Facts(text)
        self._facts.numbers = self._facts.numbers[:MOST_FACTS]
        self._facts.quotes = self._facts.quotes[:MOST_FACTS]
        self._patterns = Patterns()
        self._choices: dict[int, list[Any]] = {}
        self._left = MOST_STEPS
        self._values = 0

    def value(self, schema: Any, *, name: str, depth: int) -> Any:
        """A value for one schema below the root."""
        self._spend(1)
        schema = self._plain(schema, depth)
        if "const" in schema or depth > BOTTOM:
            return schema.get("const")
        if schema.get("enum"):
            return self._ordered(schema["enum"])[0]
        return self._typed(_type_of(schema), schema, name=name, depth=depth)

    def _spend(self, values: int) -> None:
        self._values += values
        if self._values > MOST:
            raise ValueError(f"asks for more than the {MOST} values that are made offline")

    def _typed(self, kind: str, schema: Schema, *, name: str, depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer" | "number":
                return self._number({**schema, "type": kind})
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

    def _ordered(self, options: list[Any]) -> list[Any]:
        """The options of an enum, those first that the text names."""
        if id(options) not in self._choices:
            text = self._facts.text[:MOST].lower()
            said = [it for it in options[:MOST] if isinstance(it, str) and it.lower() in text]
            self._choices[id(options)] = [*said, *options]
        return self._choices[id(options)]

    def _object(self, schema: Schema, depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        made = {
            name: self.value(properties.get(name, {}), name=name, depth=depth + 1)
            for name in schema.get("required", ())
        }
        least = schema.get("minProperties", 0)
        optional = [name for name in properties if name not in made]
        for name in optional[: max(0, least - len(made))]:
            made[name] = self.value(properties[name], name=name, depth=depth + 1)
        return self._more(schema, made, depth)

    def _more(self, schema: Schema, made: dict[str, Any], depth: int) -> dict[str, Any]:
        """The object with as many made-up members as it needs."""
        inner = schema.get("additionalProperties", {})
        least = schema.get("minProperties", 0) if inner is not False else 0
        naming = {"type": "string", **schema.get("propertyNames", {})}
        number = 0
        while len(made) < least:
            number += 1
            name = f"key_{number}"
            if "propertyNames" in schema:
                name = self.value(naming, name=name, depth=depth + 1)
                name = self._unlike(naming, name, {key(it) for it in made}, depth)
            made[name] = self.value(inner, name=name, depth=depth + 1)
        return made

    def _array(self, schema: Schema, name: str, depth: int) -> list[Any]:
        fixed = schema.get("prefixItems", [])
        least = schema.get("minItems", 0 if depth >= DEEPEST // 2 else 1)
        count = min(max(least, len(fixed)), schema.get("maxItems", math.inf))
        items = [self.value(it, name=name, depth=depth + 1) for it in fixed[: min(count, MOST)]]
        unique = bool(schema.get("uniqueItems"))
        before = {key(item) for item in items} if unique else set()
        while len(items) < count:
            inner = self._plain(schema.get("items", {}), depth)
            item = self.value(inner, name=f"{name} {len(items) + 1}", depth=depth + 1)
            if unique:
                item = self._unlike(inner, item, before, depth)
                before.add(key(item))
            items.append(item)
        return items

    def _unlike(self, schema: Schema, value: Any, before: set[bytes], depth: int) -> Any:
        """The value, or one like it, that is not among those before."""
        if key(value) not in before:
            return value
        others = Others(len(before), lambda inner: self._plain(inner, depth + 1))
        for offer in others.of(schema, value):
            self._spend(1)
            if key(offer) not in before and self._allowed(schema, offer):
                return offer
        return value

    def _allowed(self, schema: Schema, value: Any) -> bool:
        return not isinstance(value, str) or "format" in schema or self._takes(schema, value)

    def _number(self, schema: Schema) -> float:
        for index, number in enumerate(self._facts.numbers):
            if numbers.fits(number, schema):
                del self._facts.numbers[index]
                return numbers.plain(number)
        return numbers.within(schema)

    def _string(self, schema: Schema, name: str) -> str:
        text = self._found(schema, name) or self._made_up(schema, name)
        self._spend(len(text) // CHARACTERS)
        return text

    def _found(self, schema: Schema, name: str) -> str | None:
        """A text that is already there."""
        for index, text in enumerate(self._facts.quotes):
            if self._takes(schema, text):
                del self._facts.quotes[index]
                return text
        known = schema.get("examples") or [schema.get("default")]
        offers = (self._from_text(name), *known, _FORMATS.get(schema.get("format", "")))
        fitting = (text for text in offers if isinstance(text, str) and self._takes(schema, text))
        return next(fitting, None)

    def _takes(self, schema: Schema, text: str) -> bool:
        """Whether a text is known to fit."""
        if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", math.inf):
            return False
        pattern = schema.get("pattern", "")
        if pattern and not self._patterns.fit(pattern, text):
            return False
        return bool(text == _FORMATS.get(schema.get("format", ""), text))

    def _made_up(self, schema: Schema, name: str) -> str:
        pattern = schema.get("pattern")
        found = self._patterns.example(pattern) if isinstance(pattern, str) else None
        if found is not None:
            return found
        text = f"offline {name.replace('_', ' ')}"
        least, most = schema.get("minLength", 0), schema.get("maxLength")
        return text.ljust(min(least, MOST), ".")[:most]

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

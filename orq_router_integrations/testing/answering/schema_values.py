"""Create values that are valid for a JSON schema, using text of the user where it fits."""

import datetime as dt
import math
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from orq_router_integrations.testing.answering import numbers
from orq_router_integrations.testing.answering.patterns import create_example, matches_pattern
from orq_router_integrations.testing.answering.text_facts import TextFacts

Schema = Mapping[str, Any]

MAX_DEPTH = 48
"""Maximum nesting depth. Values below are null."""

MAX_VALUES = 10_000
"""Maximum number of values for one schema, and maximum length of a made-up text."""

CHARS_PER_VALUE = 1000
"""Number of characters of a string that count as one more value."""

MAX_FACTS = 100
"""Maximum number of numbers and quotes taken from a string."""

MAX_STEPS = 5000
"""Maximum number of references and choices followed in one schema; stops infinite recursion."""

MAX_VARIANTS = 200
"""Maximum number of attempts to create a value that differs from others."""

_FORMATS: dict[str, Callable[[int], str]] = {
    "date": lambda number: (dt.date(2026, 1, 31) + dt.timedelta(number)).isoformat(),
    "time": lambda number: f"{(12 + number // 60) % 24:02}:{number % 60:02}:00Z",
    "date-time": lambda number: f"{_FORMATS['date'](number)}T12:00:00Z",
    "duration": lambda number: f"P{number + 1}D",
    "email": lambda number: f"someone{number or ''}@example.com",
    "hostname": lambda number: f"{f'host{number}.' if number else ''}example.com",
    "ipv4": lambda number: f"192.0.2.{number % 255 + 1}",
    "ipv6": lambda number: f"2001:db8::{number + 1:x}",
    "uri": lambda number: f"https://example.com/{number or ''}",
    "uuid": lambda number: f"00000000-0000-4000-8000-{number:012d}",
}
_PLACE_NAMES = ("location", "city", "place", "town")
_TEXT_NAMES = ("query", "question", "prompt", "text", "input", "message", "sentence")
_TYPES_BY_SIMPLICITY = ("null", "boolean", "integer", "number", "string", "array", "object")


def create_value(schema: Schema, text: str) -> Any:
    """Create a value for a schema, filled from ``text``.

    Optional properties get their default, or a value if they have none. A recursive schema is
    filled once; below, optional properties are omitted and arrays are as short as allowed.

    Raises:
        ValueError: The schema is invalid, or needs more than ``MAX_VALUES`` values.
    """
    try:
        return _ValueBuilder(schema, text).build(schema, "value")
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
        self._remaining_steps = MAX_STEPS
        self._values = 0
        self._depth = 0
        self._open_refs: list[str] = []
        self._variant = 0  # above 0, facts are not used and all values differ

    def build(self, schema: Any, name: str, *, minimal: bool = False) -> Any:
        """Build a value for a schema or one of its subschemas.

        Args:
            schema: The schema.
            name: Name of the property, used in made-up strings.
            minimal: Omit what is optional, because the schema is recursive.
        """
        self._count_values(1)
        outer_refs = self._open_refs
        schema = self._resolve(schema)
        minimal = minimal or any(ref in outer_refs for ref in self._open_refs[len(outer_refs) :])
        self._depth += 1
        try:
            if "const" in schema or self._depth > MAX_DEPTH:
                return schema.get("const")
            if schema.get("enum"):
                return self._choose_option(schema["enum"])
            return self._build_type(schema, name, minimal=minimal)
        finally:
            self._depth -= 1
            self._open_refs = outer_refs

    def _count_values(self, values: int) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            raise ValueError(
                f"requires more than {MAX_VALUES} values, the limit of the offline router"
            )

    def _build_type(self, schema: Schema, name: str, *, minimal: bool) -> Any:
        match _get_type(schema):
            case "object":
                return self._build_object(schema, minimal=minimal)
            case "array":
                return self._build_array(schema, name, minimal=minimal)
            case "integer" | "number" as type_:
                return self._build_number({**schema, "type": type_})
            case "boolean":
                return self._variant % 2 == 0
            case "null":
                return None
        return self._build_string(schema, name)

    def _resolve(self, schema: Any, depth: int = 0) -> dict[str, Any]:
        """Resolve ``$ref``, ``allOf`` and the choice of ``anyOf`` and ``oneOf``."""
        resolved: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
        while self._remaining_steps > 0 and depth < MAX_DEPTH:
            self._remaining_steps -= 1
            if "$ref" in resolved:
                reference = resolved.pop("$ref")
                self._open_refs = [*self._open_refs, reference]
                resolved = _merge(self._follow_ref(reference), resolved)
            elif "allOf" in resolved:
                for part in resolved.pop("allOf"):
                    resolved = _merge(resolved, self._resolve(part, depth + 1))
            elif options := resolved.pop("anyOf", None) or resolved.pop("oneOf", None):
                resolved = _merge(resolved, self._choose_branch(options, depth))
            else:
                break
        return resolved

    def _choose_branch(self, options: list[Any], depth: int) -> Schema:
        """Choose the first option that is neither null nor recursive, or else the simplest."""
        outer_refs, types, recursive = self._open_refs, [], []
        for option in options:
            types.append(_get_type(self._resolve(option, depth + 1)))
            recursive.append(any(ref in outer_refs for ref in self._open_refs[len(outer_refs) :]))
            self._open_refs = outer_refs
        simplest = min(range(len(options)), key=lambda i: _TYPES_BY_SIMPLICITY.index(types[i]))
        index = next(
            (i for i, type_ in enumerate(types) if type_ != "null" and not recursive[i]), simplest
        )
        return options[index] if isinstance(options[index], Mapping) else {}

    def _follow_ref(self, reference: str) -> Schema:
        target: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            target = target.get(key, {}) if isinstance(target, Mapping) else {}
        return target if isinstance(target, Mapping) else {}

    def _choose_option(self, options: list[Any]) -> Any:
        """Choose an option of an enum, preferably one that the text names."""
        if self._variant:
            return options[self._variant % len(options)]
        text = self._facts.text[:MAX_VALUES].lower()
        named = (it for it in options[:MAX_VALUES] if isinstance(it, str) and it.lower() in text)
        return next(named, options[0])

    def _build_object(self, schema: Schema, *, minimal: bool) -> dict[str, Any]:
        properties = schema.get("properties", {})
        value = {
            name: self.build(properties.get(name, {}), name, minimal=minimal)
            for name in schema.get("required", ())
        }
        for name, inner in properties.items():
            is_needed = len(value) < schema.get("minProperties", 0)
            if name in value or (minimal and not is_needed):
                continue
            has_default = isinstance(inner, Mapping) and "default" in inner
            value[name] = (
                inner["default"] if has_default else self.build(inner, name, minimal=minimal)
            )
        return self._add_properties(schema, value)

    def _add_properties(self, schema: Schema, value: dict[str, Any]) -> dict[str, Any]:
        """Add made-up properties until ``minProperties`` is reached."""
        inner = schema.get("additionalProperties", {})
        missing = schema.get("minProperties", 0) - len(value) if inner is not False else 0
        for number in range(1, min(missing, MAX_VALUES) + 1):
            name = f"key_{number}"
            if "propertyNames" in schema:
                name_schema = {"type": "string", **schema["propertyNames"]}
                name = self._build_distinct(name_schema, name, set(map(_to_key, value)))
            value[name] = self.build(inner, name)
        return value

    def _build_array(self, schema: Schema, name: str, *, minimal: bool) -> list[Any]:
        prefix = schema.get("prefixItems", [])
        min_items = schema.get("minItems", 0 if minimal else 1)
        count = min(max(min_items, len(prefix)), schema.get("maxItems", math.inf), MAX_VALUES)
        items = [
            self.build(item_schema, name, minimal=minimal) for item_schema in prefix[: int(count)]
        ]
        seen = set(map(_to_key, items))
        while len(items) < count:
            inner, item_name = schema.get("items", {}), f"{name} {len(items) + 1}"
            if schema.get("uniqueItems"):
                items.append(self._build_distinct(inner, item_name, seen))
                seen.add(_to_key(items[-1]))
            else:
                items.append(self.build(inner, item_name, minimal=minimal))
        return items

    def _build_distinct(self, schema: Any, name: str, seen: set[bytes]) -> Any:
        """Build a value that is not in ``seen``, if the schema has one."""
        value = self.build(schema, name)
        outer_variant = self._variant
        for variant in (len(seen), *range(1, MAX_VARIANTS)):
            if _to_key(value) not in seen:
                break
            self._variant = outer_variant + variant
            value = self.build(schema, name)
        self._variant = outer_variant
        return value

    def _build_number(self, schema: Schema) -> float:
        for index, number in enumerate(() if self._variant else self._facts.numbers):
            if numbers.matches_schema(number, schema):
                del self._facts.numbers[index]
                return numbers.to_plain_number(number)
        return numbers.choose_number(schema, self._variant)

    def _build_string(self, schema: Schema, name: str) -> str:
        text = None if self._variant else self._find_string(schema, name)
        text = text or self._make_up_string(schema, name)
        self._count_values(len(text) // CHARS_PER_VALUE)
        return text

    def _find_string(self, schema: Schema, name: str) -> str | None:
        """Find a string in the text, the examples or the default."""
        for index, quote in enumerate(self._facts.quotes):
            if _accepts(schema, quote):
                del self._facts.quotes[index]
                return quote
        candidates = (self._find_in_text(name), *schema.get("examples", ()), schema.get("default"))
        return next(
            (text for text in candidates if isinstance(text, str) and _accepts(schema, text)), None
        )

    def _make_up_string(self, schema: Schema, name: str) -> str:
        if create := _FORMATS.get(schema.get("format", "")):
            return create(self._variant)
        if isinstance(pattern := schema.get("pattern"), str):
            example = create_example(pattern, self._variant)
            if example is not None:
                return example
        text = f"offline {name.replace('_', ' ')}"
        if self._variant:
            text = f"{self._variant} {text}"
        min_length = min(schema.get("minLength", 0), MAX_VALUES)
        return text.ljust(min_length, ".")[: schema.get("maxLength")]

    def _find_in_text(self, name: str) -> str | None:
        if any(word in name.lower() for word in _PLACE_NAMES):
            return self._facts.place
        return self._facts.text if name.lower() in _TEXT_NAMES else None


def _accepts(schema: Schema, text: str) -> bool:
    """Return whether a string is known to be valid."""
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", math.inf):
        return False
    pattern = schema.get("pattern", "")
    return schema.get("format") not in _FORMATS and (
        not pattern or bool(matches_pattern(pattern, text))
    )


def _to_key(value: Any) -> bytes:
    """Return bytes that are equal for equal JSON values."""
    if isinstance(value, float):
        value = numbers.to_plain_number(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


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

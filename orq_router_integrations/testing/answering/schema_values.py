"""Create values that are valid for a JSON schema, using text of the user where it fits.

Schemas that need more than this raise an error: the test should script the answer.
"""

import datetime as dt
import math
import re
import string
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any

from orq_router_integrations.testing.answering.text_facts import (
    find_numbers,
    find_place,
    find_quoted,
)

Schema = Mapping[str, Any]

MAX_STEPS = 10_000
"""Maximum number of values, references and choices in one schema; stops infinite recursion."""

_FORMATS: dict[str, Callable[[int], str]] = {
    "date": lambda number: (dt.date(2026, 1, 31) + dt.timedelta(number)).isoformat(),
    "time": lambda number: f"12:{number % 60:02}:00Z",
    "date-time": lambda number: f"{_FORMATS['date'](number)}T12:00:00Z",
    "duration": lambda number: f"P{number + 1}D",
    "email": lambda number: f"someone{number or ''}@example.com",
    "hostname": lambda number: f"host{number}.example.com",
    "ipv4": lambda number: f"192.0.2.{number + 1}",
    "ipv6": lambda number: f"2001:db8::{number + 1:x}",
    "uri": lambda number: f"https://example.com/{number or ''}",
    "uuid": lambda number: f"00000000-0000-4000-8000-{number:012d}",
}
_PLACE_NAMES = ("location", "city", "place", "town")
_TEXT_NAMES = ("query", "question", "prompt", "text", "input", "message", "sentence")
_PATTERN_ATOM = re.compile(
    r"(?P<characters>\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[^\\\[\](){}|*+?^$])"
    r"(?P<quantifier>[*+?]|\{(?P<minimum>\d+)(?P<range>,?)\d*\})?"
)
_CHARACTERS = string.ascii_letters + string.digits + "-_ " + string.punctuation


def create_value(schema: Schema, text: str) -> Any:
    """Create a value for a schema, filled from ``text``.

    Optional properties get their default, or a value if they have none. A recursive schema is
    filled once; below, optional properties are omitted and arrays are as short as allowed.

    Raises:
        ValueError: The schema is invalid, or more complex than what is supported here.
    """
    try:
        return _ValueBuilder(schema, text).build(schema, "value")
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, re.error) as error:
        raise ValueError(f"is not a valid JSON schema ({error})") from error


class _ValueBuilder:
    """Builds a value for one schema. Numbers and quotes of the text are used once each."""

    def __init__(self, root: Schema, text: str) -> None:
        self._root = root
        self._text = text
        self._numbers, self._quotes = find_numbers(text), find_quoted(text)
        self._steps = 0
        self._variant = 0  # above 0, facts of the text are not used, and all values differ

    def build(self, schema: Any, name: str, refs: tuple[str, ...] = ()) -> Any:
        """Build a value for a schema or one of its subschemas.

        Args:
            schema: The schema.
            name: Name of the property, used in made-up strings.
            refs: The references that lead to the schema. If one occurs twice, the schema is
                recursive, and what is optional is omitted.
        """
        schema, refs = self._resolve(schema, refs)
        if "const" in schema:
            return schema["const"]
        if options := schema.get("enum"):
            text = self._text.lower()
            named = (it for it in options if isinstance(it, str) and it.lower() in text)
            other = options[self._variant % len(options)]
            return other if self._variant else next(named, other)
        builders: dict[str, Callable[[], Any]] = {
            "object": lambda: self._build_object(schema, refs),
            "array": lambda: self._build_array(schema, name, refs),
            "integer": lambda: self._build_number({**schema, "type": "integer"}),
            "number": lambda: self._build_number({**schema, "type": "number"}),
            "boolean": lambda: self._variant % 2 == 0,
            "null": lambda: None,
            "string": lambda: self._build_string(schema, name),
        }
        return builders[_get_type(schema)]()

    def _resolve(self, schema: Any, refs: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """Resolve ``$ref``, ``allOf`` and the choice of ``anyOf`` and ``oneOf``."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise ValueError("needs more values than the offline router creates. Script the answer")
        resolved: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
        if "$ref" in resolved:
            reference = resolved.pop("$ref")
            part, refs = self._resolve(self._follow_ref(reference), (*refs, reference))
        elif "allOf" in resolved:
            part = {}
            for item in resolved.pop("allOf"):
                item_schema, refs = self._resolve(item, refs)
                part = _merge(part, item_schema)
        elif options := resolved.pop("anyOf", None) or resolved.pop("oneOf", None):
            choices = [self._resolve(option, refs) for option in options]
            part, refs = min(
                choices, key=lambda it: (_is_recursive(it[1]), _get_type(it[0]) == "null")
            )
        else:
            return resolved, refs
        return self._resolve(_merge(part, resolved), refs)

    def _follow_ref(self, reference: str) -> Any:
        target: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return target

    def _build_object(self, schema: Schema, refs: tuple[str, ...]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        value: dict[str, Any] = {
            name: self.build(properties.get(name, {}), name, refs)
            for name in schema.get("required", ())
        }
        min_properties = schema.get("minProperties", 0)
        for name, inner in properties.items():
            if name in value or (_is_recursive(refs) and len(value) >= min_properties):
                continue
            has_default = isinstance(inner, Mapping) and "default" in inner
            value[name] = inner["default"] if has_default else self.build(inner, name, refs)
        for number in range(len(value), min_properties):
            key_schema = {"type": "string", **schema.get("propertyNames", {})}
            key = self._build_variant(key_schema, "key", number)
            value[key] = self.build(schema.get("additionalProperties", {}), key, refs)
        return value

    def _build_array(self, schema: Schema, name: str, refs: tuple[str, ...]) -> list[Any]:
        items = [self.build(item, name, refs) for item in schema.get("prefixItems", ())]
        min_items = schema.get("minItems", 0 if _is_recursive(refs) else 1)
        inner = schema.get("items", {})
        for number in range(len(items) + 1, min(min_items, schema.get("maxItems", min_items)) + 1):
            is_unique = schema.get("uniqueItems") and min_items > 1
            item = (
                self._build_variant(inner, name, number)
                if is_unique
                else self.build(inner, f"{name} {number}", refs)
            )
            if is_unique and item in items:
                raise ValueError("needs more different items than there are. Script the answer")
            items.append(item)
        return items

    def _build_variant(self, schema: Any, name: str, variant: int) -> Any:
        """Build a value that differs from those of other variants."""
        outer, self._variant = self._variant, self._variant + variant
        value = self.build(schema, name)
        self._variant = outer
        return value

    def _build_number(self, schema: Schema) -> float:
        facts = [] if self._variant else self._numbers
        for number in (*facts, *_iter_numbers(schema, self._variant)):
            if _is_number_valid(number, schema):
                if number in facts:
                    facts.remove(number)
                # Integers above 2 ** 53 are written as floats: many JSON readers cannot take them.
                return int(number) if number % 1 == 0 and abs(number) < 2**53 else number
        raise ValueError("has limits that the offline router cannot meet. Script the answer")

    def _build_string(self, schema: Schema, name: str) -> str:
        if self._variant == 0:
            in_text = self._find_in_text(name)
            defaults = (in_text, *schema.get("examples", ()), schema.get("default"))
            for text in (*self._quotes, *defaults):
                if isinstance(text, str) and _is_string_valid(text, schema):
                    if text in self._quotes:
                        self._quotes.remove(text)
                    return text
        if create := _FORMATS.get(schema.get("format", "")):
            return create(self._variant)
        min_length = schema.get("minLength", 0)
        if "pattern" in schema:
            return _create_example(schema["pattern"], min_length, self._variant)
        prefix = f"{self._variant} " if self._variant else ""
        text = f"{prefix}offline {name.replace('_', ' ')}"
        return text.ljust(min_length, ".")[: schema.get("maxLength")]

    def _find_in_text(self, name: str) -> str | None:
        if any(word in name.lower() for word in _PLACE_NAMES):
            return find_place(self._text)
        return self._text if name.lower() in _TEXT_NAMES else None


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


def _merge(base: Schema, update: Schema) -> dict[str, Any]:
    merged = {**base, **update}
    if "properties" in base and "properties" in update:
        merged["properties"] = {**base["properties"], **update["properties"]}
    if "required" in base and "required" in update:
        merged["required"] = list(dict.fromkeys([*base["required"], *update["required"]]))
    return merged


def _is_string_valid(text: str, schema: Schema) -> bool:
    """Return whether a string is known to be valid. Formats are not checked."""
    is_length_valid = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", math.inf)
    has_format = schema.get("format") in _FORMATS
    return is_length_valid and not has_format and bool(re.search(schema.get("pattern", ""), text))


def _create_example(pattern: str, min_length: int, variant: int) -> str:
    """Create text for a pattern of literals, classes, escapes and quantifiers."""
    body = pattern.removeprefix("^").removesuffix("$")
    atoms = list(_PATTERN_ATOM.finditer(body))
    if "".join(atom[0] for atom in atoms) != body:
        raise ValueError(
            f"has the pattern {pattern!r}, which is too complex for the offline router. Script the "
            "answer, or add an example to the schema"
        )
    choices: list[str] = []
    for atom in atoms:
        members = [char for char in _CHARACTERS if re.fullmatch(atom["characters"], char)]
        minimum = int(atom["minimum"] or atom["quantifier"] not in {"*", "?"})
        if atom["range"] or atom["quantifier"] in {"*", "+"}:
            minimum = max(minimum, min_length - len(choices))
        choices += ["".join(members) or atom["characters"]] * minimum
    text = ""
    for characters in choices:
        variant, index = divmod(variant, len(characters))
        text += characters[index]
    return text


def _get_limits(schema: Schema) -> tuple[float, float]:
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    return low, high


def _is_number_valid(number: float, schema: Schema) -> bool:
    if not math.isfinite(number) or (schema["type"] == "integer" and number % 1):
        return False
    low, high = _get_limits(schema)
    is_excluded = number in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf")
    is_multiple = step is None or abs(math.remainder(number, step)) < 1e-9
    return low <= number <= high and not is_excluded and is_multiple


def _iter_numbers(schema: Schema, variant: int) -> Iterator[float]:
    """Yield multiples of the step near 0 and the limits, and a number between the limits."""
    low, high = _get_limits(schema)
    step = Fraction(str(schema.get("multipleOf", 1)))
    if schema["type"] == "integer":
        step = Fraction(step.numerator)
    default = schema.get("default")
    if variant == 0 and isinstance(default, int | float):
        yield default
    yield float(step * (variant + 1))
    if math.isfinite(low):
        first = math.ceil(Fraction(low) / step) + variant
        yield from (float(step * first), float(step * (first + 1)))
    if math.isfinite(high):
        last = math.floor(Fraction(high) / step) - variant
        yield from (float(step * last), float(step * (last - 1)))
    if math.isfinite(high - low):
        yield low + (high - low) * (variant + 1) / (variant + 2)

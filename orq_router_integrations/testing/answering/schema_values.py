"""Create values that are valid for a JSON schema, using text of the user where it fits.

Schemas that need more than this raise an error: the test should script the answer.
"""

import math
import re
import string
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

MAX_STEPS = 10_000
"""Maximum number of values, references and choices in one schema; stops infinite recursion."""

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
_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_QUOTES = re.compile(
    r'"([^"\n]+)"|\u201c([^\u201d\n]+)\u201d|\u2018([^\u2019\n]+)\u2019|(?<!\w)\'([^\'\n]+)\'(?!\w)'
)
_PLACE = re.compile(r"\bin\s+([A-Z][\w.'-]*(?:(?:,\s*|\s+)[A-Z][\w.'-]*)*)")
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
            return next(named, options[0])
        builders: dict[str, Callable[[], Any]] = {
            "object": lambda: self._build_object(schema, refs),
            "array": lambda: self._build_array(schema, name, refs),
            "integer": lambda: self._build_number({**schema, "type": "integer"}),
            "number": lambda: self._build_number({**schema, "type": "number"}),
            "boolean": lambda: True,
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
            is_minimal = _is_recursive(refs)  # then null is the best option, otherwise the last
            part, refs = min(
                choices,
                key=lambda it: (_is_recursive(it[1]), (_get_type(it[0]) == "null") != is_minimal),
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
        for name, inner in properties.items():
            if name not in value and not _is_recursive(refs):
                has_default = isinstance(inner, Mapping) and "default" in inner
                value[name] = inner["default"] if has_default else self.build(inner, name, refs)
        for number in range(len(value) + 1, schema.get("minProperties", 0) + 1):
            name = f"key_{number}"
            value[name] = self.build(schema.get("additionalProperties", {}), name, refs)
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
        for number in (*self._numbers, *_iter_numbers(schema)):
            if _is_number_valid(number, schema):
                if number in self._numbers:
                    self._numbers.remove(number)
                # Integers above 2 ** 53 are written as floats: many JSON readers cannot take them.
                return int(number) if number % 1 == 0 and abs(number) < 2**53 else number
        raise ValueError("has limits that the offline router cannot meet. Script the answer")

    def _build_string(self, schema: Schema, name: str) -> str:
        found = (
            find_place_name(self._text) if any(it in name.lower() for it in _PLACE_NAMES) else None
        )
        found = self._text if name.lower() in _TEXT_NAMES else found
        defaults = (found, *schema.get("examples", ()), schema.get("default"))
        for text in (*self._quotes, *defaults):
            if isinstance(text, str) and _is_string_valid(text, schema):
                if text in self._quotes:
                    self._quotes.remove(text)
                return text
        if format_ := _FORMATS.get(schema.get("format", "")):
            return format_
        min_length = schema.get("minLength", 0)
        if "pattern" in schema:
            return _create_example(schema["pattern"], min_length)
        return f"offline {name.replace('_', ' ')}".ljust(min_length, ".")[: schema.get("maxLength")]


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


def _create_example(pattern: str, min_length: int) -> str:
    """Create text for a pattern of literals, classes, escapes and quantifiers."""
    body = pattern.removeprefix("^").removesuffix("$")
    atoms = list(_PATTERN_ATOM.finditer(body))
    if "".join(atom[0] for atom in atoms) != body:
        raise ValueError(
            f"has the pattern {pattern!r}, which is too complex for the offline router. Script the "
            "answer, or add an example to the schema"
        )
    text = ""
    for atom in atoms:
        matching = (char for char in _CHARACTERS if re.fullmatch(atom["characters"], char))
        count = int(atom["minimum"] or atom["quantifier"] not in {"*", "?"})
        if atom["range"] or atom["quantifier"] in {"*", "+"}:
            count = max(count, min_length - len(text))
        text += next(matching, atom["characters"]) * count
    return text


def _is_number_valid(number: float, schema: Schema) -> bool:
    if not math.isfinite(number) or (schema["type"] == "integer" and number % 1):
        return False
    step = schema.get("multipleOf")
    return (
        schema.get("minimum", -math.inf) <= number <= schema.get("maximum", math.inf)
        and schema.get("exclusiveMinimum", -math.inf) < number
        and number < schema.get("exclusiveMaximum", math.inf)
        and (step is None or abs(math.remainder(number, step)) < 1e-9)
    )


def _iter_numbers(schema: Schema) -> Iterator[float]:
    """Yield the default, multiples of the step near 0 and the limits, and a number between."""
    names = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum")
    limits = [schema[name] for name in names if name in schema]
    step = schema.get("multipleOf", 1)
    if isinstance(schema.get("default"), int | float):
        yield schema["default"]
    for start in (1, *(math.floor(limit / step) for limit in limits)):
        yield from (float(step * (start + shift)) for shift in (0, 1, -1))
    if limits:
        yield sum(limits) / len(limits)


def find_numbers(text: str) -> list[float]:
    return [float(number) for number in _NUMBER.findall(text)]


def find_quoted(text: str) -> list[str]:
    """Return the different quoted parts of a string."""
    quotes = (next(filter(None, groups)) for groups in _QUOTES.findall(text))
    return list(dict.fromkeys(quotes))


def find_place_name(text: str) -> str | None:
    """Return the capitalized phrase after "in", such as "San Francisco, CA"."""
    match = _PLACE.search(text)
    return match[1].rstrip(".,") if match else None

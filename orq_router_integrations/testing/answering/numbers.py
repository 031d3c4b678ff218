"""Numbers within the limits of a JSON schema."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

Schema = Mapping[str, Any]

MAX_EXACT_INT = 2**53
"""From here on a number with a fraction is none, and stays a float."""


def matches_schema(number: float, schema: Schema) -> bool:
    """Whether a number is within the limits and on the steps of a schema."""
    if not math.isfinite(number) or (schema.get("type") == "integer" and number % 1):
        return False
    low, high = get_limits(schema)
    strictly = (
        schema.get("exclusiveMinimum", -math.inf)
        < number
        < schema.get("exclusiveMaximum", math.inf)
    )
    step = schema.get("multipleOf")
    stepped = step is None or abs(math.remainder(number, step)) < 1e-9
    return bool(low <= number <= high and strictly) and stepped


def get_limits(schema: Schema) -> tuple[float, float]:
    """The lowest and the highest number, whether or not they are themselves allowed."""
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    return low, high


def get_step(schema: Schema) -> float:
    """The distance between two numbers that a schema allows, as far as steps go."""
    step = schema.get("multipleOf")
    if schema.get("type") != "integer":
        return step or 1
    return Fraction(str(step)).numerator if step else 1


def choose_number(schema: Schema) -> float:
    """A number inside the limits, 1 where that fits or nothing does."""
    fitting = (offer for offer in _iter_candidates(schema) if matches_schema(offer, schema))
    return to_plain_number(next(fitting, 1))


def iter_other_numbers(schema: Schema, value: float, start: int) -> Iterator[float]:
    """Other numbers that fit, from ``start`` steps away on."""
    low, high = get_limits(schema)
    unit = get_step(schema)
    if "multipleOf" not in schema and math.isfinite(high - low) and high - low < unit * (start + 2):
        unit = unit if schema.get("type") == "integer" else (high - low) / (start + 2)
    for steps in (start, -start, *range(1, start + 1), *range(-1, -start - 1, -1)):
        if matches_schema(value + steps * unit, schema):
            yield to_plain_number(value + steps * unit)


def to_plain_number(number: float) -> float:
    """The number as an ``int`` where it is one."""
    return int(number) if float(number).is_integer() and abs(number) < MAX_EXACT_INT else number


def _iter_candidates(schema: Schema) -> Iterator[float]:
    low, high = get_limits(schema)
    unit = get_step(schema)
    default = schema.get("default")
    if isinstance(default, int | float) and not isinstance(default, bool):
        yield default
    yield from (1, unit, 0)
    if math.isfinite(low):
        first = math.floor(low / unit)
        yield from (low, low + unit, first * unit, (first + 1) * unit, (first + 2) * unit)
        yield low + abs(low)
    if math.isfinite(high):
        last = math.ceil(high / unit)
        yield from (high, high - unit, last * unit, (last - 1) * unit, (last - 2) * unit)
        yield high - abs(high)
    if math.isfinite(low + high):
        yield (low + high) / 2

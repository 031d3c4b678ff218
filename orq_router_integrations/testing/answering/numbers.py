"""Choose numbers within the limits of a JSON schema."""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

Schema = Mapping[str, Any]

MAX_EXACT_INT = 2**53
"""Limit of the floats that are converted to integers; larger ones stay floats."""


def matches_schema(number: float, schema: Schema) -> bool:
    """Return whether a number is within the limits and a multiple of the step of a schema."""
    if not math.isfinite(number) or (schema.get("type") == "integer" and number % 1):
        return False
    low, high = get_limits(schema)
    within_exclusive = (
        schema.get("exclusiveMinimum", -math.inf)
        < number
        < schema.get("exclusiveMaximum", math.inf)
    )
    step = schema.get("multipleOf")
    is_multiple = step is None or abs(math.remainder(number, step)) < 1e-9
    return bool(low <= number <= high and within_exclusive) and is_multiple


def get_limits(schema: Schema) -> tuple[float, float]:
    """Return the lower and the upper limit, which may be exclusive."""
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    return low, high


def get_step(schema: Schema) -> float:
    """Return the distance between two numbers that a schema allows."""
    step = schema.get("multipleOf")
    if schema.get("type") != "integer":
        return step or 1
    return Fraction(str(step)).numerator if step else 1


def choose_number(schema: Schema) -> float:
    """Choose a number within the limits; 1 if it fits or if no candidate does."""
    matches = (item for item in _iter_candidates(schema) if matches_schema(item, schema))
    return to_plain_number(next(matches, 1))


def iter_other_numbers(schema: Schema, value: float, start: int) -> Iterator[float]:
    """Yield other numbers that fit, starting ``start`` steps from ``value``."""
    low, high = get_limits(schema)
    step = get_step(schema)
    if "multipleOf" not in schema and math.isfinite(high - low) and high - low < step * (start + 2):
        step = step if schema.get("type") == "integer" else (high - low) / (start + 2)
    for steps in (start, -start, *range(1, start + 1), *range(-1, -start - 1, -1)):
        if matches_schema(value + steps * step, schema):
            yield to_plain_number(value + steps * step)


def to_plain_number(number: float) -> float:
    """Convert an integral float to ``int``."""
    return int(number) if float(number).is_integer() and abs(number) < MAX_EXACT_INT else number


def _iter_candidates(schema: Schema) -> Iterator[float]:
    low, high = get_limits(schema)
    step = get_step(schema)
    default = schema.get("default")
    if isinstance(default, int | float) and not isinstance(default, bool):
        yield default
    yield from (1, step, 0)
    if math.isfinite(low):
        first = math.floor(low / step)
        yield from (low, low + step, first * step, (first + 1) * step, (first + 2) * step)
        yield low + abs(low)
    if math.isfinite(high):
        last = math.ceil(high / step)
        yield from (high, high - step, last * step, (last - 1) * step, (last - 2) * step)
        yield high - abs(high)
    if math.isfinite(low + high):
        yield (low + high) / 2

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
    low, high = _get_limits(schema)
    is_excluded = number in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))
    step = schema.get("multipleOf")
    is_multiple = step is None or abs(math.remainder(number, step)) < 1e-9
    return low <= number <= high and not is_excluded and is_multiple


def choose_number(schema: Schema, variant: int = 0) -> float:
    """Choose a number within the limits; 1 if no candidate fits.

    Args:
        schema: The schema.
        variant: Selects one of several numbers.
    """
    candidates = _iter_candidates(schema, variant)
    return to_plain_number(next((it for it in candidates if matches_schema(it, schema)), 1))


def to_plain_number(number: float) -> float:
    """Convert an integral float to ``int``."""
    return int(number) if float(number).is_integer() and abs(number) < MAX_EXACT_INT else number


def _get_limits(schema: Schema) -> tuple[float, float]:
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    return low, high


def _iter_candidates(schema: Schema, variant: int) -> Iterator[float]:
    """Yield multiples of the step near 0 and the limits, and numbers between the limits."""
    low, high = _get_limits(schema)
    step = Fraction(str(schema.get("multipleOf", 1)))
    if schema.get("type") == "integer":
        step = Fraction(step.numerator)
    default = schema.get("default")
    if variant == 0:
        if isinstance(default, int | float) and not isinstance(default, bool):
            yield default
        yield from (float(step), low, low + abs(low), high - abs(high))
    yield float(step * (variant + 1))
    if math.isfinite(low):
        first = math.ceil(Fraction(low) / step)
        yield from (float(step * (first + variant)), float(step * (first + variant + 1)))
    if math.isfinite(high):
        last = math.floor(Fraction(high) / step)
        yield from (float(step * (last - variant)), float(step * (last - variant - 1)))
    if math.isfinite(high - low):
        yield low + (high - low) * (variant + 1) / (variant + 2)
    yield -float(step * variant)

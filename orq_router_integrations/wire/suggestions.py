"""Error messages for unknown names and malformed strings, with suggestions."""

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


def suggest_name(name: str, candidates: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest candidate, or an empty string."""
    close = difflib.get_close_matches(name, set(candidates) - {name}, n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def describe_unknown_argument(
    name: str, candidates: Iterable[str], hints: Mapping[str, str] | None = None
) -> str:
    """Return an error message for an unknown argument, with a hint or the closest candidate."""
    hint = (hints or {}).get(name)
    return f"Unknown argument {name!r}." + (f" {hint}" if hint else suggest_name(name, candidates))


def reject_unknown_fields(
    cls: type[BaseModel], data: Any, hints: Mapping[str, str] | None = None
) -> Any:
    """Reject unknown fields in the ``mode="before"`` validator of a model.

    ``hints`` are sentences that explain what to write instead, by unknown name.
    """
    for name in _find_unknown_names(cls, data):
        raise ValueError(describe_unknown_argument(str(name), _get_field_names(cls), hints))
    return data


def reject_unknown_nested_fields(cls: type[BaseModel], data: Any) -> Any:
    """Reject unknown fields of a model that is a field of another model.

    Unlike ``reject_unknown_fields`` this raises pydantic's own error type, so that the error
    location includes the path of the outer fields.
    """
    errors: list[InitErrorDetails] = []
    for name in _find_unknown_names(cls, data):
        message = f"Unknown field.{suggest_name(str(name), _get_field_names(cls))}"
        error_type = PydanticCustomError("extra_forbidden", "{message}", {"message": message})
        errors.append({"type": error_type, "loc": (str(name),), "input": data[name]})
    if errors:
        raise ValidationError.from_exception_data(cls.__name__, errors)
    return data


def create_pattern_validator(pattern: str, description: str) -> BeforeValidator:
    """Create a validator that describes the expected string instead of showing the pattern."""

    def check_pattern(value: Any) -> Any:
        if isinstance(value, str) and re.search(pattern, value) is None:
            raise ValueError(f"Expected {description}, got {value!r:.80}.")
        return value

    return BeforeValidator(check_pattern)


@lru_cache(maxsize=256)  # 15 microseconds for each client that is created
def _get_field_names(cls: type[BaseModel]) -> set[str]:
    names = ((name, field.alias) for name, field in cls.model_fields.items())
    return {name for pair in names for name in pair if name}


def _find_unknown_names(cls: type[BaseModel], data: Any) -> list[Any]:
    if not isinstance(data, Mapping):
        return []
    known_names = _get_field_names(cls)
    return [name for name in data if name not in known_names]

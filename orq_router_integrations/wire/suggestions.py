"""Names and texts that are not as they must be, and what was meant."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


def suggest_name(name: str, candidates: Iterable[str]) -> str:
    """A hint at the known name that is most like an unknown one; empty where none is."""
    close = difflib.get_close_matches(name, set(candidates) - {name}, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def reject_unknown_fields(
    cls: type[BaseModel], data: Any, hints: Mapping[str, str] | None = None
) -> Any:
    """For a ``mode="before"`` validator: name the nearest known field for each unknown one.

    Args:
        cls: whose fields are known.
        data: what the caller gave.
        hints: what to say of names that belong elsewhere.

    Raises:
        ValueError: a keyword is not a field, nor the alias of one.
    """
    for name in _unknown(cls, data):
        hint = (hints or {}).get(name) or suggest_name(str(name), _known(cls))
        raise ValueError(f"{name}: unknown keyword{hint}")
    return data


def reject_unknown_nested_fields(cls: type[BaseModel], data: Any) -> Any:
    """The same for a model that is part of another, where errors name the way to a member.

    Raises:
        ValidationError: with one error for each unknown member, of pydantic's own type for it.
    """
    errors: list[InitErrorDetails] = []
    for name in _unknown(cls, data):
        told = f"unknown keyword{suggest_name(str(name), _known(cls))}"
        kind = PydanticCustomError("extra_forbidden", "{told}", {"told": told})
        errors.append({"type": kind, "loc": (str(name),), "input": data[name]})
    if errors:
        raise ValidationError.from_exception_data(cls.__name__, errors)
    return data


def create_pattern_validator(pattern: str, description: str) -> BeforeValidator:
    """Refuses a text that does not match, in words instead of the pattern."""

    def checked(value: Any) -> Any:
        if isinstance(value, str) and re.search(pattern, value) is None:
            raise ValueError(f"must be {description}, not {value!r:.80}")
        return value

    return BeforeValidator(checked)


def _known(cls: type[BaseModel]) -> set[str]:
    return {n for name, f in cls.model_fields.items() for n in (name, f.alias) if n}


def _unknown(cls: type[BaseModel], data: Any) -> list[Any]:
    if not isinstance(data, Mapping) or data.keys() <= cls.model_fields.keys():
        return []
    known = _known(cls)
    return [name for name in data if name not in known]

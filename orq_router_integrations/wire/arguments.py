"""Checks of arguments, with error messages that name the argument and suggest a fix."""

import difflib
import inspect
import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BeforeValidator
from pydantic_core import ErrorDetails

from orq_router_integrations.wire.json import check_encodable

ItemT = TypeVar("ItemT")

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?)?")
_INTERNAL_PREFIXES = ("orq_router_integrations.", "langchain_core.", "pydantic.")
_LIST = "a list", re.compile(r"such as `(\[[^`]*\])")
_DICT = "a dict", re.compile(r"such as `\[?(\{[^`]*\})")  # possibly as the item of a list
_EXPECTED = {
    **dict.fromkeys(("list_type", "tuple_type"), _LIST),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type"), _DICT),
}
"""What to pass instead, and its example in a description, by type of a pydantic error."""


def validate_list(values: Any, item_type: type[ItemT], name: str) -> list[ItemT]:
    """Return a list or another sequence as a list; all items must have the given type."""
    type_name = item_type.__name__
    if isinstance(values, (str, bytes, item_type)) or not isinstance(values, Sequence):
        plural = type_name if item_type is str else f"{type_name}s"
        raise ValueError(f"{name}: Expected a list of {plural}, got {type(values).__name__}.")
    for position, value in enumerate(values):
        if not isinstance(value, item_type):
            raise ValueError(
                f"{name}[{position}]: Expected a {type_name}, got {type(value).__name__}."
            )
    return list(values)


def validate_texts(texts: Any) -> list[str]:
    """Return the argument ``texts`` as a list of strings that can be sent."""
    values = validate_list(texts, str, "texts")
    for position, text in enumerate(values):
        check_text(text, f"texts[{position}]")
    return values


def check_text(text: Any, name: str) -> None:
    """Reject a value that is not a str, is empty, or cannot be sent."""
    if not isinstance(text, str):
        raise ValueError(f"{name}: Expected a str, got {type(text).__name__}.")
    if not text:
        raise ValueError(f"{name}: The text is empty, which the router rejects.")
    check_encodable(text, name)


def check_header(name: str, value: str) -> None:
    """Reject a header whose name or value cannot be sent."""
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a header name. Use ASCII letters, digits and hyphens.")
    if not _HEADER_VALUE.fullmatch(value):
        message = f"The value of {name} must be printable ASCII without surrounding whitespace."
        raise ValueError(message)


def suggest_name(name: str, candidates: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" for the closest candidate, or an empty string."""
    cutoff = 0.65 if len(name) < 6 else 0.77  # one or two wrong characters
    close = difflib.get_close_matches(name, set(candidates) - {name}, n=1, cutoff=cutoff)
    return f" Did you mean {close[0]!r}?" if close else ""


def reject_unknown_arguments(
    names: Iterable[Any], allowed: Collection[str], hints: Mapping[str, str] | None = None
) -> None:
    """Raise ``ValueError`` for a name that is not allowed, with a hint or the closest other name.

    ``hints`` maps unknown names to what replaces them: a name, an expression, or a sentence.
    """
    for name in names:
        if name in allowed:
            continue
        hint = (hints or {}).get(name, "")
        if hint and not hint.endswith("."):
            hint = f"Use {hint!r}." if hint.isidentifier() else f"Use {hint}."
        fix = f" {hint}" if hint else suggest_name(str(name), allowed)
        raise ValueError(f"Unknown argument {str(name)!r}.{fix}")


def describe_problem(error: ErrorDetails, description: str | None = None) -> str:
    """Return the message of a pydantic error, with the example in the description if any."""
    location, message = error["loc"], error["msg"].removeprefix("Value error, ")
    if error["type"] not in _EXPECTED or message.startswith("Expected"):
        return message.removeprefix(f"{location[-1]}: ") if location else message
    container, example_pattern = _EXPECTED[error["type"]]
    match = example_pattern.search(description or "")
    return f"Expected {container} such as {match[1]}" if match else f"Expected {container}"


def create_pattern_validator(pattern: str, description: str) -> BeforeValidator:
    """Create a validator that describes the expected string instead of showing the pattern."""

    def check_pattern(value: Any) -> Any:
        if isinstance(value, str) and re.search(pattern, value) is None:
            raise ValueError(f"Expected {description}, got {value!r:.80}.")
        return value

    return BeforeValidator(check_pattern)


def warn_caller(message: str) -> None:
    """Issue a warning at the first stack frame outside this package and its frameworks."""
    level, frame = 1, inspect.currentframe()
    while frame and str(frame.f_globals.get("__name__")).startswith(_INTERNAL_PREFIXES):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)

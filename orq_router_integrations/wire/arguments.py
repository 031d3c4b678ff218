"""Checks of arguments that several endpoints share. Errors start with the name of the argument."""

from collections.abc import Sequence
from typing import Any, TypeVar

from orq_router_integrations.wire.json import check_encodable

ItemT = TypeVar("ItemT")


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

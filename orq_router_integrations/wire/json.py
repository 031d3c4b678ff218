"""JSON: what cannot be sent is named by its path, and what comes is read as far as it can be."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

MAX_DEPTH = 256
"""Levels of nesting that are looked into: as many as can be sent."""


def dumps(value: Any, name: str = "") -> bytes:
    """A value as JSON.

    Args:
        value: dicts with text keys, lists, tuples, texts, numbers, booleans, ``None``.
        name: of the value, for the error.

    Raises:
        ValueError: something in it is not JSON; the message begins with its path.
    """
    try:
        data = orjson.dumps(value)
    except TypeError as error:
        raise ValueError(next(_faults(value, name), f"{name}: not JSON: {error}")) from None
    if b"null" in data and (fault := next(_faults(value, name, only_numbers=True), None)):
        raise ValueError(fault)  # orjson writes null for NaN and the infinities
    return data


def _faults(value: Any, path: str, depth: int = 0, *, only_numbers: bool = False) -> Iterator[str]:
    """What in a value cannot be sent, each with its path."""
    if depth > MAX_DEPTH:
        yield f"{path[:60]}...: nested too deep to be sent"
    elif isinstance(value, (Mapping, list, tuple)):
        if isinstance(value, Mapping):
            yield from _bad_keys(value, path)
        for place, child in _children(value, path):
            yield from _faults(child, place, depth + 1, only_numbers=only_numbers)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path}: {value} is not a number that can be sent"
    elif not only_numbers:
        yield from _unsendable(value, path)


def _children(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield (f"{path}.{key}" if path else str(key)), child
    else:
        for index, child in enumerate(value):
            yield f"{path}[{index}]", child


def _bad_keys(value: Mapping[Any, Any], path: str) -> Iterator[str]:
    for key in value:
        if not isinstance(key, str) or any("\ud800" <= char <= "\udfff" for char in key):
            yield f"{path}: the key {key!r} is not a text that can be sent"


def _unsendable(value: Any, path: str) -> Iterator[str]:
    try:
        orjson.dumps(value)
    except TypeError as error:
        yield f"{path}: {type(value).__name__} cannot be sent ({error})"


def loads(
    data: bytes | str,
    transform: Callable[[Any], Any] | None = None,
    *,
    always_transform: object = False,
) -> Any:
    """JSON as Python values; half characters (lone surrogates) become U+FFFD.

    Args:
        data: the JSON.
        transform: what is done with the value before they do, if there are any.
        always_transform: whether it is done in any case.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        if not always_transform:
            return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        if b"\\ud" not in (data.encode() if isinstance(data, str) else data).lower():
            raise ValueError(str(error)) from None
    try:
        value = json.loads(data, parse_constant=_no_number)
        return _mended(transform(value) if transform else value)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(key): _mended(item) for key, item in value.items()}
    return value


def as_dict(value: Any) -> dict[str, Any]:
    """A value of a reply if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in a list of a reply; of anything else, none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_str(value: Any) -> str:
    """A value of a reply if it is a text, else an empty one."""
    return value if isinstance(value, str) else ""

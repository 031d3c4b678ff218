"""JSON with strict serialization and tolerant parsing."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson

MAX_DEPTH = 256
"""Maximum nesting depth of a value that is sent."""


def dumps(value: Any, name: str = "") -> bytes:
    """Serialize a value as JSON.

    Args:
        value: A value of dicts with str keys, lists, tuples, strings, numbers, booleans and
            ``None``.
        name: Name of the value in error messages.

    Raises:
        ValueError: The value cannot be serialized. The message starts with the path of the problem,
            such as ``messages[0].content``.
    """
    try:
        data = orjson.dumps(value)
    except TypeError as error:
        message = next(_iter_problems(value, name), f"{name}: cannot be sent as JSON ({error})")
        raise ValueError(message) from None
    if b"null" in data:  # orjson writes null for NaN and the infinities
        problem = next(_iter_problems(value, name, only_numbers=True), None)
        if problem:
            raise ValueError(problem)
    return data


def _iter_problems(
    value: Any, path: str, depth: int = 0, *, only_numbers: bool = False
) -> Iterator[str]:
    """Yield a message for each part of a value that cannot be sent."""
    if depth > MAX_DEPTH:
        yield f"{path[:50]}...: nested too deeply. Use at most {MAX_DEPTH} levels."
    elif isinstance(value, (Mapping, list, tuple)):
        if isinstance(value, Mapping):
            yield from _iter_bad_keys(value, path)
        for child_path, child in _iter_children(value, path):
            yield from _iter_problems(child, child_path, depth + 1, only_numbers=only_numbers)
    elif isinstance(value, float) and not math.isfinite(value):
        yield f"{path}: {value} cannot be sent as JSON. Use a finite number."
    elif not only_numbers:
        try:
            orjson.dumps(value)
        except TypeError as error:
            yield f"{path}: {type(value).__name__} cannot be sent as JSON ({error})"


def _iter_children(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield (f"{path}.{key}" if path else str(key)), child
    else:
        for index, child in enumerate(value):
            yield f"{path}[{index}]", child


def _iter_bad_keys(value: Mapping[Any, Any], path: str) -> Iterator[str]:
    for key in value:
        if not isinstance(key, str):
            yield f"{path}: the key {key!r} must be a str"
        elif any("\ud800" <= char <= "\udfff" for char in key):
            yield f"{path}: the key {key!r} contains a lone surrogate. Remove it."


def loads(
    data: bytes | str,
    transform: Callable[[Any], Any] | None = None,
    *,
    always_transform: object = False,
) -> Any:
    r"""Parse JSON, and replace lone surrogates such as ``"\ud83d"`` with U+FFFD.

    Args:
        data: The JSON text.
        transform: Function applied to the parsed value before lone surrogates are replaced. By
            default it is only called if the text may contain one, because parsing is faster
            otherwise.
        always_transform: Whether to call ``transform`` for every value.

    Raises:
        ValueError: The text is not JSON.
    """
    try:
        if not always_transform:
            return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        text = data.encode() if isinstance(data, str) else data
        if b"\\ud" not in text.lower():
            raise ValueError(str(error)) from None
    # orjson rejects lone surrogates, the standard library keeps them
    try:
        value = json.loads(data, parse_constant=_reject_constant)
        return _replace_surrogates(transform(value) if transform else value)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _reject_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _replace_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_replace_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_replace_surrogates(key): _replace_surrogates(item) for key, item in value.items()}
    return value


def as_dict(value: Any) -> dict[str, Any]:
    """Return a parsed value if it is an object, otherwise an empty dict."""
    return value if isinstance(value, dict) else {}


def as_dicts(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a parsed list. Anything else is dropped."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def as_str(value: Any) -> str:
    """Return a parsed value if it is a string, otherwise an empty string."""
    return value if isinstance(value, str) else ""


def get_json_type_name(value: Any) -> str:
    """Return the JSON type of a parsed value for an error message, such as ``"an array"``."""
    names = {list: "an array", dict: "an object", str: "a string", type(None): "null"}
    return names.get(type(value), "a number or boolean")

"""Serialize JSON strictly, parse it leniently, and decode base64 in it."""

import json
import math
import re
from binascii import a2b_base64
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from typing import Any

import orjson
from pydantic import ConfigDict, TypeAdapter

MAX_DEPTH = 256  # maximum nesting of a value that is sent

MAX_CONTAINERS = 1_000_000
"""Maximum number of objects and arrays in a value that is read.

A small object needs 40 times the memory of its text.
"""

_DATA_PREFIX = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_SURROGATE = re.compile("[\ud800-\udfff]")
_WHOLE_NUMBER = re.compile(r"\s*([+-]?[0-9]{1,300})(?:\.0*)?\s*")
_MASK_DIGITS = bytes.maketrans(b"123456789", b"0" * 9)  # turns every digit into 0
_LONG_NUMBER = b"0" * len(str(2**63))  # part of every masked integer of more than 64 bits
_BASE64_ADAPTER = TypeAdapter(bytes, config=ConfigDict(val_json_bytes="base64", defer_build=True))


def dumps(value: Any, name: str = "", *, nan_as_null: bool = False) -> bytes:
    """Serialize a value as JSON. It may consist of dicts with str keys, lists, tuples and scalars.

    The message of a ``ValueError`` starts with the path of the problem, which begins with ``name``.
    With ``nan_as_null``, NaN and the infinities, which models may write, are sent as null.
    """
    try:
        data = orjson.dumps(value)
    except TypeError:  # also raised for integers of more than 64 bits, which are sent as well
        plain = _to_plain_value(value, name, nan_as_null=nan_as_null)
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode()
    if not nan_as_null and b"null" in data:  # orjson writes null for NaN and the infinities
        try:
            json.dumps(value, allow_nan=False, default=str)
        except ValueError:
            _to_plain_value(value, name)  # finds the path
    return data


def _to_plain_value(value: Any, path: str, depth: int = 0, *, nan_as_null: bool = False) -> Any:
    """Convert a value to JSON types, or raise ``ValueError`` with the path of the problem."""
    if depth > MAX_DEPTH:
        raise ValueError(f"{path[:50]}...: Nested too deeply. Use at most {MAX_DEPTH} levels.")
    convert = partial(_to_plain_value, depth=depth + 1, nan_as_null=nan_as_null)
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        return {_check_key(key, path): convert(item, prefix + key) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [convert(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, float) and not math.isfinite(value):
        if nan_as_null:
            return None
        raise ValueError(f"{path}: Cannot send {value} as JSON. Use a finite number.")
    if isinstance(value, int) or (isinstance(value, str) and value.isascii()):
        return value
    try:
        return orjson.loads(orjson.dumps(value))
    except TypeError as error:
        name = type(value).__name__
        raise ValueError(f"{path}: Cannot send {name} as JSON ({error})") from None


def _check_key(key: Any, path: str) -> str:
    if not isinstance(key, str):
        raise ValueError(f"{path}: The key {key!r} must be a str. Convert it.")
    return check_encodable(key, f"{path}: Key {key!r:.80}")


def loads(data: bytes | str) -> Any:
    r"""Parse untrusted JSON leniently.

    Integers of any size are exact. Strings may contain raw control characters. NaN, the infinities
    and numbers out of range become ``None``, and lone surrogates such as ``"\ud83d"`` become
    U+FFFD, so that one such value does not make the others unreadable.
    """
    text = data.encode() if isinstance(data, str) else data
    if len(text) > 2 * MAX_CONTAINERS and text.count(b"{") + text.count(b"[") > MAX_CONTAINERS:
        raise ValueError(f"more than {MAX_CONTAINERS} objects and arrays")
    try:
        if _LONG_NUMBER not in text.translate(_MASK_DIGITS):  # orjson rounds long integers
            return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass  # orjson rejects lone surrogates, control characters and NaN
    return _loads_leniently(
        text, parse_constant=lambda _: None, parse_float=as_float, parse_int=as_int
    )


def loads_arguments(text: str, *, replace_surrogates: bool = True) -> Any:
    """Parse the arguments of a tool call like langchain-core does in streams, without repair.

    This differs from ``loads`` in that NaN and the infinities are floats.
    """
    value = _loads_leniently(text)
    if not replace_surrogates and "\\u" in text and value != json.loads(text, strict=False):
        raise ValueError("contains a lone surrogate")
    return value


def _loads_leniently(text: bytes | str, **options: Any) -> Any:
    try:
        return replace_lone_surrogates(json.loads(text, strict=False, **options))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def replace_lone_surrogates(value: Any) -> Any:
    """Replace lone surrogates, which UTF-8 cannot encode, and join pairs of them."""
    return map_strings(value, _replace_in_string)


def _replace_in_string(text: str) -> str:
    if text.isascii() or not _SURROGATE.search(text):
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def map_strings(value: Any, function: Callable[[str], str]) -> Any:
    """Apply a function to all strings in a JSON value, including keys."""
    if isinstance(value, str):
        return function(value)
    if isinstance(value, (list, tuple)):
        return [map_strings(item, function) for item in value]
    if isinstance(value, dict):
        return {
            function(key) if isinstance(key, str) else key: map_strings(item, function)
            for key, item in value.items()
        }
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


def as_int(value: Any) -> int | None:
    """Return a parsed whole number, also from a string or a float, otherwise ``None``."""
    if isinstance(value, str) and (match := _WHOLE_NUMBER.fullmatch(value)):
        return int(match[1])
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_float(value: Any) -> float | None:
    """Return a parsed finite number, also from a string, otherwise ``None``."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def check_encodable(text: str, name: str = "") -> str:
    """Return a string unchanged, or raise ``ValueError`` if UTF-8 cannot encode it."""
    if match := _SURROGATE.search(text):
        prefix = f"{name}: " if name else ""
        position = match.start()
        raise ValueError(f"{prefix}Contains a lone surrogate at position {position}. Remove it.")
    return text


def to_printable(path: str) -> str:
    """Percent-encode the bytes of a path that are not UTF-8, because JSON cannot contain them."""
    return _SURROGATE.sub(lambda match: f"%{ord(match[0]) & 0xFF:02X}", path)


@cache
def get_adapter(result_type: type) -> TypeAdapter[Any]:
    """Return the adapter that reads a dataclass from JSON. Creating one takes milliseconds."""
    return TypeAdapter(result_type)


def decode_base64(data: bytes) -> bytes:
    """Decode padded base64 of the standard alphabet, and reject everything else.

    pydantic's decoder is five times as fast as Python's, but only reads JSON strings, and also
    accepts the URL-safe alphabet and missing padding. Python's decodes, or rejects, the rest.

    >>> decode_base64(b"aGVsbG8=")
    b'hello'
    """
    if len(data) % 4 == 0 and not any(char in data for char in b"-_\\"):
        with suppress(ValueError):
            return _BASE64_ADAPTER.validate_json(b'"%b"' % data)
    return a2b_base64(data, strict_mode=True)


def strip_data_prefix(data: str) -> str:
    """Return the base64 of a data URL. Some providers send a data URL instead of base64."""
    match = _DATA_PREFIX.match(data)
    return data[match.end() :] if match else data

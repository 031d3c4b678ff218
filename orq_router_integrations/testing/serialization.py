"""Texts and JSON as a server in JavaScript writes them: with half characters (lone surrogates)."""

import json
from typing import Any

import orjson


def encode_json(value: Any) -> bytes:
    r"""A value as JSON; UTF-8 cannot write half characters, and JSON's escapes can.

    >>> encode_json({"a": "half \ud83d"})
    b'{"a":"half \\ud83d"}'
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


def encode_text(text: str) -> bytes:
    """A text in UTF-8, with U+FFFD for half characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()

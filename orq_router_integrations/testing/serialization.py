"""Encode JSON that may contain lone surrogates, as JavaScript servers do."""

import json
from typing import Any

import orjson


def encode_json(value: Any) -> bytes:
    r"""Encode a value as JSON. Lone surrogates, which UTF-8 cannot represent, become JSON escapes.

    >>> encode_json({"a": "half \ud83d"})
    b'{"a":"half \\ud83d"}'
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()

"""Read JSON that contains long strings incrementally.

An image response contains megabytes of base64. Parsed in one step, it would be in memory as bytes,
as a str and decoded. Here the long strings are passed on in chunks, and only the short remainder
is parsed.
"""

import re
from collections.abc import Generator
from typing import Any

import orjson

from orq_router_integrations.wire.json import MAX_DEPTH, loads

MAX_CHUNK_BYTES = 64 * 1024  # of a long string, passed on at a time
MAX_VALUES = 100_000  # not counting the contents of strings

_STRUCTURE = re.compile(rb'["{}\[\]:,]')
_MAX_KEY_BYTES = 64


class StreamingJsonReader:
    """Reads a JSON object with a list of objects that each contain one long string.

    The list is at ``items_key``, and the long strings are at ``text_key`` of its objects.

    >>> reader = StreamingJsonReader(items_key="data", text_key="b64")
    >>> list(reader.feed(b'{"data": [{"b64": "aGV')) + list(reader.feed(b'sbG8=", "n": 1}]}'))
    [b'aGV', b'sbG8=', {'b64': '', 'n': 1}]
    """

    def __init__(self, *, items_key: str, text_key: str) -> None:
        self.skeleton = bytearray()  # the JSON received so far, with empty strings for long ones
        self._items_key = f'"{items_key}"'.encode()
        self._text_key = f'"{text_key}"'.encode()
        self._open: list[tuple[int, bytes]] = []  # start and key of each open object or list
        self._key = b""  # key of the next value
        self._last_string = b""  # the last short string, which may turn out to be a key
        self._string_start = -1  # start of the current string in ``skeleton``
        self._in_long_string = False
        self._escape = b""
        self._value_count = 0

    @property
    def is_complete(self) -> bool:
        """Whether all objects, lists and strings are closed."""
        return not self._open and self._string_start < 0

    def _is_inside_items(self, depth: int) -> bool:
        return len(self._open) == depth and self._open[1][1] == self._items_key

    def feed(self, data: bytes) -> Generator[bytes | dict[str, Any]]:
        """Read the next bytes, which may be cut anywhere.

        Chunks of a long string are yielded as bytes, then the object that contains it as a dict.
        """
        offset = 0
        while offset < len(data):
            if self._escape:
                offset = yield from self._read_escape(data, offset)
            elif self._string_start >= 0:
                offset = yield from self._read_string(data, offset)
            else:
                offset = yield from self._read_structure(data, offset)

    def _read_structure(self, data: bytes, offset: int) -> Generator[dict[str, Any], None, int]:
        """Read up to the next structural character, and return the offset after it."""
        match = _STRUCTURE.search(data, offset)
        end = match.end() if match else len(data)
        self.skeleton += data[offset:end]
        char = match[0] if match else b" "
        if char == b":":
            self._key = self._last_string
        elif char == b'"':
            self._string_start = len(self.skeleton) - 1
            self._in_long_string = self._key == self._text_key and self._is_inside_items(3)
            self._key = b""
        elif char in b"{[":
            self._open.append((len(self.skeleton) - 1, self._key))
            self._start_value()
        elif char == b",":
            self._start_value()
        elif char in b"}]" and self._open:
            start, _ = self._open.pop()
            if self._is_inside_items(2) and self.skeleton[start] == ord("{"):
                yield loads(bytes(memoryview(self.skeleton)[start:]))
        return end

    def _start_value(self) -> None:
        self._key = b""
        self._value_count += 1
        if len(self._open) > MAX_DEPTH or self._value_count > MAX_VALUES:
            raise ValueError("nested too deeply, or too many values")

    def _read_string(self, data: bytes, offset: int) -> Generator[bytes, None, int]:
        """Read up to the end of the string, an escape, or the maximum chunk size."""
        stop = min(offset + MAX_CHUNK_BYTES, len(data))
        # Two searches: one regular expression for both characters takes ten times as long
        quote = data.find(b'"', offset, stop)
        backslash = data.find(b"\\", offset, stop if quote < 0 else quote)
        end = next((position for position in (backslash, quote) if position >= 0), stop)
        if not self._in_long_string:
            self.skeleton += data[offset:end]
        elif end > offset:
            yield data[offset:end]
        if end == stop:
            return end
        if end == backslash:
            self._escape = b"\\"
        else:
            self.skeleton += b'"'
            is_short = len(self.skeleton) - self._string_start <= _MAX_KEY_BYTES
            self._last_string = bytes(self.skeleton[self._string_start :]) if is_short else b""
            self._string_start = -1
        return end + 1

    def _read_escape(self, data: bytes, offset: int) -> Generator[bytes, None, int]:
        """Read the next byte of an escape sequence."""
        self._escape += data[offset : offset + 1]
        if len(self._escape) == (6 if self._escape[1:2] == b"u" else 2):
            if self._in_long_string:
                yield orjson.loads(b'"' + self._escape + b'"').encode()
            else:
                self.skeleton += self._escape
            self._escape = b""
        return offset + 1

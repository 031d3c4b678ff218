"""JSON in pieces, with its long texts taken out as they arrive.

An image comes as megabytes of base64 in the middle of an object. Read whole it would stand in
memory as bytes, as text and decoded; here it is handed on piece by piece, and only the rest, which
is small, is kept and parsed.
"""

import re
from collections.abc import Generator
from typing import Any

import orjson

from orq_router_integrations.wire.json import loads

MAX_CHUNK_BYTES = 64 * 1024
"""Most bytes of a text that are handed on at once."""

_MARK = re.compile(rb'["{}\[\]:,]')
_LONGEST_NAME = 64


class StreamingJsonReader:
    """Reads one JSON object whose member ``items`` lists objects, each with a long ``text``.

    Attributes:
        rest: the JSON so far, with an empty text in the place of every long one.

    >>> reader = StreamingJsonReader(items_key="data", text_key="b64")
    >>> list(reader.feed(b'{"data": [{"b64": "aGV')) + list(reader.feed(b'sbG8=", "n": 1}]}'))
    [b'aGV', b'sbG8=', {'b64': '', 'n': 1}]
    """

    def __init__(self, *, items_key: str, text_key: str) -> None:
        self.skeleton = bytearray()
        self._items = f'"{items_key}"'.encode()
        self._long = f'"{text_key}"'.encode()
        self._open: list[tuple[int, bytes]] = []  # where each object or list begins, and its name
        self._name = b""  # of the value that comes next
        self._last = b""  # the last short text
        self._text_at = -1  # where the text that is being read begins in ``rest``
        self._taken = False
        self._escape = b""

    @property
    def is_complete(self) -> bool:
        """Whether everything that was opened is closed."""
        return not self._open and self._text_at < 0

    @property
    def _in_items(self) -> bool:
        """Whether the list of items is what is open, and nothing in it."""
        return len(self._open) == 2 and self._open[1][1] == self._items

    @property
    def _in_item(self) -> bool:
        """Whether an item is what is open, and nothing in it."""
        return len(self._open) == 3 and self._open[1][1] == self._items

    def feed(self, data: bytes) -> Generator[bytes | dict[str, Any]]:
        """Take bytes, cut anywhere: yield pieces of long texts, and each item when it is whole.

        Raises:
            ValueError: an item, or an escape in a long text, is not JSON.
        """
        at = 0
        while at < len(data):
            if self._escape:
                at = yield from self._unescape(data, at)
            elif self._text_at >= 0:
                at = yield from self._read_text(data, at)
            else:
                at = yield from self._read_frame(data, at)

    def _read_frame(self, data: bytes, at: int) -> Generator[dict[str, Any], None, int]:
        """Read as far as the next mark of structure."""
        match = _MARK.search(data, at)
        end = match.end() if match else len(data)
        self.skeleton += data[at:end]
        mark = match[0] if match else b" "
        if mark == b":":
            self._name = self._last
        elif mark == b'"':
            self._text_at = len(self.skeleton) - 1
            self._taken, self._name = self._name == self._long and self._in_item, b""
        elif mark in b"{[":
            self._open.append((len(self.skeleton) - 1, self._name))
            self._name = b""
        elif mark == b",":
            self._name = b""
        elif mark in b"}]" and self._open:
            yield from self._closed(*self._open.pop())
        return end

    def _closed(self, start: int, _: bytes) -> Generator[dict[str, Any]]:
        """What was just closed, if it is one of the items."""
        if self._in_items and self.skeleton[start] == 0x7B:
            yield loads(bytes(memoryview(self.skeleton)[start:]))

    def _read_text(self, data: bytes, at: int) -> Generator[bytes, None, int]:
        """Read as far as the end of a text, or an escape in it, or one piece."""
        stop = min(at + MAX_CHUNK_BYTES, len(data))
        quote = data.find(
            b'"', at, stop
        )  # a search for both in one pattern takes ten times as long
        escape = data.find(b"\\", at, stop if quote < 0 else quote)
        end = next((found for found in (escape, quote) if found >= 0), stop)
        if not self._taken:
            self.skeleton += data[at:end]
        elif end > at:
            yield data[at:end]
        if end == stop:
            return end
        if end == escape:
            self._escape = b"\\"
        else:
            self.skeleton += b'"'
            short = len(self.skeleton) - self._text_at <= _LONGEST_NAME
            self._last = bytes(self.skeleton[self._text_at :]) if short else b""
            self._text_at = -1
        return end + 1

    def _unescape(self, data: bytes, at: int) -> Generator[bytes, None, int]:
        """Read one more byte of an escape."""
        self._escape += data[at : at + 1]
        if len(self._escape) == (6 if self._escape[1:2] == b"u" else 2):
            if self._taken:
                yield orjson.loads(b'"' + self._escape + b'"').encode()
            else:
                self.skeleton += self._escape
            self._escape = b""
        return at + 1

"""Decode server-sent events from bytes.

Only CR, LF and CRLF end a line, as in the WHATWG standard. Splitting decoded text into lines would
also split at characters such as U+2028, which are legal inside JSON strings.
"""

import re
from collections.abc import Iterator

from orq_router_integrations.wire.call import MalformedResponseError

BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n?|\n")

MAX_EVENT_BYTES = 16 * 1024 * 1024  # limits the memory that a faulty stream can use


ServerSentEvent = tuple[bytes, str]
"""Data and name of an event. The name is empty if the stream does not contain one."""


class SSEDecoder:
    r"""Decodes a stream of server-sent events.

    Comments, ids, retry hints and blocks without data are ignored. A last block without a blank
    line after it is dropped, as the standard requires.

    >>> decoder = SSEDecoder()
    >>> list(decoder.feed(b"data: one\n"))
    []
    >>> list(decoder.feed(b"\ndata: two\n\n"))
    [(b'one', ''), (b'two', '')]
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []  # fragments of an incomplete line
        self._after_cr = False  # the last byte was a CR, so a LF that follows belongs to it
        self._at_start = True
        self._data: list[bytes] = []
        self._name = ""
        self._size = 0  # bytes since the last event

    def feed(self, data: bytes) -> Iterator[ServerSentEvent]:
        """Decode the next bytes, which may be cut anywhere, and yield completed events."""
        if self._after_cr and data:
            data = data.removeprefix(b"\n")
            self._after_cr = False
        self._after_cr = self._after_cr or data.endswith(b"\r")
        first, *others = _LINE_END.split(data) if b"\r" in data else data.split(b"\n")
        self._extend_line(first)
        for fragment in others:
            if event := self._finish_line():
                yield event
            self._extend_line(fragment)

    def _extend_line(self, fragment: bytes) -> None:
        self._line.append(fragment)
        self._size += len(fragment)
        if self._size > MAX_EVENT_BYTES:
            limit = f"{MAX_EVENT_BYTES // 1024**2} MB"
            raise MalformedResponseError(f"an event is larger than {limit}", fragment)

    def _finish_line(self) -> ServerSentEvent | None:
        """Read a complete line. A blank line completes an event, which is returned."""
        line = b"".join(self._line)
        self._line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(BOM)
        if line:
            field, _, value = line.partition(b":")
            if field == b"data":
                self._data.append(value.removeprefix(b" "))
            elif field == b"event":
                self._name = value.removeprefix(b" ").decode("utf-8", "replace")
            return None
        event = (b"\n".join(self._data), self._name) if self._data else None
        self._data, self._name, self._size = [], "", 0
        return event

"""Server-sent events, decoded from bytes.

Decoding lines of text instead would cut events at U+2028 and its kin, which are legal inside
JSON strings: only CR, LF and CRLF end a line here, as in the WHATWG standard.
"""

from collections.abc import Iterator

from orq_router_integrations.wire.call import MalformedResponseError

BOM = b"\xef\xbb\xbf"

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Bytes; a stream that does not end its events must not fill the memory."""


ServerSentEvent = tuple[bytes, str]
"""The data of an event, and its name, which is empty where the stream gave none."""


class SSEDecoder:
    r"""Bytes in, events out; the bytes may be cut anywhere.

    Comments, ids, retry hints and blocks without data are passed over. A block that the stream
    does not end with a blank line is dropped, as the standard asks.

    >>> decoder = SSEDecoder()
    >>> list(decoder.feed(b"data: one\n"))
    []
    >>> list(decoder.feed(b"\ndata: two\n\n"))
    [(b'one', ''), (b'two', '')]
    """

    def __init__(self) -> None:
        self._pending: list[bytes] = []  # an unfinished line, in the pieces it came in
        self._after_cr = False  # a CR ended the last piece: a LF that follows belongs to it
        self._at_start = True
        self._data: list[bytes] = []
        self._name = ""
        self._size = 0  # of what was taken since the last event

    def feed(self, data: bytes) -> Iterator[ServerSentEvent]:
        """Take the next bytes and yield the events they complete.

        Raises:
            BadReply: an event is too long.
        """
        if not (self._pending or self._data or self._name or self._after_cr or b"\r" in data):
            *blocks, data = data.split(b"\n\n")
            for block in blocks:
                if event := _plain_event(block):
                    self._at_start, self._size = False, 0
                    yield event
                else:
                    yield from self._read(block + b"\n\n")
        if data:
            yield from self._read(data)

    def _read(self, data: bytes) -> Iterator[ServerSentEvent]:
        """The events in bytes of any form, by all rules of the standard."""
        for line in self._lines(data):
            if line:
                self._take(line)
            elif self._data:
                yield b"\n".join(self._data), self._name
                self._data, self._name, self._size = [], "", 0
            else:
                self._name, self._size = "", 0

    def _lines(self, data: bytes) -> Iterator[bytes]:
        if self._after_cr and data:
            self._after_cr = False
            data = data[1:] if data.startswith(b"\n") else data
        for raw in data.splitlines(keepends=True):
            line = raw.rstrip(b"\r\n")
            self._pending.append(line)
            self._size += len(raw)
            if self._size > MAX_EVENT_BYTES:
                raise MalformedResponseError(
                    f"an event is longer than {MAX_EVENT_BYTES // 1024**2} MB", line
                )
            self._after_cr = raw.endswith(b"\r")
            if len(line) == len(raw):
                return  # no line end yet: only ever the last piece
            whole = line if len(self._pending) == 1 else b"".join(self._pending)
            self._pending.clear()
            if self._at_start:
                self._at_start = False
                whole = whole.removeprefix(BOM)
            yield whole

    def _take(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")


def _plain_event(block: bytes) -> ServerSentEvent | None:
    """An event as nearly all are written: one line of data, maybe under its name."""
    if b"\n" not in block:
        return (block[6:], "") if block.startswith(b"data: ") else None
    name, _, data = block.partition(b"\n")
    if name.startswith(b"event: ") and data.startswith(b"data: ") and b"\n" not in data:
        return data[6:], name[7:].decode("utf-8", "replace")
    return None

"""Decode server-sent events from bytes.

Only CR, LF and CRLF end a line, as in the WHATWG standard. Splitting decoded text into lines would
also split at characters such as U+2028, which are legal inside JSON strings.
"""

from collections.abc import Iterator

from orq_router_integrations.wire.call import MalformedResponseError

BOM = b"\xef\xbb\xbf"

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
        self._pending: list[bytes] = []  # fragments of an incomplete line
        self._after_cr = False  # the last fragment ended in CR, so a LF that follows belongs to it
        self._at_start = True
        self._data: list[bytes] = []
        self._name = ""
        self._size = 0  # bytes since the last event

    def feed(self, data: bytes) -> Iterator[ServerSentEvent]:
        """Decode the next bytes, which may be cut anywhere, and yield completed events."""
        if not (self._pending or self._data or self._name or self._after_cr or b"\r" in data):
            # Fast path: complete blocks in the form that nearly all servers send
            *blocks, data = data.split(b"\n\n")
            for block in blocks:
                if event := _parse_simple_block(block):
                    self._at_start, self._size = False, 0
                    yield event
                else:
                    yield from self._decode(block + b"\n\n")
        if data:
            yield from self._decode(data)

    def _decode(self, data: bytes) -> Iterator[ServerSentEvent]:
        for line in self._iter_lines(data):
            if line:
                self._handle_field(line)
            elif self._data:
                yield b"\n".join(self._data), self._name
                self._data, self._name, self._size = [], "", 0
            else:
                self._name, self._size = "", 0

    def _iter_lines(self, data: bytes) -> Iterator[bytes]:
        if self._after_cr and data:
            self._after_cr = False
            data = data[1:] if data.startswith(b"\n") else data
        for raw_line in data.splitlines(keepends=True):
            line = raw_line.rstrip(b"\r\n")
            self._pending.append(line)
            self._size += len(raw_line)
            if self._size > MAX_EVENT_BYTES:
                limit = f"{MAX_EVENT_BYTES // 1024**2} MB"
                raise MalformedResponseError(f"an event is larger than {limit}", line)
            self._after_cr = raw_line.endswith(b"\r")
            if len(line) == len(raw_line):
                return  # the line is incomplete, which is only possible for the last one
            complete_line = line if len(self._pending) == 1 else b"".join(self._pending)
            self._pending.clear()
            if self._at_start:
                self._at_start = False
                complete_line = complete_line.removeprefix(BOM)
            yield complete_line

    def _handle_field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")


def _parse_simple_block(block: bytes) -> ServerSentEvent | None:
    """Parse a block of one data line, optionally after one event line."""
    if b"\n" not in block:
        return (block[6:], "") if block.startswith(b"data: ") else None
    name, _, data = block.partition(b"\n")
    if name.startswith(b"event: ") and data.startswith(b"data: ") and b"\n" not in data:
        return data[6:], name[7:].decode("utf-8", "replace")
    return None

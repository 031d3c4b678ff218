"""Join HTTP chunks that arrive together, before httpcore parses them.

Servers send each event of a stream as a separate HTTP chunk. httpcore takes about 8 microseconds
per chunk, as long as this package takes to decode the event. Joining takes less than one.
"""

import re

_CHUNKED_RESPONSE = re.compile(
    rb"HTTP/1\.1 200 .*\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?:\r\n|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_FIRST_SIZE = re.compile(rb"0*([1-9a-fA-F][0-9a-fA-F]{0,7})\r\n")
_NEXT_SIZE = re.compile(rb"\r\n" + _FIRST_SIZE.pattern)

_MAX_SIZE_LINE = 20


class ChunkJoiner:
    """Rewrites the bytes of a chunked response so that they consist of fewer and larger chunks.

    From the last chunk or anything unusual on, such as an extension or an error, bytes are passed
    on unchanged. So httpcore still checks the response and finds its end.
    """

    def __init__(self) -> None:
        self._is_body = self._is_done = False
        self._size = _FIRST_SIZE
        self._missing = 0  # bytes of the current chunk that have not arrived
        self._pending = b""  # the start of a line
        self._separator = b""

    def feed(self, data: bytes) -> bytes:
        """Rewrite the next bytes, or what is left of them at the end of the stream (``b""``).

        The result is empty if the bytes end within a line.
        """
        if self._is_done:
            return data
        if self._is_body:
            return self._join(data)
        head, separator, body = data.partition(b"\r\n\r\n")
        self._is_body = bool(separator and _CHUNKED_RESPONSE.match(head))
        self._is_done = not self._is_body
        return head + separator + self._join(body) if self._is_body else data

    def _join(self, data: bytes) -> bytes:
        if self._is_single_chunk(data):
            return data
        is_end = not data
        data, pieces, position = self._pending + data, [], 0
        while True:
            piece = data[position : position + self._missing]
            pieces.append(piece)
            position += len(piece)
            self._missing -= len(piece)
            line = None if self._missing else self._size.match(data, position)
            if line is None:
                break
            self._size = _NEXT_SIZE
            position, self._missing = line.end(), int(line[1], 16)
        self._pending = data[position:]
        joined = self._encode_chunk(b"".join(pieces))
        if self._pending == b"\r\n":  # a chunk is complete, so the next bytes start a new one
            self._size, self._separator, self._pending = _FIRST_SIZE, b"", b""
            return joined + b"\r\n"
        is_incomplete = len(self._pending) < _MAX_SIZE_LINE and self._pending.find(b"\n", 2) < 0
        if is_incomplete and not is_end:
            return joined
        self._is_done = True
        return joined + self._pending

    def _is_single_chunk(self, data: bytes) -> bool:
        """Check for a complete chunk without others, which is usual if events arrive slowly."""
        line = self._size.match(data) if self._size is _FIRST_SIZE and not self._missing else None
        length = line.end() + int(line[1], 16) + 2 if line and not self._pending else 0
        return length == len(data) > 0 and data.endswith(b"\r\n")

    def _encode_chunk(self, content: bytes) -> bytes:
        """Encode a chunk without the line break after it, which is checked by httpcore."""
        if not content:
            return b""
        separator, self._separator = self._separator, b"\r\n"
        return b"%s%x\r\n%s" % (separator, len(content), content)

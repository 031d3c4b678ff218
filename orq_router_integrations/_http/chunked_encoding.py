"""Join HTTP chunks that arrive together, before httpcore parses them.

Servers send each event of a stream as a separate HTTP chunk. httpcore takes about 8 microseconds
per chunk, as long as this package takes to decode the event. Joining takes less than one.
"""

import re

_CHUNKED_RESPONSE = re.compile(
    rb"HTTP/1\.1 200 .*\r\ntransfer-encoding:[ \t]*chunked[ \t]*(?:\r\n|\Z)",
    re.IGNORECASE | re.DOTALL,
)
_SIZE = re.compile(rb"0*([1-9a-fA-F][0-9a-fA-F]{0,7})\r\n")

_MAX_SIZE_LINE = 20


class ChunkJoiner:
    """Rewrites the bytes of a chunked response so that they consist of fewer and larger chunks.

    Incomplete chunks are passed on unchanged, and so is everything from the last chunk or anything
    unusual on, such as an extension or an error. So httpcore still checks the response and finds
    its end.
    """

    def __init__(self) -> None:
        self._is_body = self._is_done = False
        self._missing = 0  # bytes of an incomplete chunk that have not arrived
        self._pending = b""  # the start of a size line

    def feed(self, data: bytes) -> bytes:
        """Rewrite the next bytes, or what is left of them at the end of the stream (``b""``).

        The result is empty if the bytes end within the size of a chunk.
        """
        if self._is_done:
            return data
        if self._is_body:
            return self._join(data)
        head, separator, body = data.partition(b"\r\n\r\n")
        self._is_body = bool(separator and _CHUNKED_RESPONSE.match(head))
        self._is_done = not self._is_body
        return head + separator + self._join(body) if self._is_body and body else data

    def _join(self, data: bytes) -> bytes:
        is_end, data = not data, self._pending + data
        start = position = min(self._missing, len(data))
        self._missing, self._pending, pieces = self._missing - start, b"", []
        while line := _SIZE.match(data, position):
            end = line.end() + int(line[1], 16)
            if data[end : end + 2] != b"\r\n":
                break
            pieces.append(data[line.end() : end])
            position = end + 2
        joined, rest = data[start:position], data[position:]
        if len(pieces) > 1:
            content = b"".join(pieces)
            joined = b"%x\r\n%s\r\n" % (len(content), content)
        if line:
            self._missing = max(end + 2 - len(data), 0)
            self._is_done = not self._missing  # the end of the chunk is invalid
        elif is_end or len(rest) > _MAX_SIZE_LINE or b"\n" in rest:
            self._is_done = True
        else:
            self._pending, rest = rest, b""
        return data[:start] + joined + rest

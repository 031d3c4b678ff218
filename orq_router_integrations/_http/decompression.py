"""Decompress response bodies in bounded steps, so that a small body cannot fill the memory."""

import zlib
from collections.abc import Iterator

from orq_router_integrations.wire.call import MalformedResponseError

CHUNK_BYTES = 1024 * 1024  # bytes to decompress at a time
_SUPPORTED_ENCODINGS = {"gzip", "x-gzip", "deflate"}
_DETECT_HEADER = 32 + zlib.MAX_WBITS  # value with which zlib accepts gzip and zlib headers
_GZIP_MAGIC = b"\x1f\x8b"


class BoundedDecompressor:
    """Decompresses one response body, which may consist of several gzip members."""

    def __init__(self, encoding: str) -> None:
        if encoding not in _SUPPORTED_ENCODINGS:
            raise MalformedResponseError(
                f"The response body is encoded as {encoding[:80]!r}, which was not requested"
            )
        self._zlib = zlib.decompressobj(_DETECT_HEADER)
        self._is_empty = True
        self._trailer = b""  # the first bytes after a complete member

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decompressed content of the next bytes."""
        while data:
            self._is_empty = False
            if self._zlib.eof:
                data = self._trailer + data
                if not data.startswith(_GZIP_MAGIC):  # padding, or half of the two bytes
                    self._trailer = data[: len(_GZIP_MAGIC)]
                    return
                self._zlib, self._trailer = zlib.decompressobj(_DETECT_HEADER), b""
            try:
                chunk = self._zlib.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                raise MalformedResponseError(
                    f"The compressed response body is invalid ({error})"
                ) from None
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            if chunk:
                yield chunk

    def finish(self) -> Iterator[bytes]:
        """Yield the remaining content, and check that the data is complete."""
        if self._is_empty:
            return
        if remaining := self._zlib.flush():
            yield remaining
        if not self._zlib.eof:
            raise MalformedResponseError("The compressed response body is incomplete")

"""Decompress response bodies in bounded steps, so that a small body cannot fill the memory."""

import zlib
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from itertools import chain
from typing import Any

from orq_router_integrations.wire.call import MalformedResponseError

CHUNK_BYTES = 1024 * 1024
"""Bytes to decompress at a time."""

MAX_MEMBERS = 10_000
"""Maximum number of gzip members of a body, because each one takes time even if it is empty."""

_SUPPORTED_ENCODINGS = {"gzip", "x-gzip", "deflate"}
_DETECT_HEADER = 32 + zlib.MAX_WBITS
"""Value with which zlib accepts gzip and zlib headers."""

_GZIP_MAGIC = b"\x1f\x8b"


class BoundedDecompressor:
    """Decompresses one response body, which may consist of several gzip members.

    Args:
        encoding: Value of the ``Content-Encoding`` header.

    Raises:
        MalformedResponseError: The encoding was not requested, or is applied more than once.
    """

    def __init__(self, encoding: str) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        names = [name for name in names if name not in {"", "identity"}]
        if len(names) > 1 or not _SUPPORTED_ENCODINGS.issuperset(names):
            raise MalformedResponseError(
                f"The response body is encoded as {encoding[:80]!r}, which was not requested"
            )
        self._zlib: Any = zlib.decompressobj(_DETECT_HEADER) if names else None
        self._started = False
        self._members = 1
        self._trailer = b""  # the first bytes after a complete member

    def decompress(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """Return an iterator over the decompressed content of a body as it arrives.

        Raises:
            MalformedResponseError: The body is not valid compressed data, or is incomplete.
        """
        if self._zlib is None:
            return iter(body)
        return chain(chain.from_iterable(map(self._feed, body)), self._finish())

    def adecompress(self, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        """Return an iterator over the decompressed content of a body; see ``decompress``."""
        return aiter(body) if self._zlib is None else self._adecompress(body)

    async def _adecompress(self, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for data in body:
            for chunk in self._feed(data):
                yield chunk
        for chunk in self._finish():
            yield chunk

    def _feed(self, data: bytes) -> Iterator[bytes]:
        self._started = True
        while data:
            if self._zlib.eof:
                data = self._trailer + data
                if not data.startswith(_GZIP_MAGIC):  # padding, or half of the two bytes
                    self._trailer = data[: len(_GZIP_MAGIC)]
                    return
                self._start_member()
            try:
                chunk = self._zlib.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                raise MalformedResponseError(
                    f"The compressed response body is invalid ({error})"
                ) from None
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail
            if chunk:
                yield chunk

    def _start_member(self) -> None:
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise MalformedResponseError(f"The response body has more than {MAX_MEMBERS} members")
        self._zlib, self._trailer = zlib.decompressobj(_DETECT_HEADER), b""

    def _finish(self) -> Iterator[bytes]:
        if not self._started:
            return
        if remaining := self._zlib.flush():
            yield remaining
        if not self._zlib.eof:
            raise MalformedResponseError("The compressed response body is incomplete")

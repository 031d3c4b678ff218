"""Reading a reply's body with bounds: no reply may cost more memory than its endpoint can need."""

import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Generic, TypeVar

from orq_router_integrations.wire.call import MalformedResponseError

T = TypeVar("T")

ACCEPT_ENCODING = "gzip"
"""What we ask for; more would bring other decoders, and other bombs."""

PIECE = 1024 * 1024
"""Bytes that are unpacked at a time."""

MAX_ERROR_BYTES = 64 * 1024
"""Bytes that are read of an error; its message stands at the beginning."""

_KNOWN = {"gzip", "x-gzip", "deflate"}
_ANY_HEADER = 32 + zlib.MAX_WBITS


class BoundedDecompressor:
    """Undoes the content encoding of a body, a bounded piece at a time.

    Raises:
        BadReply: the body is encoded otherwise than was asked for, or more than once, or wrongly.
    """

    def __init__(self, encoding: str) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        packed = [name for name in names if name not in {"", "identity"}]
        if len(packed) > 1 or not _KNOWN.issuperset(packed):
            raise MalformedResponseError(
                f"the body is encoded as {encoding[:80]}, which was not asked for"
            )
        self._zlib = zlib.decompressobj(_ANY_HEADER) if packed else None
        self._begun = False

    def decompress(self, body: Iterator[bytes]) -> Iterator[bytes]:
        """The content of a body as it comes."""
        return body if self._zlib is None else self._through(body, self._zlib)

    def adecompress(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The content of a body as it comes."""
        return body if self._zlib is None else self._athrough(body, self._zlib)

    def _through(self, body: Iterator[bytes], packed: "zlib._Decompress") -> Iterator[bytes]:
        for data in body:
            yield from self._unpacked(packed, data)
        yield from self._rest(packed)

    async def _athrough(
        self, body: AsyncIterator[bytes], packed: "zlib._Decompress"
    ) -> AsyncIterator[bytes]:
        async for data in body:
            for piece in self._unpacked(packed, data):
                yield piece
        for piece in self._rest(packed):
            yield piece

    def _unpacked(self, unpacker: "zlib._Decompress", data: bytes) -> Iterator[bytes]:
        self._begun = True
        while data:
            try:
                piece = unpacker.decompress(data, PIECE)
            except zlib.error as error:
                raise MalformedResponseError(f"the compressed body is broken ({error})") from None
            data = unpacker.unconsumed_tail
            if piece:
                yield piece

    def _rest(self, unpacker: "zlib._Decompress") -> Iterator[bytes]:
        if not self._begun:
            return
        if rest := unpacker.flush():
            yield rest
        if not unpacker.eof:
            raise MalformedResponseError("the compressed body is cut off")


class BufferedBody(Generic[T]):
    """Reads a body that is one answer, as a ``Decoder`` with a single item.

    Args:
        parse: makes the answer of the body.
        max_bytes: bytes it may have.
        truncate: whether a longer one is cut there; otherwise it is refused.
    """

    done = False
    partial = ""

    def __init__(
        self, parse: Callable[[bytes], T], *, max_bytes: int, truncate: bool = False
    ) -> None:
        self._make = parse
        self._longest = max_bytes
        self._cut = truncate
        self._pieces: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterator[T]:
        """Take bytes; yields an answer only of a body that is cut.

        Raises:
            BadReply: the body is too long.
        """
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._longest:
            if not self._cut:
                raise MalformedResponseError(
                    f"the body is longer than {self._longest // 1024**2} MB",
                    b"".join(self._pieces[:1]),
                )
            self.done = True
            yield from self.finish()

    def finish(self) -> Iterator[T]:
        """The answer."""
        whole, self._pieces = b"".join(self._pieces), []
        yield self._make(whole[: self._longest])

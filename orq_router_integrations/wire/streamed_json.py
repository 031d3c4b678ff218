"""Long base64 texts of a JSON body, which are put in piece by piece while it is sent.

A body that holds a file of 15 MB would else be in memory several times over.
"""

from binascii import b2a_base64
from collections.abc import Iterator
from typing import Any, Self
from uuid import uuid4

import orjson

from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.uploads import iter_upload

MIN_DEFERRED_CHARS = 256 * 1024
"""Characters; texts that are longer are worth it."""

CHUNK_BYTES = 192 * 1024
"""Bytes that are encoded at a time; a multiple of 3."""

PLACEHOLDER_MARK = "to be put in when sent]"


_PLAIN: tuple[type[Any], ...] = (str, int, dict, list)


class DeferredBase64(str):
    """Stands for a base64 text that is not there yet; as a text it only says so.

    It cannot be made by what comes out of JSON, so no message can name a file to be read.

    Attributes:
        source: the base64 text, or the file that it is made of.
        prefix: what comes before it: of a data URL, ``data:`` and the media type.
    """

    source: "str | Upload"
    prefix: str

    __slots__ = ("prefix", "source")

    def __new__(cls, source: "str | Upload", prefix: str = "") -> Self:
        """Stand for a text, or for a file."""
        name = source.filename if isinstance(source, Upload) else "base64"
        made = super().__new__(cls, f"[{name}: {_length(source)} characters {PLACEHOLDER_MARK}")
        made.source, made.prefix = source, prefix
        return made

    def __reduce__(self) -> Any:
        return str, (str(self),)

    def __deepcopy__(self, _: Any) -> Self:
        return self

    @property
    def size(self) -> int:
        """Characters of the whole text."""
        return len(self.prefix) + _length(self.source)

    def iter_chunks(self) -> Iterator[bytes]:
        """The text, piece by piece.

        Raises:
            SourceChangedError: the file cannot be read, or changed its size.
        """
        yield self.prefix.encode()
        if isinstance(self.source, str):
            for start in range(0, len(self.source), MIN_DEFERRED_CHARS):
                yield self.source[start : start + MIN_DEFERRED_CHARS].encode("ascii")
            return
        left = b""
        for piece in iter_upload(self.source, "content", CHUNK_BYTES):
            data = left + piece if left else piece
            whole = len(data) // 3 * 3
            left = data[whole:]
            yield b2a_base64(data[:whole] if left else data, newline=False)
        yield b2a_base64(left, newline=False)


def _length(source: "str | Upload") -> int:
    return len(source) if isinstance(source, str) else (source.size + 2) // 3 * 4


class StreamedJsonBody:
    """A JSON body with texts still to be put in: iterate for its bytes, as often as it is sent."""

    def __init__(self, parts: "list[bytes | DeferredBase64]") -> None:
        self.parts = parts

    @property
    def size(self) -> int:
        """The length of the whole body in bytes."""
        return sum(
            part.size if isinstance(part, DeferredBase64) else len(part) for part in self.parts
        )

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body's bytes, files read as they go."""
        for part in self.parts:
            if isinstance(part, DeferredBase64):
                yield from part.iter_chunks()
            else:
                yield part


def build_json_body(value: Any, data: bytes) -> bytes | StreamedJsonBody:
    """The body for a value, which is ``data`` as JSON, with its ``Inline`` texts to be put in."""
    if PLACEHOLDER_MARK.encode() not in data:
        return data
    holes: list[tuple[bytes, DeferredBase64]] = []

    def plain(found: Any) -> Any:
        if isinstance(found, DeferredBase64):
            name = uuid4().hex
            holes.append((name.encode(), found))
            return name
        for kind in _PLAIN:
            if isinstance(found, kind):
                return kind(found)
        raise TypeError

    rest = orjson.dumps(value, default=plain, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
    parts: list[bytes | DeferredBase64] = []
    for name, text in holes:
        before, _, rest = rest.partition(name)
        parts += [before, text]
    return StreamedJsonBody([*parts, rest])

"""Views of file contents that read or decode only the slices that are used."""

import base64
from typing import BinaryIO, Protocol


class Sliceable(Protocol):
    """Bytes, or an object whose slices are bytes."""

    def __getitem__(self, part: slice, /) -> bytes:
        """Return some of the bytes."""
        ...


class Base64View:
    """A bytes-like view of base64 text. Slicing decodes only the slice."""

    __slots__ = ("_size", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._size = max(0, len(text) // 4 * 3 - text[-2:].count("="))

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(self._size)
        if stop <= start:
            return b""
        first_group = start // 3  # 4 characters encode a group of 3 bytes
        try:
            decoded = base64.b64decode(self._text[first_group * 4 : -(-stop // 3) * 4])
        except ValueError:  # the text is not base64
            return b""
        return decoded[start - first_group * 3 : stop - first_group * 3]


class FileView:
    """A view of a seekable stream. Slicing reads only the slice; both ends must be set."""

    __slots__ = ("_stream",)

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __getitem__(self, part: slice, /) -> bytes:
        start = part.start or 0
        self._stream.seek(start)
        return self._stream.read(part.stop - start)

"""Multipart bodies: controls as JSON parts, files streamed from where they lie.

Generic clients flatten objects into bracketed keys (``retry[count]``), which no source says the
router reads (contract section 4.6). Here an object is one part that holds its JSON.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.uploads import iter_upload

CHUNK_BYTES = 192 * 1024
MAX_DIGEST_BYTES = 1024 * 1024

_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its name, its content, and the headers that the content needs."""

    name: str
    content: bytes | Upload
    content_type: str = ""

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.content.size if isinstance(self.content, Upload) else len(self.content)

    @property
    def headers(self) -> bytes:
        """The part's headers, with the blank line that ends them."""
        disposition = f'Content-Disposition: form-data; name="{self.name.translate(_ESCAPES)}"'
        if isinstance(self.content, Upload):
            disposition += f'; filename="{self.content.filename.translate(_ESCAPES)}"'
        media_type = self.content_type.translate(_ESCAPES)
        kind = f"\r\nContent-Type: {media_type}" if media_type else ""
        return f"{disposition}{kind}\r\n\r\n".encode("utf-8", "replace")

    def iter_content(self) -> Iterator[bytes]:
        """The content, piece by piece.

        Raises:
            SourceChangedError: a file cannot be read, or changed its size.
        """
        if isinstance(self.content, bytes):
            yield self.content
        else:
            yield from iter_upload(self.content, self.name, CHUNK_BYTES)


class MultipartBody:
    """A multipart body: iterate for its bytes, as often as it is to be sent.

    Attributes:
        boundary: derived from the content, so that recorded requests match when replayed. Only
            where files are too large for that (and no cassette holds them) is it random; in
            neither case can the writer of a file know it beforehand and end a part with it.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self.boundary = f"orq-{self._digest()}"

    def _digest(self) -> str:
        digest = blake2b(digest_size=16)
        if sum(part.size for part in self.parts) > MAX_DIGEST_BYTES:
            digest.update(os.urandom(16))
        else:
            for part in self.parts:
                digest.update(part.headers)
                for chunk in part.iter_content():
                    digest.update(chunk)
        return digest.hexdigest()

    @property
    def content_type(self) -> str:
        """The value of the Content-Type header."""
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def size(self) -> int:
        """The length of the whole body in bytes."""
        frame = len(self.boundary) + 6  # two dashes before it, two line ends; two dashes at the end
        return sum(frame + len(part.headers) + part.size for part in self.parts) + frame

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body's bytes, files read as they go."""
        edge = f"--{self.boundary}".encode()
        for part in self.parts:
            yield edge + b"\r\n" + part.headers
            yield from part.iter_content()
            yield b"\r\n"
        yield edge + b"--\r\n"


def build_multipart_body(
    fields: Mapping[str, Any], files: Mapping[str, Upload | Sequence[Upload]]
) -> MultipartBody:
    """The form for these fields and files, in that order.

    Text, numbers and booleans become plain parts; objects, and lists that hold objects, one part
    of JSON; lists of plain values, and several files under one name, repeated ``name[]`` parts.
    """
    parts = [part for name, value in fields.items() for part in _field(name, value)]
    parts += [part for name, value in files.items() for part in _files(name, value)]
    return MultipartBody(parts)


def _field(name: str, value: Any) -> Iterator[Part]:
    if value is None:
        return
    if isinstance(value, Mapping) or _holds_more(value):
        yield Part(name, json.dumps(value, name), "application/json")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield Part(f"{name}[]", _plain(item, f"{name}[{index}]"))
    else:
        yield Part(name, _plain(value, name))


def _holds_more(value: Any) -> bool:
    """Whether a list holds objects or lists, not plain values only."""
    many = (Mapping, list, tuple)
    return isinstance(value, (list, tuple)) and any(isinstance(item, many) for item in value)


def _plain(value: Any, path: str) -> bytes:
    """A text as it is; a number or boolean as JSON writes it."""
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"{path}: {type(value).__name__} cannot be sent in a form")
    data = json.dumps(value, path)
    return value.encode() if isinstance(value, str) else data


def _files(name: str, value: Upload | Sequence[Upload]) -> Iterator[Part]:
    if isinstance(value, Upload):
        yield Part(name, value, value.mime_type)
    elif len(value) == 1:
        yield Part(name, value[0], value[0].mime_type)
    else:
        for upload in value:
            yield Part(f"{name}[]", upload, upload.mime_type)

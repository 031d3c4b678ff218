"""Multipart request bodies that stream their files.

Generic HTTP clients flatten nested values into bracketed keys such as ``retry[count]``, which the
router does not document. Here a nested value is a single part that contains JSON.
"""

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import Upload, UploadReadError

CHUNK_BYTES = 192 * 1024
MAX_DIGEST_BYTES = 1024 * 1024  # up to which the boundary is derived from the content

_CONTAINERS = (Mapping, list, tuple)
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A"})


def iter_upload(upload: Upload, field_name: str, chunk_bytes: int) -> Generator[bytes]:
    """Read a file in chunks, and check that its size has not changed.

    The name of the request field is used in error messages.
    """
    sent_bytes = 0
    try:
        with upload.open() as stream:
            while chunk := stream.read(chunk_bytes):
                sent_bytes += len(chunk)
                if sent_bytes > upload.size:
                    break
                yield chunk
    except OSError as error:
        raise UploadReadError(f"{field_name}: Cannot read {upload.filename}: {error}") from None
    if sent_bytes != upload.size:
        raise UploadReadError(
            f"{field_name}: {upload.filename} changed during the upload. Send it again."
        )


class StreamedContent(Protocol):
    """A part of a body that is read while the body is sent."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    def iter_chunks(self) -> Iterator[bytes]:
        """Read the content in chunks."""


class StreamedBody:
    """A request body whose files are read while it is sent. It can be iterated several times."""

    def __init__(self, content_type: str, segments: Iterable[bytes | StreamedContent]) -> None:
        self.content_type = content_type
        self._segments = tuple(segments)

    @property
    def size(self) -> int:
        return sum(len(item) if isinstance(item, bytes) else item.size for item in self._segments)

    @property
    def digest_input(self) -> bytes:
        """The body with sizes instead of the contents that are read while it is sent."""
        return b"".join(
            item if isinstance(item, bytes) else b"%d" % item.size for item in self._segments
        )

    def __iter__(self) -> Iterator[bytes]:
        for item in self._segments:
            if isinstance(item, bytes):
                yield item
            else:
                yield from item.iter_chunks()


@dataclass(frozen=True, slots=True)
class Part:
    name: str
    content: bytes | Upload
    content_type: str = ""

    @property
    def size(self) -> int:
        return self.content.size if isinstance(self.content, Upload) else len(self.content)

    @property
    def headers(self) -> bytes:
        headers = f'Content-Disposition: form-data; name="{self.name.translate(_ESCAPES)}"'
        if isinstance(self.content, Upload):
            headers += f'; filename="{self.content.filename.translate(_ESCAPES)}"'
        if content_type := self.content_type.translate(_ESCAPES):
            headers += f"\r\nContent-Type: {content_type}"
        return f"{headers}\r\n\r\n".encode("utf-8", "replace")

    def iter_chunks(self) -> Iterator[bytes]:
        if isinstance(self.content, bytes):
            yield self.content
        else:
            yield from iter_upload(self.content, self.name, CHUNK_BYTES)


class MultipartBody(StreamedBody):
    """A form. It reads its files each time it is iterated.

    The boundary between parts is a digest of the content, so that recorded requests match when
    they are replayed. For content above ``MAX_DIGEST_BYTES`` it is random. In both cases the
    author of a file cannot predict it and inject a part.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self.boundary = f"orq-{self._compute_digest()}"
        delimiter = f"--{self.boundary}".encode()
        segments: list[bytes | StreamedContent] = []
        for part in self.parts:
            content = part.content if isinstance(part.content, bytes) else part
            segments += [delimiter + b"\r\n" + part.headers, content, b"\r\n"]
        content_type = f"multipart/form-data; boundary={self.boundary}"
        super().__init__(content_type, [*segments, delimiter + b"--\r\n"])

    def _compute_digest(self) -> str:
        digest = blake2b(digest_size=16)
        if sum(part.size for part in self.parts) > MAX_DIGEST_BYTES:
            digest.update(os.urandom(16))
        else:
            for part in self.parts:
                digest.update(part.headers)
                for chunk in part.iter_chunks():
                    digest.update(chunk)
        return digest.hexdigest()

    @property
    def digest_input(self) -> bytes:
        """The body without the contents of files and the boundary, which may be random."""
        return super().digest_input.replace(self.boundary.encode(), b"")


def build_multipart_body(
    fields: Mapping[str, Any], files: Mapping[str, Upload | Sequence[Upload]]
) -> MultipartBody:
    """Build a multipart body from form fields and files.

    Strings, numbers and booleans become plain parts. Objects, and lists that contain objects or
    lists, become one part with JSON. Lists of plain values, and several files of one field, become
    repeated ``name[]`` parts. Fields that are ``None`` are left out.
    """
    parts: list[Part] = []
    for name, value in fields.items():
        items = value if isinstance(value, (list, tuple)) else ()
        if isinstance(value, Mapping) or any(isinstance(item, _CONTAINERS) for item in items):
            parts.append(Part(name, json.dumps(value, name), "application/json"))
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                parts.append(Part(f"{name}[]", _encode_scalar(item, f"{name}[{index}]")))
        elif value is not None:
            parts.append(Part(name, _encode_scalar(value, name)))
    for name, value in files.items():
        uploads = [value] if isinstance(value, Upload) else value
        part_name = name if len(uploads) == 1 else f"{name}[]"
        parts += [Part(part_name, upload, upload.mime_type) for upload in uploads]
    return MultipartBody(parts)


def _encode_scalar(value: Any, path: str) -> bytes:
    if not isinstance(value, (str, int, float)):
        raise ValueError(
            f"{path}: {type(value).__name__} cannot be sent in a form. Use a str, number or bool."
        )
    data = json.dumps(value, path)  # rejects lone surrogates and NaN
    return value.encode() if isinstance(value, str) else data

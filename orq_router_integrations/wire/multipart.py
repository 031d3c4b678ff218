"""Multipart request bodies that stream their files.

Generic HTTP clients flatten nested values into bracketed keys such as ``retry[count]``, which the
router does not document. Here a nested value is a single part that contains JSON.
"""

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

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

    def iter_content(self) -> Iterator[bytes]:
        if isinstance(self.content, bytes):
            yield self.content
        else:
            yield from iter_upload(self.content, self.name, CHUNK_BYTES)


class MultipartBody:
    """A multipart body. It can be iterated several times, and reads its files each time.

    The boundary between parts is a digest of the content, so that recorded requests match when
    they are replayed. For content above ``MAX_DIGEST_BYTES`` it is random. In both cases the
    author of a file cannot predict it and inject a part.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self.boundary = f"orq-{self._compute_digest()}"

    def _compute_digest(self) -> str:
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
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def size(self) -> int:
        # Each part has a delimiter ("--boundary\r\n") and a final "\r\n". The body ends with
        # "--boundary--\r\n". All of these need the same number of bytes.
        overhead = len(self.boundary) + 6
        return sum(overhead + len(part.headers) + part.size for part in self.parts) + overhead

    @property
    def outline(self) -> bytes:
        """The body without the contents of files."""
        return b"".join(
            part.headers + (part.content if isinstance(part.content, bytes) else b"%d" % part.size)
            for part in self.parts
        )

    def __iter__(self) -> Iterator[bytes]:
        delimiter = f"--{self.boundary}".encode()
        for part in self.parts:
            yield delimiter + b"\r\n" + part.headers
            yield from part.iter_content()
            yield b"\r\n"
        yield delimiter + b"--\r\n"


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

"""Multipart request bodies that stream their files.

Generic HTTP clients flatten nested values into bracketed keys such as ``retry[count]``, which the
router does not document. Here a nested value is a single part that contains JSON.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from secrets import token_hex
from typing import Any

from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import DeferredBase64, Upload

MAX_DIGEST_BYTES = 1024 * 1024  # the boundary of larger content is random

_CONTAINERS = (Mapping, list, tuple)
_ESCAPES = str.maketrans({'"': "%22", "\r": "%0D", "\n": "%0A", "\0": "%00"})


@dataclass(frozen=True, slots=True)
class StreamedBody:
    """A request body whose files are read while it is sent. It can be iterated several times."""

    content_type: str
    segments: Sequence[bytes | Upload | DeferredBase64]
    boundary: str = ""

    @property
    def size(self) -> int:
        return sum(len(item) if isinstance(item, bytes) else item.size for item in self.segments)

    @property
    def digest_input(self) -> bytes:
        """The body with the sizes of files instead of their contents, and without the boundary."""
        inputs = (item if isinstance(item, bytes) else b"%d" % item.size for item in self.segments)
        return b"".join(inputs).replace(self.boundary.encode(), b"")

    def __iter__(self) -> Iterator[bytes]:
        for item in self.segments:
            yield from [item] if isinstance(item, bytes) else item.iter_chunks()


def build_multipart_body(
    fields: Mapping[str, Any], files: Mapping[str, Upload | Sequence[Upload]]
) -> StreamedBody:
    """Build a multipart body from form fields and files; see ``iter_parts``."""
    parts: list[tuple[bytes, bytes | Upload]] = []  # headers and content
    for name, content, mime_type in iter_parts(fields, files):
        headers = f'Content-Disposition: form-data; name="{name.translate(_ESCAPES)}"'
        if isinstance(content, Upload):
            headers += f'; filename="{content.filename.translate(_ESCAPES)}"'
        if mime_type:
            headers += f"\r\nContent-Type: {mime_type.translate(_ESCAPES)}"
        parts.append((f"{headers}\r\n\r\n".encode("utf-8", "replace"), content))
    boundary = _compute_boundary(StreamedBody("", [*chain.from_iterable(parts)]))
    delimiter = f"--{boundary}".encode()
    segments: list[bytes | Upload | DeferredBase64] = []
    for headers_data, content in parts:
        segments += [delimiter + b"\r\n" + headers_data, content, b"\r\n"]
    segments.append(delimiter + b"--\r\n")
    return StreamedBody(f"multipart/form-data; boundary={boundary}", segments, boundary)


def _compute_boundary(content: StreamedBody) -> str:
    """Derive the boundary from the content, so that recorded requests match when they are replayed.

    Large content gets a random boundary. The author of a file cannot predict either of them, and so
    cannot inject a part.
    """
    if content.size > MAX_DIGEST_BYTES:
        return f"orq-{token_hex(16)}"
    digest = blake2b(digest_size=16)
    for chunk in content:
        digest.update(chunk)
    return f"orq-{digest.hexdigest()}"


def iter_parts(
    fields: Mapping[str, Any], files: Mapping[str, Upload | Sequence[Upload]]
) -> Iterator[tuple[str, bytes | Upload, str]]:
    """Yield name, content and MIME type of the parts of a form.

    Strings, numbers and booleans become plain parts. Objects, and lists that contain objects or
    lists, become one part with JSON. Lists of plain values, and several files of one field, become
    repeated ``name[]`` parts. Fields that are ``None`` are left out.
    """
    for name, value in fields.items():
        items = value if isinstance(value, (list, tuple)) else ()
        if isinstance(value, Mapping) or any(isinstance(item, _CONTAINERS) for item in items):
            yield name, json.dumps(value, name), "application/json"
        elif isinstance(value, (list, tuple)):
            for index, item in enumerate(value):
                yield f"{name}[]", _encode_scalar(item, f"{name}[{index}]"), ""
        elif value is not None:
            yield name, _encode_scalar(value, name), ""
    for name, value in files.items():
        uploads = [value] if isinstance(value, Upload) else value
        for upload in uploads:
            yield name if len(uploads) == 1 else f"{name}[]", upload, upload.mime_type


def _encode_scalar(value: Any, path: str) -> bytes:
    data = json.dumps(value, path)  # rejects lone surrogates, NaN, and what is not JSON
    return value.encode() if isinstance(value, str) else data

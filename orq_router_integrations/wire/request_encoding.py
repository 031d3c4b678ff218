"""Encode the path, headers and body of a request.

Large base64 strings of a JSON body are encoded while the body is sent. Otherwise a 15 MB file would
be in memory several times.
"""

from binascii import b2a_base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import Request, Upload
from orq_router_integrations.wire.control_placement import filter_defaults, place_controls
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Dialect, Endpoint
from orq_router_integrations.wire.multipart import (
    CHUNK_BYTES,
    MultipartBody,
    build_multipart_body,
    iter_upload,
)

MIN_DEFERRED_CHARS = 256 * 1024  # shorter base64 strings are sent as they are

PLACEHOLDER_MARK = "inserted when the request is sent]"
"""End of the text that a ``DeferredBase64`` shows instead of its content."""


class DeferredBase64(str):
    """A string in a JSON body whose content is inserted while the body is sent.

    As a str it is only a placeholder. It cannot be created by parsing JSON, so untrusted input
    cannot make the client read a file.
    """

    source: str | Upload  # the base64 string, or the file to encode
    prefix: str  # text that precedes it, such as ``data:image/png;base64,``

    __slots__ = ("prefix", "source")

    def __new__(cls, source: str | Upload, prefix: str = "") -> Self:
        """Create a placeholder for a base64 string or a file."""
        name = source.filename if isinstance(source, Upload) else "base64"
        length = _count_base64_chars(source)
        self = super().__new__(cls, f"[{name}: {length} characters {PLACEHOLDER_MARK}")
        self.source, self.prefix = source, prefix
        return self

    def __reduce__(self) -> Any:
        return str, (str(self),)

    def __deepcopy__(self, _: Any) -> Self:
        return self

    @property
    def size(self) -> int:
        """Length of the content in bytes, including the prefix."""
        return len(self.prefix) + _count_base64_chars(self.source)

    def iter_chunks(self) -> Iterator[bytes]:
        """Yield the content in chunks."""
        yield self.prefix.encode()
        if isinstance(self.source, str):
            for start in range(0, len(self.source), MIN_DEFERRED_CHARS):
                yield self.source[start : start + MIN_DEFERRED_CHARS].encode("ascii")
            return
        pending = b""  # bytes of an incomplete group of three
        for chunk in iter_upload(self.source, "content", CHUNK_BYTES):
            data = pending + chunk if pending else chunk
            end = len(data) // 3 * 3
            pending = data[end:]
            yield b2a_base64(data[:end] if pending else data, newline=False)
        yield b2a_base64(pending, newline=False)


def _count_base64_chars(source: str | Upload) -> int:
    return len(source) if isinstance(source, str) else (source.size + 2) // 3 * 4


class StreamedJsonBody:
    """A JSON body with deferred strings. It can be iterated several times."""

    def __init__(self, parts: list[bytes | DeferredBase64]) -> None:
        self.parts = parts

    @property
    def size(self) -> int:
        """Size of the body in bytes."""
        return sum(
            part.size if isinstance(part, DeferredBase64) else len(part) for part in self.parts
        )

    def __iter__(self) -> Iterator[bytes]:
        """Yield the body in chunks."""
        for part in self.parts:
            if isinstance(part, DeferredBase64):
                yield from part.iter_chunks()
            else:
                yield part


def build_json_body(value: Any) -> bytes | StreamedJsonBody:
    """Serialize a value, which may contain ``DeferredBase64`` strings, as a JSON body."""
    data = json.dumps(value)
    if PLACEHOLDER_MARK.encode() not in data:
        return data
    deferred: dict[bytes, DeferredBase64] = {}

    def insert_markers(item: Any) -> Any:
        if isinstance(item, DeferredBase64):
            marker = uuid4().hex
            deferred[marker.encode()] = item
            return marker
        if isinstance(item, Mapping):
            return {key: insert_markers(child) for key, child in item.items()}
        if isinstance(item, (list, tuple)):
            return [insert_markers(child) for child in item]
        return item

    # Serialize again with a unique marker for each deferred string, then split at the markers.
    tail = json.dumps(insert_markers(value))
    parts: list[bytes | DeferredBase64] = []
    for marker, item in deferred.items():
        before, _, tail = tail.partition(marker)
        parts += [before, item]
    return StreamedJsonBody([*parts, tail])


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """A request that is ready to be sent, several times if necessary."""

    method: str
    path: str  # below the base URL
    headers: dict[str, str]  # those of the body and the controls; the client adds others
    body: bytes | MultipartBody | StreamedJsonBody
    controls: RouterControls  # including defaults


def encode_request(
    request: Request, dialect: Dialect, defaults: RouterControls | None = None
) -> EncodedRequest:
    """Encode a request for a base URL.

    The endpoint must support all controls of the request. ``defaults`` are applied as far as the
    endpoint supports them.
    """
    endpoint, path = request.endpoint, _build_path(request, dialect)
    if endpoint.method == "GET":
        return EncodedRequest("GET", path, {}, b"", RouterControls())
    controls = filter_defaults(defaults or RouterControls(), endpoint, dialect)
    controls = controls.merge(request.controls)
    control_fields, control_headers = place_controls(controls, endpoint, dialect)
    if duplicates := sorted(control_fields.keys() & request.body.keys()):
        raise ValueError(
            f"{duplicates[0]}: Set in the body and in the controls. Remove one of the two."
        )
    fields = {**request.body, **control_fields}
    body: bytes | MultipartBody | StreamedJsonBody
    if endpoint.multipart:
        body = build_multipart_body(fields, request.files)
        headers = {"Content-Type": body.content_type, "Content-Length": str(body.size)}
    elif request.files:
        raise ValueError(f"files: {endpoint.path} does not accept files. Send JSON fields only.")
    else:
        body = build_json_body(fields)
        headers = {"Content-Type": "application/json"}
        if isinstance(body, StreamedJsonBody):
            headers["Content-Length"] = str(body.size)
    return EncodedRequest("POST", path, control_headers | headers, body, controls)


def check_dialect(endpoint: Endpoint, dialect: Dialect) -> None:
    """Raise a ``ValueError`` if an API version does not have an endpoint."""
    if dialect not in endpoint.dialects:
        supported = " or ".join(sorted(item.value for item in endpoint.dialects))
        raise ValueError(
            f"base_url: {endpoint.path} is not available under {dialect.value}. "
            f"Use a base URL that ends in /{supported}."
        )


def _build_path(request: Request, dialect: Dialect) -> str:
    endpoint = request.endpoint
    check_dialect(endpoint, dialect)
    if not request.resource_id:
        return endpoint.path
    resource_id = quote(request.resource_id, safe="")
    if "{id}" in endpoint.path:
        return endpoint.path.replace("{id}", resource_id)
    return f"{endpoint.path}/{resource_id}"

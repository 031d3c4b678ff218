"""Requests to the router and their responses as plain values.

The chat model, tools and loaders describe a call, and the client sends it. Each call contains the
function that parses its response, so the two sides are independent. Files and long base64 strings
are read while the request is sent.
"""

import threading
import time
from binascii import b2a_base64
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, BinaryIO, Generic, Protocol, Self, TypeVar

from typing_extensions import Generator

from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Endpoint
from orq_router_integrations.wire.json import loads

CHUNK_BYTES = 192 * 1024  # bytes of a file to read at a time
MAX_ERROR_BYTES = 64 * 1024  # bytes of a response that are kept to describe an error
MIN_DEFERRED_CHARS = 256 * 1024  # shorter base64 strings are sent as they are

PLACEHOLDER_MARK = "inserted when the request is sent]"
"""End of the text that a ``DeferredBase64`` shows instead of its content."""


class IdempotencySeed:
    """Derives reproducible Idempotency-Keys from a string, which must cover the contents of files.

    Identical requests are numbered. Otherwise, a router that honors the keys would answer the
    second one with its first answer, although a chain may ask a model twice on purpose.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def create_key(self, request: bytes) -> str:
        digest = blake2b(request, digest_size=16).hexdigest()
        with self._lock:
            self._counts[digest] += 1
            number = self._counts[digest]
        return blake2b(f"{self._text} {digest} {number}".encode(), digest_size=16).hexdigest()


IDEMPOTENCY_SEED: ContextVar[IdempotencySeed | None] = ContextVar("idempotency_seed", default=None)
"""Makes the Idempotency-Keys of requests reproducible. By default, each call has a random key."""

Query = Mapping[str, str | tuple[str, ...]]
"""Query parameters, each with one or several values."""

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class WireError(Exception):
    """Base of the internal errors that the client converts to the public ones in ``errors``."""


class MalformedResponseError(WireError):
    """A response that is incomplete or does not have the documented format."""

    def __init__(self, message: str, body: bytes = b"") -> None:
        super().__init__(message)
        self.body = body  # shown in the public error instead of the response body, if set


class EmbeddedError(WireError):
    """An error object in a response with status 200 or in the middle of a stream."""

    def __init__(self, body: bytes) -> None:
        super().__init__("the response contains an error")
        self.body = body


class TruncatedStreamError(WireError):
    """A stream that ended before its end marker."""


class UploadReadError(WireError, ValueError):
    """A file to upload that cannot be read, or whose size changed since it was opened."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response from the router."""

    status: int
    headers: Mapping[str, str]  # names are in lower case
    content: bytes = b""  # empty while a stream is being received
    attempts: int = 1  # number of requests sent for this call, including the one that was answered
    started_at: float | None = None  # monotonic time of the first request in seconds

    @property
    def trace_id(self) -> str | None:
        return self.headers.get("x-orq-trace-id")

    @property
    def is_offline(self) -> bool:
        return self.headers.get("x-orq-offline") == "1"

    @property
    def elapsed_seconds(self) -> float:
        return 0.0 if self.started_at is None else time.monotonic() - self.started_at

    @property
    def content_type(self) -> str:
        """The MIME type of the body without parameters. Empty if the header is missing."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json_object(self) -> dict[str, Any]:
        return parse_json_object(self.content, self.content)


def parse_json_object(data: bytes, error_body: bytes) -> dict[str, Any]:
    """Parse a JSON object that is not an error; exceptions show ``error_body``."""
    try:
        body = loads(data)
    except ValueError as error:
        raise MalformedResponseError(f"the response is not JSON ({error})", error_body) from None
    raise_for_error(body, error_body)
    if not isinstance(body, dict):
        message = f"expected a JSON object, got {type(body).__name__}"
        raise MalformedResponseError(message, error_body)
    return body


def get_array(body: Mapping[str, Any], name: str) -> list[Any]:
    """Return a field of a response body that must be an array."""
    value = body.get(name)
    if not isinstance(value, list):
        raise MalformedResponseError(f"{name!r} must be an array, not {type(value).__name__}")
    return value


def raise_for_error(body: Any, content: bytes) -> None:
    """Raise ``EmbeddedError`` if a parsed response body or stream event is an error object.

    The router may send errors with status 200, as ``{"error": ...}`` or as a flat object with
    ``code`` and ``message``.
    """
    if isinstance(body, dict):
        is_flat_error = (
            "code" in body and "choices" not in body and isinstance(body.get("message"), str)
        )
        if is_flat_error or body.get("error"):
            raise EmbeddedError(content)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to upload.

    ``open`` returns a new binary stream positioned at the first byte. It is called once per
    attempt, so that a retry uploads the complete file.
    """

    filename: str
    mime_type: str
    size: int  # in bytes
    open: Callable[[], BinaryIO] = field(repr=False)

    def iter_chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Generator[bytes]:
        """Read the file in chunks, and check that its size has not changed."""
        sent_bytes = 0
        try:
            with self.open() as stream:
                while chunk := stream.read(chunk_bytes):
                    sent_bytes += len(chunk)
                    if sent_bytes > self.size:
                        break
                    yield chunk
        except OSError as error:
            raise UploadReadError(f"Cannot read {self.filename}: {error}") from None
        if sent_bytes != self.size:
            raise UploadReadError(f"{self.filename} changed during the upload. Send it again.")


class DeferredBase64(str):
    """Base64 that is inserted into a JSON body, or encoded from a file, while the body is sent.

    Otherwise a 15 MB file would be in memory several times. As a str it is only a placeholder. It
    cannot be created by parsing JSON, so untrusted input cannot make the client read a file. Caches
    of answers only see the placeholder, so it contains the ``version`` of the file.
    """

    source: str | Upload  # the base64 string, or the file to encode
    prefix: str  # text that precedes it, such as ``data:image/png;base64,``

    __slots__ = ("prefix", "source")

    def __new__(cls, source: str | Upload, prefix: str = "", version: str = "") -> Self:
        name = source.filename if isinstance(source, Upload) else "base64"
        name += f" ({version})" if version else ""
        length = _count_base64_chars(source)
        self = super().__new__(cls, f"[{name}: {length} characters {PLACEHOLDER_MARK}")
        self.source, self.prefix = source, prefix
        return self

    def __reduce__(self) -> Any:
        return str, (str(self),)  # a pickle does not contain the file

    def __deepcopy__(self, _: Any) -> Self:
        return self

    @property
    def size(self) -> int:
        return len(self.prefix) + _count_base64_chars(self.source)

    def iter_chunks(self) -> Iterator[bytes]:
        yield self.prefix.encode()
        if isinstance(self.source, str):
            for start in range(0, len(self.source), MIN_DEFERRED_CHARS):
                yield self.source[start : start + MIN_DEFERRED_CHARS].encode("ascii")
            return
        pending = b""  # bytes of an incomplete group of three
        for chunk in self.source.iter_chunks():
            data = pending + chunk
            end = len(data) // 3 * 3
            pending = data[end:]
            yield b2a_base64(data[:end], newline=False)
        yield b2a_base64(pending, newline=False)


def _count_base64_chars(source: str | Upload) -> int:
    return len(source) if isinstance(source, str) else (source.size + 2) // 3 * 4


class StreamDecoder(Protocol[T_co]):
    """Decodes one streamed response. An instance must not be used for a second stream."""

    @property
    def done(self) -> bool:
        """Whether the end marker was received. The client stops reading then."""

    @property
    def partial(self) -> str:
        """The text received so far. It is attached to the error if the stream breaks off."""

    def feed(self, data: bytes) -> Iterable[T_co]:
        """Decode the next bytes, which may be cut anywhere, and yield completed items."""

    def finish(self) -> Iterable[T_co]:
        """Yield the remaining items, or raise ``TruncatedStreamError``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The part of a call that describes the request.

    Sending fails if the endpoint does not support one of the controls.
    """

    endpoint: Endpoint
    body: Mapping[str, Any]  # JSON fields, or form fields if the endpoint expects a form
    resource_id: str = ""  # inserted into the path of the endpoint
    query: Query = field(default_factory=dict)
    files: Mapping[str, Upload | Sequence[Upload]] = field(default_factory=dict)  # by form field
    controls: RouterControls | None = None
    # Whether to send the request again if the router may already have processed (and billed) it
    retry_ambiguous: bool = True
    idempotency_seed: str | None = None  # overrides IDEMPOTENCY_SEED


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Request, Generic[T]):
    """A call whose response is received completely before ``parse`` converts it to the result."""

    parse: Callable[[Response], T]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCall(Request, Generic[T]):
    """A call whose response is decoded while it is received.

    ``create_decoder`` is called with status and headers, once per successful response.
    """

    create_decoder: Callable[[Response], StreamDecoder[T]]
    deadline_covers_stream: bool = False
    """Whether the deadline covers the whole stream, not only the wait for its first item."""

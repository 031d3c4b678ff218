"""A call to the router as a value: what to send, and how to read what comes back.

Faces (chat model, tools, loaders) describe a call; the client carries it. Neither asks how the
other does its part: the call brings its own ``parse`` (or, for a stream, its own ``decoder``).
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Endpoint
from orq_router_integrations.wire.json import loads

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class WireError(Exception):
    """A reply that cannot be read. The client turns it into a typed error of ``errors``."""


class MalformedResponseError(WireError):
    """A reply that lacks something essential, or is not what the contract says.

    Attributes:
        body: the bytes in question, where they are not those of the reply.
    """

    def __init__(self, message: str, body: bytes = b"") -> None:
        super().__init__(message)
        self.body = body


class EmbeddedError(WireError):
    """An error where an answer should be: inside a 200, or inside a stream.

    Attributes:
        body: the bytes of the error, or of what holds it.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__("the reply carries an error")
        self.body = body


class TruncatedStreamError(WireError):
    """A stream that ended before it said that it was done."""


class UploadReadError(WireError, ValueError):
    """A file that was to be sent has not the size that it had."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back: status, headers (names in lower case), body, and how the call went.

    Attributes:
        status: HTTP status.
        headers: response headers, names in lower case.
        content: the body; empty for the head of a stream.
        attempts: how many requests the client sent for this call, this one included.
        started: when the first request of the call went out, on the monotonic clock.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes = b""
    attempts: int = 1
    started_at: float | None = None

    @property
    def trace_id(self) -> str | None:
        """The router's trace (header ``x-orq-trace-id``; seen live by the vendor's workshop)."""
        return self.headers.get("x-orq-trace-id")

    @property
    def elapsed_seconds(self) -> float:
        """Seconds since the first request of the call."""
        return 0.0 if self.started_at is None else time.monotonic() - self.started_at

    @property
    def content_type(self) -> str:
        """The media type of the body, without parameters; empty when the router named none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            BadReply: the body is not JSON.
        """
        try:
            return loads(self.content)
        except ValueError as error:
            raise MalformedResponseError(f"the body is not JSON ({error})") from None


@dataclass(frozen=True, slots=True)
class Upload:
    """A file to send as a part of a multipart body.

    Attributes:
        filename: name given to the router.
        mime_type: media type of the part.
        size: number of bytes.
        open: returns a new readable stream at the first byte, each time it is called, so that a
            retried upload starts over.
    """

    filename: str
    mime_type: str
    size: int
    open: Callable[[], BinaryIO] = field(repr=False)


class StreamDecoder(Protocol[T_co]):
    """Reads one stream: bytes in, items out. Holds the state of that one stream only."""

    @property
    def done(self) -> bool:
        """Whether the stream said that it is complete; nothing more is read then."""

    @property
    def partial(self) -> str:
        """The text received so far, for the error that a broken stream raises."""

    def feed(self, data: bytes) -> Iterable[T_co]:
        """Take bytes as they arrive, cut anywhere, and yield the items they complete."""

    def finish(self) -> Iterable[T_co]:
        """Called once at the end of the stream; yields what is left.

        Raises:
            Truncated: the stream is not complete.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is common to whole and streamed calls.

    Attributes:
        endpoint: which of the router's endpoints.
        body: JSON members, or form fields where the endpoint takes a form.
        resource: the id of what is asked for, behind the endpoint's path.
        files: form parts that hold files, by field name.
        controls: the router's controls for this call; refused where the endpoint takes them not.
        timeout: seconds between two reads; ``None`` derives it from the controls.
        repeatable: whether to send again when it is unknown if the router did the work
            (request sent, no status received). False for what is billed by the piece.
    """

    endpoint: Endpoint
    body: Mapping[str, Any]
    resource_id: str = ""
    files: Mapping[str, Upload | Sequence[Upload]] = field(default_factory=dict)
    controls: RouterControls | None = None
    timeout: float | None = None
    retry_ambiguous: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Request, Generic[T]):
    """A call that is answered in one piece; ``parse`` makes the answer of the reply."""

    parse: Callable[[Response], T]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamCall(Request, Generic[T]):
    """A call that is answered in a stream; ``decoder`` makes the reader of one stream.

    It is given the head of the reply (no body) and called once for each attempt.
    """

    create_decoder: Callable[[Response], StreamDecoder[T]]

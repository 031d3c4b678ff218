"""State of one call across its attempts: the request to send and the reader of the response."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import httpx

from orq_router_integrations._http.auth import aget_api_key, get_api_key
from orq_router_integrations._http.client_state import ClientState
from orq_router_integrations._http.deadline import Deadline, create_limits
from orq_router_integrations._http.decompression import BoundedDecompressor
from orq_router_integrations._http.pace import Pace, Pacer
from orq_router_integrations._version import __version__
from orq_router_integrations.errors import create_error
from orq_router_integrations.settings import RouterSettings
from orq_router_integrations.wire.arguments import warn_caller
from orq_router_integrations.wire.call import (
    IDEMPOTENCY_SEED,
    MAX_ERROR_BYTES,
    Call,
    IdempotencySeed,
    MalformedResponseError,
    Response,
    StreamCall,
    StreamDecoder,
)
from orq_router_integrations.wire.error_response import parse_retry_after, redact
from orq_router_integrations.wire.request_encoding import EncodedRequest

if TYPE_CHECKING:
    from orq_router_integrations._http.telemetry import CallSpan

T = TypeVar("T")

MAX_RETRY_AFTER_SECONDS = 60.0
"""Longest wait before a retry. If the router asks for a longer one, the error is raised."""

ACCEPT_ENCODING = "gzip"
"""The only compression requested. Another one would need a decoder with bounded output."""


class BufferedBody(Generic[T]):
    """A decoder that collects the complete body, up to a maximum size, and yields a single item."""

    def __init__(self, parse: Callable[[bytes], T], *, max_bytes: int) -> None:
        self._parse, self._max_bytes = parse, max_bytes
        self._chunks: list[bytes] = []
        self._size = 0
        self.done = False

    def feed(self, data: bytes) -> Iterator[T]:
        self._chunks.append(data)
        self._size += len(data)
        if self._size > self._max_bytes:  # stop reading; ``parse`` raises or truncates
            self.done = True
            yield from self.finish()

    def finish(self) -> Iterator[T]:
        body, self._chunks = b"".join(self._chunks), []
        yield self._parse(body)


@dataclass(slots=True, kw_only=True)
class Exchange(Generic[T]):
    """State of one call across its attempts. Creating it starts the deadline.

    Attributes:
        encoded: The request, encoded for the router.
        state: State that all calls of the client share.
        span: The OpenTelemetry span of the call, if the client records calls.
        timeout: Seconds to wait for the next byte.
        deadline: Deadline of the whole call.
        attempts: Requests sent so far.
        secret: The key of the current attempt, to be redacted from errors.
        response: Status and headers of the response to the current attempt.
        decoder: Decodes the stream, once its response has started.
        received: Bytes of the stream received so far.
    """

    call: Call[T] | StreamCall[T]
    encoded: EncodedRequest
    url: httpx.URL
    settings: RouterSettings
    state: ClientState
    pace: Pace | None
    span: "CallSpan | None" = None
    timeout: httpx.Timeout = field(init=False)
    deadline: Deadline = field(init=False)
    idempotency_key: str = field(init=False)
    attempts: int = 0
    secret: str = ""
    response: Response | None = None
    decoder: StreamDecoder[T] | None = None
    received: int = 0
    _reader: Any = None  # the decoder, or a ``BufferedBody``, while a response is read
    _decompressor: BoundedDecompressor | None = None

    def __post_init__(self) -> None:
        call, controls = self.call, self.encoded.controls
        if any(fallback.model == call.body.get("model") for fallback in controls.fallbacks or ()):
            warn_caller(
                f"controls.fallbacks contains {call.body['model']!r}, the model of the call "
                "itself. Use controls.retry to retry the same model."
            )
        covers_stream = isinstance(call, StreamCall) and call.deadline_covers_stream
        self.timeout, self.deadline = create_limits(
            self.settings, controls, covers_stream=covers_stream
        )
        self.idempotency_key = _create_idempotency_key(call.idempotency_seed, self.encoded)

    @property
    def pacer(self) -> Pacer:
        """The pacer of the client, which is created when it is first needed."""
        return self.state.get_pacer(self.pace)

    @property
    def done(self) -> bool:
        """Whether the response is complete, even if the connection stays open."""
        return bool(self._reader and self._reader.done)

    @property
    def partial(self) -> str:
        """The text received so far."""
        return self.decoder.partial if self.decoder else ""

    def start_attempt(self) -> dict[str, str]:
        """Start an attempt of a sync call and return the headers of its request."""
        return self._start_attempt(get_api_key(self.settings.api_key))

    async def astart_attempt(self) -> dict[str, str]:
        """Start an attempt of an async call and return the headers of its request."""
        return self._start_attempt(await aget_api_key(self.settings.api_key, self.deadline))

    def _start_attempt(self, api_key: str) -> dict[str, str]:
        self.attempts += 1
        self.secret = api_key
        self.response = self.decoder = self._reader = self._decompressor = None
        self.received = 0
        return {
            "user-agent": f"orq-router-integrations/{__version__}",
            "accept": "*/*",
            **{name.lower(): value for name, value in self.settings.default_headers.items()},
            **{name.lower(): value for name, value in self.encoded.headers.items()},
            "accept-encoding": ACCEPT_ENCODING,
            "authorization": f"Bearer {api_key}",
            "idempotency-key": self.idempotency_key,
            "x-retry-count": str(self.attempts - 1),
            **self._get_trace_headers(),
        }

    def _get_trace_headers(self) -> dict[str, str]:
        if self.span:
            return self.span.start_attempt(self.attempts)
        trace = sys.modules.get("opentelemetry.trace")  # without it, no span can be active
        if trace and trace.get_current_span().get_span_context().is_valid:
            from orq_router_integrations._http.telemetry import get_trace_headers  # noqa: PLC0415

            return get_trace_headers()
        return {}

    @property
    def async_content(self) -> "bytes | _ThreadedBody":
        """The request body for async calls; files are read in a thread."""
        body = self.encoded.body
        return body if isinstance(body, bytes) else _ThreadedBody(body)

    def start_response(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Choose how to read a response, whose body then goes to ``feed``."""
        response = self.response = Response(
            status=status,
            headers={
                name.decode("latin-1").lower(): redact(value.decode("latin-1"), self.secret)
                for name, value in headers
            },
            attempts=self.attempts,
            started_at=self.deadline.started_at,
        )
        if self.span:
            self.span.record_response(response)
        if status == 206:
            raise MalformedResponseError("the response is partial (206), which was not requested")
        is_success = 200 <= status < 300
        if is_success and isinstance(self.call, StreamCall):
            self._reader = self.decoder = self.call.create_decoder(response)
        else:
            max_bytes = self.call.endpoint.max_response_bytes if is_success else MAX_ERROR_BYTES
            self._reader = BufferedBody(partial(self._parse, response), max_bytes=max_bytes)
        if is_success and response.headers.get("x-ratelimit-remaining") == "0":
            seconds = parse_retry_after(response.headers) or 0.0
            if 0 < seconds <= MAX_RETRY_AFTER_SECONDS:
                self.pacer.gate.close(seconds)
        encoding = response.headers.get("content-encoding", "").lower()
        if encoding not in {"", "identity"}:
            self._decompressor = BoundedDecompressor(encoding)

    def _parse(self, response: Response, content: bytes) -> T:
        """Convert a complete response to the result of the call, or raise its error."""
        # The body of a stream is only collected if it is an error.
        if isinstance(self.call, StreamCall) or not 200 <= response.status < 300:
            self.response = replace(response, content=content[:MAX_ERROR_BYTES])
            raise create_error(self.response, self.encoded.path, secret=self.secret)
        max_bytes = self.call.endpoint.max_response_bytes
        if len(content) > max_bytes:
            message = f"The response body is larger than {max_bytes // 1024**2} MB"
            raise MalformedResponseError(message, content[:MAX_ERROR_BYTES])
        self.response = replace(response, content=content)
        return self.call.parse(self.response)

    def feed(self, data: bytes) -> Iterator[T]:
        """Yield the items that are complete with these bytes of the response."""
        if self.decoder:
            self.received += len(data)
        if self._decompressor:
            return self._iter_paused(self._decode(self._decompressor.feed(data)))
        return self._iter_paused(self._reader.feed(data))

    def finish(self) -> Iterator[T]:
        """Yield the items that are complete at the end of the response."""
        if self._decompressor:
            yield from self._iter_paused(self._decode(self._decompressor.finish()))
        if not self.done:
            yield from self._iter_paused(self._reader.finish())

    def _decode(self, chunks: Iterable[bytes]) -> Iterator[T]:
        """Yield the items of a decompressed part of the response."""
        for chunk in chunks:
            yield from self._reader.feed(chunk)
            if self.done:
                return

    def _iter_paused(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items, with the deadline paused while the caller processes one."""
        for item in items:
            if self.span:
                self.span.record_item(item)
            self.deadline.pause()
            yield item
            self.deadline.resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, traceback: object) -> None:
        """End the attempt: drop the reader, to break its reference cycle with the exchange."""
        self._reader = None
        if self.span:
            self.span.end_attempt(error)


def _create_idempotency_key(seed: str | None, request: EncodedRequest) -> str:
    """Return a random key; with a seed, a key derived from the seed and the request."""
    source = IdempotencySeed(seed) if seed else IDEMPOTENCY_SEED.get()
    if source is None:
        return token_hex(16)
    body = request.body if isinstance(request.body, bytes) else request.body.digest_input
    return source.create_key(request.path.encode() + body)


class _ThreadedBody:
    """Reads the chunks of a request body in a thread. It can be iterated several times."""

    def __init__(self, content: Iterable[bytes]) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = iter(self._content)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk

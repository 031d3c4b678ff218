"""State of one call across its attempts: the request to send and the reader of the response."""

import asyncio
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

import httpx

from orq_router_integrations._http.auth import aget_api_key, get_api_key
from orq_router_integrations._http.deadline import Deadline, create_limits
from orq_router_integrations._http.decompression import BoundedDecompressor
from orq_router_integrations._http.environment_proxies import EnvironmentProxies
from orq_router_integrations._http.retry import (
    MAX_RETRY_AFTER_SECONDS,
    RetryBudget,
    RetryPolicy,
)
from orq_router_integrations._version import __version__
from orq_router_integrations.errors import create_error, to_input_error
from orq_router_integrations.settings import ApiKey, RouterSettings
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
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.error_response import parse_retry_after, redact
from orq_router_integrations.wire.request_encoding import EncodedRequest, encode_request

if TYPE_CHECKING:
    from orq_router_integrations._http.telemetry import CallSpan

T = TypeVar("T")

_RawHeaders = Sequence[tuple[bytes, bytes]]

ACCEPT_ENCODING = "gzip"
"""The only compression requested. Another one would need a decoder with bounded output."""


class BufferedBody(Generic[T]):
    """``StreamDecoder`` that collects a body up to a size and yields it as a single item."""

    def __init__(self, parse: Callable[[bytes], T], *, max_bytes: int) -> None:
        self._parse, self._max_bytes = parse, max_bytes
        self._chunks: list[bytes] = []
        self._size = 0
        self.done = False

    def feed(self, data: bytes) -> Iterator[T]:
        self._chunks.append(data)
        self._size += len(data)
        if self._size > self._max_bytes:
            self.done = True
            yield from self.finish()

    def finish(self) -> Iterator[T]:
        body, self._chunks = b"".join(self._chunks), []
        yield self._parse(body)


@dataclass(slots=True, kw_only=True)
class Exchange(Generic[T]):
    """State of one call across its attempts.

    Attributes:
        encoded: The request, encoded for the router.
        api_key: The API key, or a function that is called for each attempt.
        headers: Default headers, with names in lower case and without the key.
        timeout: Seconds to wait for the next byte.
        deadline: Deadline of the whole call.
        proxies: Proxies of the client for the package's own connections.
        attempts: Requests sent so far.
        response: Status and headers of the response to the current attempt.
        decoder: Decodes the stream, once its response has started.
        received: Bytes of the stream received so far.
        secret: The key of the current attempt, to be redacted from errors.
        span: The OpenTelemetry span of the call, if the client records calls.
        report_limit: Called with the seconds until the rate limit resets, if it is used up.
    """

    call: Call[T] | StreamCall[T]
    encoded: EncodedRequest
    api_key: ApiKey | None
    policy: RetryPolicy
    url: httpx.URL
    headers: dict[str, str]
    timeout: httpx.Timeout
    deadline: Deadline
    proxies: EnvironmentProxies
    attempts: int = 0
    idempotency_key: str
    response: Response | None = None
    decoder: StreamDecoder[T] | None = None
    received: int = 0
    secret: str = ""
    span: "CallSpan | None" = None
    report_limit: Callable[[float], None] | None = None
    _reader: Any = None

    @property
    def endpoint(self) -> str:
        """Path of the endpoint, as shown in errors."""
        return self.encoded.path

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
        return self._start_attempt(get_api_key(self.api_key))

    async def astart_attempt(self) -> dict[str, str]:
        """Start an attempt of an async call and return the headers of its request."""
        return self._start_attempt(await aget_api_key(self.api_key, self.deadline))

    def _start_attempt(self, api_key: str) -> dict[str, str]:
        self.attempts += 1
        self.secret = api_key
        self.response = self.decoder = self._reader = None
        self.received = 0
        return {
            **self.headers,
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

    def iter_response(
        self, status: int, headers: _RawHeaders, body: Iterable[bytes]
    ) -> Iterator[bytes]:
        """Start to read a response; returns an iterator over its decompressed body."""
        encoding = self._start_response(status, headers)
        return BoundedDecompressor(encoding).decompress(body) if encoding else iter(body)

    def aiter_response(
        self, status: int, headers: _RawHeaders, body: AsyncIterable[bytes]
    ) -> AsyncIterator[bytes]:
        """Start to read a response; see ``iter_response``."""
        encoding = self._start_response(status, headers)
        return BoundedDecompressor(encoding).adecompress(body) if encoding else aiter(body)

    def _start_response(self, status: int, headers: _RawHeaders) -> str:
        """Choose the reader of a response; returns the encoding of its body."""
        fields = httpx.Headers(headers).items()
        response = self.response = Response(
            status=status,
            headers={name: redact(value, self.secret) for name, value in fields},
            attempts=self.attempts,
            started_at=self.deadline.started_at,
        )
        if self.span:
            self.span.record_response(response)
        is_success = 200 <= status < 300
        if is_success and response.headers.get("x-ratelimit-remaining") == "0":
            self._report_limit(response)
        if not is_success:
            self._reader = BufferedBody(self._raise_error, max_bytes=MAX_ERROR_BYTES)
        elif isinstance(self.call, StreamCall):
            self._reader = self.decoder = self.call.create_decoder(response)
        else:
            max_bytes = self.call.endpoint.max_response_bytes
            self._reader = BufferedBody(self._parse, max_bytes=max_bytes)
        return response.headers.get("content-encoding", "")

    def _report_limit(self, response: Response) -> None:
        seconds = parse_retry_after(response.headers) or 0.0
        if self.report_limit and 0 < seconds <= MAX_RETRY_AFTER_SECONDS:
            self.report_limit(seconds)

    def _parse(self, content: bytes) -> T:
        assert isinstance(self.call, Call)  # noqa: S101 - only chosen for such calls
        max_bytes = self.call.endpoint.max_response_bytes
        if len(content) > max_bytes:
            message = f"The response body is larger than {max_bytes // 1024**2} MB"
            raise MalformedResponseError(message, content[:MAX_ERROR_BYTES])
        return self.call.parse(self._set_content(content))

    def _raise_error(self, content: bytes) -> T:
        response = self._set_content(content[:MAX_ERROR_BYTES])
        raise create_error(response, self.endpoint, secret=self.secret)

    def _set_content(self, content: bytes) -> Response:
        assert self.response is not None  # noqa: S101 - the head comes first
        self.response = replace(self.response, content=content)
        return self.response

    def feed(self, data: bytes) -> Iterator[T]:
        """Yield the items that are complete with these bytes of the response."""
        if self.decoder:
            self.received += len(data)
        return self._iter_paused(self._reader.feed(data))

    def finish(self) -> Iterator[T]:
        """Yield the items that are complete at the end of the response."""
        return self._iter_paused(self._reader.finish() or ())

    def _iter_paused(self, items: Iterable[T]) -> Iterator[T]:
        """Yield items, with the deadline paused while the caller processes one."""
        for item in items:
            if self.span:
                self.span.record_item(item)
            self.deadline.pause()
            yield item
            self.deadline.resume()

    def __enter__(self) -> Self:
        """Begin an attempt."""
        return self

    def __exit__(self, _: object, error: BaseException | None, traceback: object) -> None:
        """End the attempt: drop the reader, to break its reference cycle with the exchange."""
        self._reader = None
        if self.span:
            self.span.end_attempt(error)


def create_exchange(
    call: Call[T] | StreamCall[T],
    *,
    settings: RouterSettings,
    controls: RouterControls,
    budget: RetryBudget,
    proxies: EnvironmentProxies,
    build_url: Callable[..., httpx.URL],
) -> Exchange[T]:
    """Create the state of a call that starts now. The other arguments come from its client.

    Raises:
        RouterInputError: The call cannot be encoded.
    """
    try:
        encoded = encode_request(call, Dialect.from_base_url(settings.base_url), controls)
    except ValueError as error:
        raise to_input_error(error, endpoint=call.endpoint.path) from None
    _warn_about_fallback_loops(call.body.get("model"), encoded.controls)
    covers_stream = isinstance(call, StreamCall) and call.is_collected
    timeout, deadline = create_limits(settings, encoded.controls, covers_stream=covers_stream)
    return Exchange(
        call=call,
        encoded=encoded,
        api_key=settings.api_key,
        policy=RetryPolicy(
            max_retries=settings.max_retries,
            has_router_retries=encoded.controls.has_router_retries,
            retry_ambiguous=call.retry_ambiguous,
            deadline=deadline,
            budget=budget,
        ),
        url=build_url(encoded.path, below_root=call.endpoint.below_root, query=call.query),
        headers={
            "user-agent": f"orq-router-integrations/{__version__}",
            "accept": "*/*",
            **{name.lower(): value for name, value in settings.default_headers.items()},
        },
        timeout=timeout,
        deadline=deadline,
        proxies=proxies,
        idempotency_key=_create_idempotency_key(call.idempotency_seed, encoded),
    )


def _create_idempotency_key(seed: str | None, request: EncodedRequest) -> str:
    """Return a random key; with a seed, a key derived from the seed and the request."""
    source = IdempotencySeed(seed) if seed else IDEMPOTENCY_SEED.get()
    if source is None:
        return token_hex(16)
    body = request.body if isinstance(request.body, bytes) else request.body.digest_input
    return source.create_key(request.path.encode() + body)


def _warn_about_fallback_loops(model: object, controls: RouterControls) -> None:
    if any(fallback.model == model for fallback in controls.fallbacks or ()):
        warn_caller(
            f"controls.fallbacks contains {model!r}, the model of the call itself. "
            "Use controls.retry to ask a model again."
        )


class _ThreadedBody:
    """Reads the chunks of a request body in a thread. It can be iterated several times."""

    def __init__(self, content: Iterable[bytes]) -> None:
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks = iter(self._content)
        while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
            yield chunk

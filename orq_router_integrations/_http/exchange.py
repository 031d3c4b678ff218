"""One call under way: what the client's sync and async verbs have in common.

What a call needs beside sending is here, once: its headers, its attempts, the reading of its
reply. What goes wrong becomes an error of the tree in ``translation``.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Generic, TypeVar, cast

import httpx
from typing_extensions import TypedDict

from orq_router_integrations._http import error_mapping as translation
from orq_router_integrations._http.auth import aget_api_key, get_api_key
from orq_router_integrations._http.deadline import Deadline
from orq_router_integrations._http.decompression import (
    ACCEPT_ENCODING,
    MAX_ERROR_BYTES,
    BoundedDecompressor,
    BufferedBody,
)
from orq_router_integrations._http.redaction import REDACTING_FILTER
from orq_router_integrations._http.retry import RetryPolicy
from orq_router_integrations.errors import create_error
from orq_router_integrations.settings import ApiKey
from orq_router_integrations.wire.call import Call, Response, StreamCall, StreamDecoder
from orq_router_integrations.wire.error_body import redact
from orq_router_integrations.wire.multipart import MultipartBody
from orq_router_integrations.wire.request_encoding import EncodedRequest, StreamedJsonBody

T = TypeVar("T")

RequestContent = bytes | MultipartBody | StreamedJsonBody | AsyncIterator[bytes]


class RequestArgs(TypedDict):
    """An attempt to be sent: arguments of ``httpx.Client.build_request``."""

    method: str
    url: httpx.URL
    headers: dict[str, str]
    timeout: httpx.Timeout


@dataclass(slots=True, kw_only=True)
class Exchange(Generic[T]):
    """The state of one call over all its attempts.

    Attributes:
        api_key: asked for a key at every attempt.
        policy: when to send again.
        url: where to send.
        headers: names in lower case; without the key, which is asked for at every attempt.
        timeout: seconds without a byte before giving up.
        clock: when to give up in any case.
        decoder: reads the stream, once it has begun.
        received: bytes of the stream that arrived.
    """

    call: Call[T] | StreamCall[T]
    encoded: EncodedRequest
    api_key: ApiKey | None
    policy: RetryPolicy
    url: httpx.URL
    headers: dict[str, str]
    timeout: httpx.Timeout
    deadline: Deadline
    attempts: int = 0
    idempotency_key: str = field(default_factory=lambda: token_hex(16))
    response: Response | None = None
    decoder: StreamDecoder[T] | None = None
    received: int = 0
    secret: str = ""
    _reader: StreamDecoder[T] | None = None

    @property
    def endpoint(self) -> str:
        """The name of the call in errors."""
        return self.encoded.path

    @property
    def done(self) -> bool:
        """Whether the reply said that it is complete."""
        return self._reader is not None and self._reader.done

    @property
    def partial(self) -> str:
        """The text received so far."""
        return self.decoder.partial if self.decoder else ""

    def start_attempt(self) -> RequestArgs:
        """Count an attempt of a sync call, and ask for its key."""
        return self._begin(get_api_key(self.api_key))

    async def astart_attempt(self) -> RequestArgs:
        """The same for an async call; a key that is awaited must come before the deadline."""
        return self._begin(await aget_api_key(self.api_key, self.deadline))

    def _begin(self, key: str) -> RequestArgs:
        REDACTING_FILTER.add_key(key)
        self.attempts += 1
        self.secret, self.response, self.received = key, None, 0
        self.decoder = self._reader = None
        headers = {
            **self.headers,
            **{name.lower(): value for name, value in self.encoded.headers.items()},
            "accept-encoding": ACCEPT_ENCODING,
            "authorization": f"Bearer {key}",
            "idempotency-key": self.idempotency_key,
            "x-retry-count": str(self.attempts - 1),
        }
        method, timeout = self.encoded.method, self.timeout
        return {"method": method, "url": self.url, "headers": headers, "timeout": timeout}

    @property
    def content(self) -> bytes | MultipartBody | StreamedJsonBody:
        """The bytes to send; a form is read anew, from its first byte, at every attempt."""
        return self.encoded.body

    @property
    def async_content(self) -> bytes | AsyncIterator[bytes]:
        """The same for async calls; files are read in a thread."""
        return self.content if isinstance(self.content, bytes) else _pieces(self.content)

    def iter_response(self, response: httpx.Response) -> Iterator[bytes]:
        """Take the head of a reply; what its body holds, as it comes."""
        unpacker = self._head(response)
        whole = response.is_stream_consumed
        body = cast("Iterable[bytes]", (response.content,) if whole else response.stream)
        return unpacker.decompress(iter(body))

    def aiter_response(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The same for an async reply."""
        unpacker = self._head(response)
        whole = response.is_stream_consumed
        body = _alone(response.content) if whole else cast("AsyncIterable[bytes]", response.stream)
        return unpacker.adecompress(aiter(body))

    def _head(self, response: httpx.Response) -> BoundedDecompressor:
        """Choose who reads the body of a reply; returns who unpacks it."""
        self.response = Response(
            status=response.status_code,
            headers={name: redact(v, self.secret) for name, v in response.headers.items()},
            attempts=self.attempts,
            started_at=self.deadline.started,
        )
        if not response.is_success:
            self._reader = BufferedBody(self._refused, max_bytes=MAX_ERROR_BYTES, truncate=True)
        elif isinstance(self.call, StreamCall):
            self._reader = self.decoder = self.call.create_decoder(self.response)
        else:
            self._reader = BufferedBody(
                self._parsed, max_bytes=self.call.endpoint.max_response_bytes
            )
        ready = response.is_stream_consumed  # by a transport without a network, which unpacked it
        return BoundedDecompressor(
            "" if ready else self.response.headers.get("content-encoding", "")
        )

    def _parsed(self, content: bytes) -> T:
        assert isinstance(self.call, Call)  # noqa: S101 - _head() chose it
        return self.call.parse(self._whole(content))

    def _refused(self, content: bytes) -> T:
        raise create_error(self._whole(content), self.endpoint, secret=self.secret)

    def _whole(self, content: bytes) -> Response:
        assert self.response is not None  # noqa: S101 - _head() comes first
        self.response = replace(self.response, content=content)
        return self.response

    def feed(self, data: bytes) -> Iterator[T]:
        """The items that bytes of the reply complete; while the caller has one, no clock runs."""
        assert self._reader is not None  # noqa: S101 - _head() comes first
        if self.decoder:
            self.received += len(data)
        for item in self._reader.feed(data):
            self.deadline.pause()
            yield item
            self.deadline.resume()

    def finish(self) -> Iterator[T]:
        """The items that the end of the reply completes."""
        assert self._reader is not None  # noqa: S101
        for item in self._reader.finish() or ():
            self.deadline.pause()
            yield item
            self.deadline.resume()

    @contextmanager
    def map_errors(self) -> Iterator[None]:
        """Turn the errors of httpx and of the wire into those of the tree."""
        try:
            yield
        except translation.MAPPED_ERRORS as error:
            meant, cause = translation.map_error(error, self), translation.redact_cause(error, self)
            try:
                raise meant from cause
            finally:
                meant.__context__ = cause  # what is not told as the cause is not kept either
        finally:
            self._reader = None  # it holds ``_parsed``: a circle, in which the reply would live on


async def _alone(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _pieces(form: MultipartBody | StreamedJsonBody) -> AsyncIterator[bytes]:
    pieces = iter(form)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece

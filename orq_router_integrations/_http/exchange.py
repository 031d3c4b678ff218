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
from orq_router_integrations._http.auth import akey_of, key_of
from orq_router_integrations._http.deadline import Clock
from orq_router_integrations._http.decompression import ACCEPTED, LONGEST_ERROR, Unpacker, Whole
from orq_router_integrations._http.redaction import HUSH
from orq_router_integrations._http.retry import RetryPolicy
from orq_router_integrations.errors import error_from
from orq_router_integrations.settings import ApiKey
from orq_router_integrations.wire.call import Call, Decoder, Reply, StreamCall
from orq_router_integrations.wire.error_body import clean
from orq_router_integrations.wire.multipart import Form
from orq_router_integrations.wire.request_encoding import Encoded
from orq_router_integrations.wire.streamed_json import JsonBody

T = TypeVar("T")

Content = bytes | Form | JsonBody | AsyncIterator[bytes]


class Outgoing(TypedDict):
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
    encoded: Encoded
    api_key: ApiKey | None
    policy: RetryPolicy
    url: httpx.URL
    headers: dict[str, str]
    timeout: httpx.Timeout
    clock: Clock
    attempts: int = 0
    idempotency_key: str = field(default_factory=lambda: token_hex(16))
    last: Reply | None = None
    decoder: Decoder[T] | None = None
    received: int = 0
    secret: str = ""
    _reader: Decoder[T] | None = None

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

    def begin(self) -> Outgoing:
        """Count an attempt of a sync call, and ask for its key."""
        return self._begin(key_of(self.api_key))

    async def abegin(self) -> Outgoing:
        """The same for an async call; a key that is awaited must come before the deadline."""
        return self._begin(await akey_of(self.api_key, self.clock))

    def _begin(self, key: str) -> Outgoing:
        HUSH.keep(key)
        self.attempts += 1
        self.secret, self.last, self.received = key, None, 0
        self.decoder = self._reader = None
        headers = {
            **self.headers,
            **{name.lower(): value for name, value in self.encoded.headers.items()},
            "accept-encoding": ACCEPTED,
            "authorization": f"Bearer {key}",
            "idempotency-key": self.idempotency_key,
            "x-retry-count": str(self.attempts - 1),
        }
        method, timeout = self.encoded.method, self.timeout
        return {"method": method, "url": self.url, "headers": headers, "timeout": timeout}

    @property
    def body(self) -> bytes | Form | JsonBody:
        """The bytes to send; a form is read anew, from its first byte, at every attempt."""
        return self.encoded.body

    @property
    def async_body(self) -> bytes | AsyncIterator[bytes]:
        """The same for async calls; files are read in a thread."""
        return self.body if isinstance(self.body, bytes) else _pieces(self.body)

    def pieces(self, response: httpx.Response) -> Iterator[bytes]:
        """Take the head of a reply; what its body holds, as it comes."""
        unpacker = self._head(response)
        whole = response.is_stream_consumed
        body = cast("Iterable[bytes]", (response.content,) if whole else response.stream)
        return unpacker.through(iter(body))

    def apieces(self, response: httpx.Response) -> AsyncIterator[bytes]:
        """The same for an async reply."""
        unpacker = self._head(response)
        whole = response.is_stream_consumed
        body = _alone(response.content) if whole else cast("AsyncIterable[bytes]", response.stream)
        return unpacker.athrough(aiter(body))

    def _head(self, response: httpx.Response) -> Unpacker:
        """Choose who reads the body of a reply; returns who unpacks it."""
        self.last = Reply(
            status=response.status_code,
            headers={name: clean(v, self.secret) for name, v in response.headers.items()},
            attempts=self.attempts,
            started=self.clock.started,
        )
        if not response.is_success:
            self._reader = Whole(self._refused, longest=LONGEST_ERROR, cut=True)
        elif isinstance(self.call, StreamCall):
            self._reader = self.decoder = self.call.decoder(self.last)
        else:
            self._reader = Whole(self._parsed, longest=self.call.endpoint.longest_reply)
        ready = response.is_stream_consumed  # by a transport without a network, which unpacked it
        return Unpacker("" if ready else self.last.headers.get("content-encoding", ""))

    def _parsed(self, content: bytes) -> T:
        assert isinstance(self.call, Call)  # noqa: S101 - _head() chose it
        return self.call.parse(self._whole(content))

    def _refused(self, content: bytes) -> T:
        raise error_from(self._whole(content), self.endpoint, secret=self.secret)

    def _whole(self, content: bytes) -> Reply:
        assert self.last is not None  # noqa: S101 - _head() comes first
        self.last = replace(self.last, content=content)
        return self.last

    def items(self, data: bytes) -> Iterator[T]:
        """The items that bytes of the reply complete; while the caller has one, no clock runs."""
        assert self._reader is not None  # noqa: S101 - _head() comes first
        if self.decoder:
            self.received += len(data)
        for item in self._reader.feed(data):
            self.clock.rest()
            yield item
            self.clock.listen()

    def finish(self) -> Iterator[T]:
        """The items that the end of the reply completes."""
        assert self._reader is not None  # noqa: S101
        for item in self._reader.finish() or ():
            self.clock.rest()
            yield item
            self.clock.listen()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the errors of httpx and of the wire into those of the tree."""
        try:
            yield
        except translation.FOREIGN as error:
            meant, cause = translation.translated(error, self), translation.cause(error, self)
            try:
                raise meant from cause
            finally:
                meant.__context__ = cause  # what is not told as the cause is not kept either
        finally:
            self._reader = None  # it holds ``_parsed``: a circle, in which the reply would live on


async def _alone(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _pieces(form: Form | JsonBody) -> AsyncIterator[bytes]:
    pieces = iter(form)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece

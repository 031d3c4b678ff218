"""One call under way: what the client's sync and async verbs have in common.

What a call needs beside sending is here, once: its headers, its attempts, the reading of its
reply. What goes wrong becomes an error of the tree in ``translation``.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import httpx

from orq_router_integrations import translation
from orq_router_integrations.bodies import ACCEPTED, LONGEST_ERROR, Unpacker, Whole
from orq_router_integrations.error_bodies import clean
from orq_router_integrations.errors import error_from
from orq_router_integrations.limits import TICK, Clock
from orq_router_integrations.retry import RetryPolicy
from orq_router_integrations.wire.call import Call, Decoder, Reply, StreamCall
from orq_router_integrations.wire.inline import JsonBody
from orq_router_integrations.wire.multipart import Form
from orq_router_integrations.wire.request import Encoded

T = TypeVar("T")

SHORTEST = 0.001
"""Seconds; a socket takes zero for "do not wait", and httpx a negative number for a mistake."""


@dataclass(slots=True, kw_only=True)
class Exchange(Generic[T]):
    """The state of one call over all its attempts.

    Attributes:
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
    policy: RetryPolicy
    url: httpx.URL
    headers: dict[str, str]
    timeout: httpx.Timeout
    clock: Clock
    attempts: int = 0
    idempotency_key: str = field(default_factory=lambda: str(uuid.uuid4()))
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

    def begin(self, key: str) -> dict[str, Any]:
        """Count an attempt; the arguments of ``httpx.Client.build_request`` for it."""
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
        method, timeout = self.encoded.method, self._timeout()
        return {"method": method, "url": self.url, "headers": headers, "timeout": timeout}

    def _timeout(self) -> httpx.Timeout:
        """That of the next attempt, which is no longer than what is left of the deadline."""
        left = max(self.clock.left, SHORTEST)
        parts = self.timeout.as_dict()
        if all(seconds is None or seconds <= left + TICK for seconds in parts.values()):
            return self.timeout
        return httpx.Timeout(**{name: min(part or left, left) for name, part in parts.items()})

    @property
    def body(self) -> bytes | Form | JsonBody:
        """The bytes to send; a form is read anew, from its first byte, at every attempt."""
        return self.encoded.body

    @property
    def async_body(self) -> bytes | AsyncIterator[bytes]:
        """The same for async calls; files are read in a thread."""
        return self.body if isinstance(self.body, bytes) else _pieces(self.body)

    def head(self, response: httpx.Response) -> Unpacker:
        """Take the head of a reply and choose who reads its body; returns who unpacks it."""
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
            response.request.extensions["timeout"] = self.timeout.as_dict()  # as long as it lasts
        else:
            self._reader = Whole(self._parsed, longest=self.call.endpoint.longest_reply)
        ready = response.is_stream_consumed  # by a transport without a network, which unpacked it
        return Unpacker("" if ready else self.last.headers.get("content-encoding", ""))

    def _parsed(self, content: bytes) -> T:
        assert isinstance(self.call, Call)  # noqa: S101 - head() chose it
        return self.call.parse(self._whole(content))

    def _refused(self, content: bytes) -> T:
        raise error_from(self._whole(content), self.endpoint, secret=self.secret)

    def _whole(self, content: bytes) -> Reply:
        assert self.last is not None  # noqa: S101 - head() comes first
        self.last = replace(self.last, content=content)
        return self.last

    def items(self, data: bytes) -> Iterator[T]:
        """The items that bytes of the reply complete; while the caller has one, no clock runs."""
        assert self._reader is not None  # noqa: S101 - head() comes first
        if self.decoder:
            self.received += len(data)
        return self._timed(self._reader.feed(data))

    def finish(self) -> Iterator[T]:
        """The items that the end of the reply completes."""
        assert self._reader is not None  # noqa: S101
        return self._timed(self._reader.finish() or ())

    def _timed(self, items: Iterable[T]) -> Iterator[T]:
        for item in items:
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


async def _pieces(form: Form | JsonBody) -> AsyncIterator[bytes]:
    pieces = iter(form)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece

"""One call under way: what the client's sync and async verbs have in common.

What a call needs beside sending is here, once: its headers, its attempts, and the
translation of whatever goes wrong into the error tree.
"""

import asyncio
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import httpx

from orq_router_integrations.error_bodies import clean
from orq_router_integrations.errors import (
    MAX_BODY,
    InvalidResponseError,
    RouterConnectionError,
    RouterInputError,
    RouterTimeoutError,
    StreamInterruptedError,
    error_from,
)
from orq_router_integrations.retry import RetryPolicy
from orq_router_integrations.wire.call import (
    BadReply,
    Call,
    Decoder,
    ErrorInReply,
    Reply,
    SourceChangedError,
    StreamCall,
    Truncated,
)
from orq_router_integrations.wire.multipart import Form
from orq_router_integrations.wire.request import Encoded

T = TypeVar("T")

MAX_SHOWN = 64 * 1024
"""Bytes of an unreadable reply that are looked at for its error."""

_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


@dataclass(slots=True, kw_only=True)
class Exchange(Generic[T]):
    """The state of one call over all its attempts.

    Attributes:
        policy: when to send again.
        url: where to send.
        headers: names in lower case; without the key, which is asked for at every attempt.
        timeout: seconds without a byte before giving up.
        received: bytes of the stream that arrived.
    """

    call: Call[T] | StreamCall[T]
    encoded: Encoded
    policy: RetryPolicy
    url: httpx.URL
    headers: dict[str, str]
    timeout: httpx.Timeout
    attempts: int = 0
    started: float = field(default_factory=time.monotonic)
    idempotency_key: str = field(default_factory=lambda: str(uuid.uuid4()))
    last: Reply | None = None
    decoder: Decoder[T] | None = None
    received: int = 0
    secret: str = ""

    @property
    def endpoint(self) -> str:
        """The name of the call in errors."""
        return self.encoded.path

    def begin(self, key: str) -> dict[str, Any]:
        """Count an attempt; the arguments of ``httpx.Client.build_request`` for it."""
        self.attempts += 1
        self.secret, self.last, self.decoder, self.received = key, None, None, 0
        headers = {
            **self.headers,
            **{name.lower(): value for name, value in self.encoded.headers.items()},
            "authorization": f"Bearer {key}",
            "idempotency-key": self.idempotency_key,
            "x-retry-count": str(self.attempts - 1),
        }
        method = self.encoded.method
        return {"method": method, "url": self.url, "headers": headers, "timeout": self.timeout}

    @property
    def body(self) -> bytes | Form:
        """The bytes to send; a form is read anew, from its first byte, at every attempt."""
        return self.encoded.body

    @property
    def async_body(self) -> bytes | AsyncIterator[bytes]:
        """The same for async calls; files are read in a thread."""
        return self.body if isinstance(self.body, bytes) else _pieces(self.body)

    def head(self, response: httpx.Response) -> bool:
        """Take the head of a reply; whether it is one of success."""
        self.last = Reply(
            status=response.status_code,
            headers={name: clean(v, self.secret) for name, v in response.headers.items()},
            attempts=self.attempts,
            started=self.started,
        )
        return response.is_success

    def whole(self, content: bytes) -> Reply:
        """The reply with its body."""
        head = self.last
        assert head is not None  # noqa: S101 - head() comes first
        self.last = replace(head, content=content)
        return self.last

    def answer(self, response: httpx.Response) -> T:
        """Parse a whole reply.

        Raises:
            RouterError: the router answered with an error, or with something unreadable.
        """
        success = self.head(response)
        reply = self.whole(response.content)
        if not success:
            raise error_from(reply, self.endpoint, secret=self.secret)
        assert isinstance(self.call, Call)  # noqa: S101
        return self.call.parse(reply)

    def decode(self) -> Decoder[T]:
        """The decoder for the stream that has just begun."""
        assert isinstance(self.call, StreamCall)  # noqa: S101
        assert self.last is not None  # noqa: S101
        self.decoder = self.call.decoder(self.last)
        return self.decoder

    def feed(self, data: bytes) -> Iterable[T]:
        """The items that bytes of the stream complete."""
        assert self.decoder is not None  # noqa: S101 - decode() comes first
        self.received += len(data)
        return self.decoder.feed(data)

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the errors of httpx and of the wire into those of the tree."""
        try:
            yield
        except httpx.TimeoutException as error:
            raise self._timeout(error) from error
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise self._connection(error) from error
        except Truncated as fault:
            raise self._interrupted(str(fault)) from None
        except ErrorInReply as fault:
            reply = self.last or Reply(200, {})
            meant = error_from(reply, self.endpoint, content=fault.body, secret=self.secret)
            meant.partial, meant.received = self._partial, self.received
            raise meant from None
        except BadReply as fault:
            raise self._invalid(fault) from None
        except SourceChangedError as fault:
            raise RouterInputError(
                str(fault), endpoint=self.endpoint, attempts=self.attempts
            ) from None

    @property
    def _partial(self) -> str:
        return self.decoder.partial if self.decoder else ""

    def _timeout(self, error: httpx.TimeoutException) -> Exception:
        seconds = self.timeout.connect if isinstance(error, _UNSENT) else self.timeout.read
        return RouterTimeoutError(
            f"no answer within {seconds:g} seconds ({type(error).__name__})",
            endpoint=self.endpoint,
            attempts=self.attempts,
            partial=self._partial,
            received=self.received,
            ambiguous=not isinstance(error, _UNSENT),
        )

    def _connection(self, error: Exception) -> Exception:
        if self.decoder is not None:
            return self._interrupted(f"the connection broke: {error}")
        untrusted = isinstance(_root(error), ssl.SSLCertVerificationError)
        return RouterConnectionError(
            f"cannot reach the router at {self.url.host}: {error or type(error).__name__}",
            endpoint=self.endpoint,
            attempts=self.attempts,
            ambiguous=not isinstance(error, _UNSENT),
            is_retryable=not untrusted,
        )

    def _interrupted(self, message: str) -> Exception:
        return StreamInterruptedError(
            f"the stream ended before it was complete: {message}",
            endpoint=self.endpoint,
            attempts=self.attempts,
            status_code=self.last.status if self.last else None,
            trace_id=self.last.trace_id if self.last else None,
            partial=self._partial,
            received=self.received,
            ambiguous=True,
        )

    def _invalid(self, fault: BadReply) -> Exception:
        reply = self.last or Reply(0, {})
        body = fault.body or reply.content
        text = clean(body[:MAX_SHOWN].decode("utf-8", "replace"), self.secret)
        return InvalidResponseError(
            f"{fault}; content type {reply.content_type or 'unknown'}, body: {text[:200]!r}",
            endpoint=self.endpoint,
            attempts=self.attempts,
            status_code=reply.status,
            trace_id=reply.trace_id,
            body=text[:MAX_BODY],
            partial=self._partial,
            received=self.received,
        )


async def _pieces(form: Form) -> AsyncIterator[bytes]:
    pieces = iter(form)
    while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
        yield piece


def _root(error: BaseException) -> BaseException:
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error

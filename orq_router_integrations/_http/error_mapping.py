"""What goes wrong on the way, as errors of the tree: what happened, where, and what to do."""

import ssl
from collections.abc import Iterator
from functools import singledispatch
from typing import Any, Protocol

import httpx
from typing_extensions import Unpack

from orq_router_integrations._http.deadline import Deadline, DeadlineExceededError
from orq_router_integrations.errors import (
    MAX_BODY_CHARS,
    ErrorDetails,
    InvalidResponseError,
    RouterConnectionError,
    RouterError,
    RouterInputError,
    RouterTimeoutError,
    StreamInterruptedError,
    create_error,
)
from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    Response,
    TruncatedStreamError,
    UploadReadError,
    WireError,
)
from orq_router_integrations.wire.error_body import redact

MAX_SHOWN = 64 * 1024
"""Bytes of an unreadable reply that are looked at for its error."""

MAPPED_ERRORS = (httpx.HTTPError, httpx.StreamError, DeadlineExceededError, WireError)
"""What may be raised on the way and must not reach the caller."""

_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class CallState(Protocol):
    """What is asked of an exchange that failed."""

    attempts: int
    response: Response | None
    received: int
    secret: str
    deadline: Deadline
    timeout: httpx.Timeout
    url: httpx.URL
    decoder: Any

    @property
    def endpoint(self) -> str:
        """The name of the call."""

    @property
    def partial(self) -> str:
        """The text received so far."""


@singledispatch
def map_error(error: Exception, state: CallState) -> RouterError:
    """The error of the tree for one of ``FOREIGN``."""
    if state.decoder is not None:
        return _interrupted(f"the connection broke: {redact(str(error), state.secret)}", state)
    untrusted = isinstance(list(_chain(error))[-1], ssl.SSLCertVerificationError)
    said = redact(str(error), state.secret) or type(error).__name__
    return RouterConnectionError(
        f"cannot reach the router at {state.url.netloc.decode()}: {said}",
        **_details(state, ambiguous=not isinstance(error, _UNSENT), is_retryable=not untrusted),
    )


@map_error.register
def _(error: httpx.TimeoutException, state: CallState) -> RouterError:
    if state.deadline.remaining < 0.01:
        return _late(state)
    unsent = isinstance(error, _UNSENT)
    seconds = state.timeout.connect if unsent else state.timeout.read
    hint = "is the router up?" if unsent else "raise timeout= if a model may take longer"
    return RouterTimeoutError(
        f"no byte for {seconds:g} seconds ({type(error).__name__}); {hint}",
        **_arrived(state, ambiguous=not unsent),
    )


@map_error.register
def _(_: DeadlineExceededError, state: CallState) -> RouterError:
    return _late(state)


@map_error.register
def _(fault: TruncatedStreamError, state: CallState) -> RouterError:
    return _interrupted(redact(str(fault), state.secret), state)


@map_error.register
def _(fault: EmbeddedError, state: CallState) -> RouterError:
    meant = create_error(
        state.response or Response(200, {}), state.endpoint, content=fault.body, secret=state.secret
    )
    meant.partial, meant.received = state.partial, state.received
    return meant


@map_error.register
def _(fault: MalformedResponseError, state: CallState) -> RouterError:
    reply = state.response or Response(0, {})
    if reply.status >= 300:  # an error that is packed in an unknown way is one all the same
        return create_error(reply, state.endpoint, secret=state.secret)
    body = fault.body or reply.content
    text = redact(body[:MAX_SHOWN].decode("utf-8", "replace"), state.secret)
    said = redact(str(fault), state.secret)
    return InvalidResponseError(
        f"{said}; content type {reply.content_type or 'unknown'}, body: {text[:200]!r}",
        **_arrived(state, body=text[:MAX_BODY_CHARS]),
    )


@map_error.register
def _(fault: UploadReadError, state: CallState) -> RouterError:
    return RouterInputError(str(fault), **_details(state))


def _late(state: CallState) -> RouterError:
    clock = state.deadline
    if state.decoder is not None and clock.has_received:
        said = (
            f"nothing new in the stream for {clock.idle_timeout:g} seconds "
            f"(keep-alives do not count); "
            "raise stream_chunk_timeout= if a model may think that long"
        )
    else:
        said = (
            f"no answer within the deadline of {clock.timeout:g} seconds; raise deadline= if "
            "a call may take longer"
        )
    return RouterTimeoutError(said, **_arrived(state, ambiguous=True))


def _interrupted(message: str, state: CallState) -> RouterError:
    return StreamInterruptedError(
        f"the stream ended before it was complete: {message}", **_arrived(state, ambiguous=True)
    )


def _details(state: CallState, **more: Unpack[ErrorDetails]) -> ErrorDetails:
    return {"endpoint": state.endpoint, "attempts": state.attempts, **more}


def _arrived(state: CallState, **more: Unpack[ErrorDetails]) -> ErrorDetails:
    """What is known when some of a reply had come."""
    found: ErrorDetails = {"partial": state.partial, "received": state.received}
    found |= _details(state, **more)
    if state.response:
        found |= {"status_code": state.response.status, "trace_id": state.response.trace_id}
    return found


def redact_cause(error: Exception, state: CallState) -> Exception | None:
    """What may be told as the cause: an error of httpx, without the key that a server echoed.

    Faults of the wire are none: they hold the reply as it came, and what is told of it is cleaned.
    """
    if not isinstance(error, httpx.HTTPError):
        return None
    for one in _chain(error):
        one.args = tuple(
            redact(arg, state.secret) if isinstance(arg, str) else arg for arg in one.args
        )
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, the root last."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__

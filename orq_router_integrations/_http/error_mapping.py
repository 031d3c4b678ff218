"""Map httpx, deadline and parsing errors to the package's own errors."""

import re
from collections.abc import Iterator
from functools import singledispatch
from typing import Any

import httpx

from orq_router_integrations._http.deadline import DeadlineExceededError
from orq_router_integrations._http.exchange import Exchange
from orq_router_integrations._http.tls import explain_tls_error
from orq_router_integrations.errors import (
    MAX_BODY_CHARS,
    InvalidResponseError,
    RouterConnectionError,
    RouterError,
    RouterInputError,
    RouterTimeoutError,
    StreamInterruptedError,
    create_error,
)
from orq_router_integrations.wire.call import (
    MAX_ERROR_BYTES,
    EmbeddedError,
    MalformedResponseError,
    Response,
    TruncatedStreamError,
    UploadReadError,
    WireError,
)
from orq_router_integrations.wire.error_response import redact

MAX_PREVIEW_CHARS = 200  # characters of an unreadable response to show
MAPPED_ERRORS = (httpx.HTTPError, httpx.StreamError, DeadlineExceededError, WireError)
"""Errors that must not reach the caller."""

_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
"""Errors after which the router cannot have received the request."""

_CONNECT_ADVICE = "Check the host name and port in base_url, and that the router is running."
_PROXY_ADVICE = (
    "Check the proxy and its user name and password in HTTPS_PROXY, HTTP_PROXY or ALL_PROXY: "
    "http://user:password@proxy.example:3128"
)
_CREDENTIALS_ERROR = r"(^|: )407 |Invalid username/password|Requested .* from proxy server"
"""httpcore's messages when an HTTP or SOCKS proxy requires other credentials."""


def raise_router_error(error: Exception, exchange: Exchange[Any]) -> None:
    """Raise the ``RouterError`` for one of ``MAPPED_ERRORS``; ignore other errors."""
    error = _to_httpx_error(error)
    if not isinstance(error, MAPPED_ERRORS):
        return
    mapped, cause = map_error(error, exchange), _redact_cause(error, exchange.secret)
    try:
        raise mapped from cause
    finally:
        mapped.__context__ = cause  # drops the original error, which may contain the API key


def _to_httpx_error(error: Exception) -> Exception:
    """Convert an httpcore or httpx2 error to the httpx error with the same name."""
    if type(error).__module__.partition(".")[0] not in {"httpcore", "httpx2"}:
        return error
    error_class = getattr(httpx, type(error).__name__, httpx.TransportError)
    if not issubclass(error_class, httpx.TransportError):
        error_class = httpx.TransportError
    converted: Exception = error_class(str(error))
    converted.__cause__ = error.__cause__
    return converted


@singledispatch
def map_error(error: Exception, exchange: Exchange[Any]) -> RouterError:
    """Create the error that the caller gets for one of ``MAPPED_ERRORS``."""
    message = redact(str(error), exchange.secret) or type(error).__name__
    if exchange.decoder is not None:
        return _create_interrupted_error(f"the connection was lost ({message})", exchange)
    is_ambiguous = not isinstance(error, _NOT_SENT)
    advice = explain_tls_error(error, _iter_causes(error))
    is_permanent = advice is not None
    if isinstance(error, httpx.ProxyError):
        advice = advice or _PROXY_ADVICE
        is_permanent = is_permanent or bool(re.search(_CREDENTIALS_ERROR, str(error)))
    elif not is_ambiguous:
        advice = advice or _CONNECT_ADVICE
    return RouterConnectionError(
        f"Cannot reach the router at {exchange.url.netloc.decode()}: {message}"
        + (f". {advice}" if advice else ""),
        ambiguous=is_ambiguous,
        is_retryable=not is_permanent,
        **_get_details(exchange),
    )


@map_error.register
def _map_timeout(error: httpx.TimeoutException, exchange: Exchange[Any]) -> RouterError:
    if exchange.deadline.remaining < 0.01:  # the timeout was shortened to end at the deadline
        return _map_deadline(error, exchange)
    reason = redact(str(error), exchange.secret) or type(error).__name__
    was_sent = not isinstance(error, _NOT_SENT)
    seconds = exchange.timeout.read
    advice = "Pass a longer timeout= if the model may take longer."
    if not was_sent:
        seconds = exchange.timeout.connect
        advice = "Check that the router is running and can be reached."
    return RouterTimeoutError(
        f"Received no data for {seconds:g} seconds ({reason}). {advice}",
        ambiguous=was_sent,
        **_get_details(exchange),
    )


@map_error.register(DeadlineExceededError)
def _map_deadline(_: Exception, exchange: Exchange[Any]) -> RouterError:
    deadline = exchange.deadline
    if exchange.decoder is not None and deadline.is_idle_timeout:
        message = (
            f"The stream sent nothing new for {deadline.idle_timeout:g} seconds (keep-alives do "
            "not count). Pass a longer stream_chunk_timeout= if the model may pause that long."
        )
    elif not exchange.attempts:
        message = (
            "The call waited for its turn under the rate limit until the deadline of "
            f"{deadline.timeout:g} seconds. Pass a longer deadline= or send fewer calls."
        )
    else:
        message = (
            f"The router did not answer within the deadline of {deadline.timeout:g} seconds. "
            "Pass a longer deadline= if the call may take longer."
        )
    was_sent = exchange.attempts > 0
    return RouterTimeoutError(message, ambiguous=was_sent, **_get_details(exchange))


@map_error.register
def _map_truncated_stream(error: TruncatedStreamError, exchange: Exchange[Any]) -> RouterError:
    return _create_interrupted_error(redact(str(error), exchange.secret), exchange)


@map_error.register
def _map_embedded_error(error: EmbeddedError, exchange: Exchange[Any]) -> RouterError:
    response = exchange.response or Response(200, {})
    mapped = create_error(
        response, exchange.encoded.path, content=error.body, secret=exchange.secret
    )
    mapped.partial, mapped.received = exchange.partial, exchange.received
    return mapped


@map_error.register
def _map_malformed_response(error: MalformedResponseError, exchange: Exchange[Any]) -> RouterError:
    response = exchange.response or Response(0, {})
    if response.status >= 300:  # the status is reliable even if the body cannot be decompressed
        return create_error(response, exchange.encoded.path, secret=exchange.secret)
    body = (error.body or response.content)[:MAX_ERROR_BYTES]
    text = redact(body.decode("utf-8", "replace"), exchange.secret)
    return InvalidResponseError(
        f"{redact(str(error), exchange.secret)}; content type "
        f"{response.content_type or 'unknown'}, body: {text[:MAX_PREVIEW_CHARS]!r}",
        body=text[:MAX_BODY_CHARS],
        **_get_details(exchange),
    )


@map_error.register
def _map_upload_error(error: UploadReadError, exchange: Exchange[Any]) -> RouterError:
    return RouterInputError(str(error), **_get_details(exchange))


def _create_interrupted_error(reason: str, exchange: Exchange[Any]) -> RouterError:
    message = f"The stream ended before it was complete: {reason}"
    return StreamInterruptedError(message, ambiguous=True, **_get_details(exchange))


def _get_details(exchange: Exchange[Any]) -> dict[str, Any]:
    """Return the attributes of an error that describe the call and the response so far."""
    response = exchange.response
    return {
        "endpoint": exchange.encoded.path,
        "attempts": exchange.attempts,
        "partial": exchange.partial,
        "received": exchange.received,
        "status_code": response and response.status,
        "trace_id": response and response.trace_id,
    }


def _redact_cause(error: Exception, secret: str) -> Exception | None:
    """Redact an httpx error and its causes, to be shown as the cause of the public error.

    Parsing errors are not shown as a cause, because they contain the response unredacted.
    """
    if not isinstance(error, httpx.HTTPError):
        return None
    for cause in _iter_causes(error):
        args = (redact(arg, secret) if isinstance(arg, str) else arg for arg in cause.args)
        cause.args = tuple(args)
    return error


def _iter_causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, the root cause last."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__

"""Exceptions raised by this package.

All of them are ``RouterError``s, and also langchain-core's ``ModelError`` or a more specific class
where langchain-core has one, so LangChain's retry and fallback middleware can handle them. Calls do
not raise httpx, tenacity or pydantic exceptions, except that LangChain checks the arguments of a
tool call with pydantic. Structured output that cannot be parsed raises
LangChain's ``OutputParserException``.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from langchain_core import exceptions as core
from pydantic import ValidationError

from orq_router_integrations.wire.arguments import describe_problem
from orq_router_integrations.wire.error_response import (
    MAX_TEXT_CHARS,
    get_error_fields,
    parse_error_body,
    parse_retry_after,
    redact,
    to_text,
)

if TYPE_CHECKING:
    from langchain_core.messages import BaseMessage

    from orq_router_integrations.wire.call import Response

    _ModelRefusalError = core.ModelRefusalError
else:  # langchain-core has this class since 1.7.5
    _ModelRefusalError = getattr(core, "ModelRefusalError", core.ModelError)

MAX_BODY_CHARS = 4096


class RouterError(core.ModelError):
    """Base class of all exceptions in this package.

    Attributes:
        endpoint: Path of the endpoint, such as `/chat/completions`. Empty outside a call.
        attempts: Number of requests that were sent.
        status_code: HTTP status, if the router answered.
        code: Error code of the router, such as `rate_limit_exceeded`, always a string.
        type: Error type of the router.
        param: The request parameter that caused the error, according to the router.
        failures: The guardrails that failed, as sent by the router.
        doc_url: A page with more information, as sent by the router.
        trace_id: Id of the router's trace of the request. Include it in support requests.
        retry_after: Seconds to wait before a retry, as sent by the router.
        should_retry: The router's advice on retrying (header `x-should-retry`), if it sent any.
        body: Start of the response body, at most 4,096 characters.
        ambiguous: Whether the request was sent before the connection failed or the time ran out, so
            that the router may have processed it.
        partial: The text that arrived before a stream ended early.
        received: Number of bytes of a stream that arrived before it ended early.
        partial_bytes: The audio that arrived before a response ended early, unless it was
            streamed to the caller or written to a file.
        partial_items: The complete images that arrived before a response ended early.
        suggested_status: HTTP status with which a web service should answer its own client. It
            differs from `status_code` where the client is not at fault, as with a wrong API key.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> client = OfflineRouter(models=["openai/gpt-4o"]).client()
    >>> try:
    ...     ChatOrq("openai/gpt-9", client=client).invoke("Hi")
    ... except RouterError as error:
    ...     error.status_code, error.endpoint, error.is_retryable
    (404, '/chat/completions', False)
    """

    endpoint: str = ""
    attempts: int = 0
    status_code: int | None = None
    code: str | None = None
    type: str | None = None
    param: str | None = None
    failures: Any = None
    doc_url: str | None = None
    trace_id: str | None = None
    retry_after: float | None = None
    should_retry: bool | None = None
    body: str = ""
    ambiguous: bool = False
    partial: str = ""
    received: int = 0
    partial_bytes: bytes = b""
    partial_items: tuple[Any, ...] = ()
    suggested_status: int = 500

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        vars(self).update(details)

    @property
    def request_id(self) -> str | None:
        """The ``trace_id``, under the name that the OpenAI and Anthropic SDKs use."""
        return self.trace_id

    @property
    def message(self) -> str:
        """The error message without the details that ``str()`` appends."""
        return str(self.args[0])

    def __str__(self) -> str:
        """The message and the main details, at most 2,000 characters."""
        details = {
            "status": self.status_code,
            "code": self.code or self.type,
            "param": self.param,
            "endpoint": self.endpoint,
            "attempts": self.attempts if self.attempts > 1 else None,
            "bytes received": self.received,
            "trace": self.trace_id,
        }
        suffix = ", ".join(f"{name} {str(value)[:120]}" for name, value in details.items() if value)
        if not suffix:
            return self.message[:MAX_TEXT_CHARS]
        max_message_chars = MAX_TEXT_CHARS - len(suffix) - len(" ()")
        return f"{self.message[:max_message_chars]} ({suffix})"[:MAX_TEXT_CHARS]

    def __repr__(self) -> str:
        """The class and ``str()``, because task queues often show only this."""
        return f"{type(self).__name__}({str(self)!r})"


class RouterInputError(RouterError, core.ModelInvalidRequestError, ValueError):
    """An argument, or the file or URL it names, is invalid. Usually no request was sent."""

    suggested_status = 400


class RouterConnectionError(RouterError, core.ModelConnectionError):
    """The router could not be reached, or the connection failed."""

    suggested_status = 502


class StreamInterruptedError(RouterConnectionError):
    """A stream ended before it was complete.

    ``partial`` contains the text that arrived, and ``received`` the number of bytes.

    >>> StreamInterruptedError("The connection was closed.", partial="Half an ans").partial
    'Half an ans'
    """


class RouterTimeoutError(RouterError, core.ModelTimeoutError):
    """The router did not answer in time."""

    suggested_status = 504
    ambiguous = True


class InvalidResponseError(RouterError, core.ModelAPIError):
    """The response is malformed or lacks an essential part."""

    suggested_status = 502
    is_retryable = False


class SavingError(RouterError, OSError):
    """The result could not be written to a file, for example because the disk is full.

    Attributes:
        errno: Error number of the operating system.
    """

    errno: int | None = None


class RefusalError(RouterError, _ModelRefusalError):
    """The model refused to give structured output or an answer, or a filter removed it.

    The message is the model's explanation, if it gave one.

    Attributes:
        raw_message: The answer of a chat model.
        answers: The response of a decision model with the answers that it did not refuse.
    """

    suggested_status = 422
    raw_message: "BaseMessage | None" = None
    answers: Any = None


class FlaggedContentError(RouterError, core.ModelInvalidRequestError):
    """Moderation flagged a message of an agent, and the middleware is configured to raise.

    Attributes:
        result: The ``ModerationResult`` of the message.
    """

    suggested_status = 422
    result: Any = None


class RouterStatusError(RouterError):
    """The router answered with an error status."""

    suggested_status = 502


class RedirectError(RouterStatusError):
    """The router answered with a redirect (3xx), which is not followed to protect the key."""

    suggested_status = 500


class BadRequestError(RouterStatusError, core.ModelInvalidRequestError):
    """The router or the provider rejected the request (400 and other 4xx)."""

    suggested_status = 400


class GuardrailError(BadRequestError):
    """A guardrail blocked the request or the answer. ``failures`` lists the guardrails."""

    suggested_status = 422


class ContentFilterError(BadRequestError):
    """The provider's content filter blocked the request."""

    suggested_status = 422


class ContextLengthError(BadRequestError, core.ContextOverflowError):
    """The input exceeds the context window of the model."""

    suggested_status = 413


class AuthenticationError(RouterStatusError, core.ModelAuthenticationError):
    """The API key is missing, wrong or expired, or belongs to another workspace (401)."""

    suggested_status = 500


class QuotaExceededError(RouterStatusError, core.ModelPermissionDeniedError):
    """The quota, or the credit at the provider, is used up (402). Retrying does not help."""

    suggested_status = 503


class PermissionDeniedError(RouterStatusError, core.ModelPermissionDeniedError):
    """The API key lacks the permission for this request (403)."""

    suggested_status = 500


class NotFoundError(RouterStatusError, core.ModelNotFoundError):
    """The model does not exist or is not enabled (404). The router does not try fallbacks."""

    suggested_status = 404


class RequestTimeoutError(RouterStatusError, core.ModelTimeoutError):
    """No model answered within its ``call_timeout`` (408)."""

    suggested_status = 504


class RateLimitError(RouterStatusError, core.ModelRateLimitError):
    """Too many requests (429). ``retry_after`` is the time to wait, if the router sent one."""

    suggested_status = 429


class BudgetExceededError(RateLimitError):
    """A budget of the workspace, key or identity is used up. Retrying soon does not help."""

    is_retryable = False


class ServerError(RouterStatusError, core.ModelAPIError):
    """The router or the provider failed (5xx)."""


_STATUSES_AND_CODES: dict[type[RouterStatusError], tuple[int | str, ...]] = {
    GuardrailError: ("guardrail_error",),
    ContentFilterError: ("content_filter", "content_policy_violation", "moderation_blocked"),
    ContextLengthError: ("context_length_exceeded",),
    AuthenticationError: (401, "authentication_required", "invalid_api_key", "expired_api_key"),
    QuotaExceededError: (402, "quota_exceeded", "insufficient_quota", "billing_hard_limit_reached"),
    PermissionDeniedError: (403, "insufficient_scope"),
    NotFoundError: (404,),
    RequestTimeoutError: (408, "request_timeout"),
    RateLimitError: (429, "rate_limit_exceeded"),
    BudgetExceededError: (
        "cost_budget_exceeded",
        "token_budget_exceeded",
        "requests_per_minute_exceeded",
    ),
    BadRequestError: ("invalid_request_error",),
}
_CLASSES = {key: cls for cls, keys in _STATUSES_AND_CODES.items() for key in keys}
_CONTEXT_LENGTH_MESSAGE = re.compile(
    r"context[ _](?:length|window|limit)|maximum (?:context|prompt length)"
    r"|too many (?:input )?tokens|(?:prompt|input) is too long"
    r"|reduce the length of (?:the|your) (?:messages|prompt|input)"
    r"|input token count\b.*\bexceeds|exceeds the maximum number of (?:input )?tokens",
    re.IGNORECASE,
)


def create_error(
    response: "Response", endpoint: str, *, content: bytes | None = None, secret: str = ""
) -> RouterError:
    """Create the exception for an error response from its error code and status.

    Pass ``content`` if only a part of the response is the error, such as a stream event; the
    status may then be 200. The API key (``secret``) is redacted from the error.
    """
    body, text = parse_error_body(response.content if content is None else content, secret)
    fields = get_error_fields(body)
    should_retry = {"true": True, "false": False}.get(response.headers.get("x-should-retry", ""))
    details = {
        "endpoint": endpoint,
        "attempts": response.attempts,
        "status_code": response.status,
        **{name: to_text(fields.get(name)) for name in ("code", "type", "param", "doc_url")},
        "failures": fields.get("failures"),
        "trace_id": response.trace_id,
        "retry_after": parse_retry_after(response.headers, rate_limited=response.status == 429),
        "should_retry": should_retry,
        "body": text[:MAX_BODY_CHARS],
    }
    if response.status == 501:
        details["is_retryable"] = False
    message = to_text(fields.get("message")) or text[:200] or "The router sent no error message."
    error_class = _select_class(response.status, fields, message)
    if 300 <= response.status < 400:
        location = response.headers.get("location", "an unknown location")
        message = f"The router redirects to {location}. Set base_url to the router's own URL."
    return error_class(message, **details)


def _select_class(status: int, fields: Mapping[str, Any], message: str) -> type[RouterStatusError]:
    codes = [to_text(fields.get(name)) or "" for name in ("code", "type")]
    class_by_code = next((_CLASSES[code] for code in codes if code in _CLASSES), None)
    if not 300 <= status < 600 and codes[0].isdecimal() and len(codes[0]) == 3:
        status = int(codes[0])
    if 300 <= status < 400:
        return RedirectError
    if class_by_code is not None and class_by_code is not BadRequestError:
        return class_by_code
    if status in {400, 413, 422} and _CONTEXT_LENGTH_MESSAGE.search(message):
        return ContextLengthError
    if 400 <= status < 500:
        return _CLASSES.get(status, BadRequestError)
    return BadRequestError if class_by_code and status < 500 else ServerError


def to_input_error(error: ValueError, *, endpoint: str = "") -> RouterInputError:
    """Convert a ``ValueError``, including pydantic's, to a ``RouterInputError``."""
    if isinstance(error, RouterInputError):
        return error
    message = format_validation_error(error) if isinstance(error, ValidationError) else str(error)
    return RouterInputError(redact(message), endpoint=endpoint)


@contextmanager
def raise_input_errors(endpoint: str = "") -> Iterator[None]:
    """Raise a ``ValueError`` in the block as a ``RouterInputError``."""
    try:
        yield
    except ValueError as error:
        raise to_input_error(error, endpoint=endpoint) from None


def format_validation_error(error: ValidationError, *, prefix: str = "") -> str:
    """Format the errors of a ``ValidationError`` in one line, each with its field and problem."""
    items = error.errors(include_url=False, include_context=False)
    parents = {item["loc"][:depth] for item in items for depth in range(1, len(item["loc"]))}
    lines = []
    for item in items:
        if item["loc"] in parents:
            continue  # repeats the errors of its fields, which are listed as well
        path = (prefix + ".".join(str(part) for part in item["loc"])).removesuffix(".")
        message = describe_problem(item)
        # Most of pydantic's messages describe what is expected, but not what was passed.
        if item["type"] not in {"value_error", "extra_forbidden", "missing"}:
            message += f", not {item['input']!r:.80}"
        lines.append(f"{path}: {message}" if path else message)
    return "; ".join(lines)

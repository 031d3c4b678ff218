"""The error tree: everything this package raises, and the only place a status becomes one.

    RouterError
    ├── RouterInputError            refused before any request was sent; also a ValueError
    │   └── ChoiceError             a model's choice in a tool call; also a ToolException
    │                               (in ``tools.base``, for only tools need LangChain's tools)
    ├── RouterConnectionError       the router was not reached, or the connection broke
    │   └── StreamInterruptedError  a stream broke off; ``partial`` has the text so far,
    │                               ``received`` how many bytes arrived
    ├── RouterTimeoutError          no answer in time
    ├── InvalidResponseError        a reply that is not what the contract says
    ├── SavingError                 what came could not be written to a file; also an OSError
    ├── RefusalError                the model declined to give structured output; an answer without
    │                               the structure is LangChain's ``OutputParserException``
    └── RouterStatusError           the router answered with an error
        ├── RedirectError           3xx: never followed, the key goes to no other host
        ├── BadRequestError         400 and every other 4xx without a class of its own
        │   ├── GuardrailError      blocked by a guardrail; ``failures`` names them
        │   ├── ContentFilterError  blocked by the provider's content filter
        │   └── ContextLengthError  more input than the model can take
        ├── AuthenticationError     401
        ├── QuotaExceededError      402
        ├── PermissionDeniedError   403
        ├── NotFoundError           404: no such model, or not enabled in the workspace
        ├── RequestTimeoutError     408
        ├── RateLimitError          429
        │   └── BudgetExceededError a budget of the workspace, key or identity is used up
        └── ServerError             5xx

Every one is also a ``ModelError`` of langchain-core, and the matching class of it where there is
one, so that LangChain's retry and fallback middleware tells them apart. Nothing of httpx,
tenacity or pydantic escapes from a call.
"""

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from langchain_core import exceptions as core
from pydantic import ValidationError
from typing_extensions import TypedDict, Unpack

from orq_router_integrations.wire.error_body import (
    MAX_TEXT_CHARS,
    get_error_fields,
    parse_error_body,
    redact,
    to_text,
)
from orq_router_integrations.wire.retry_after import parse_retry_after
from orq_router_integrations.wire.suggestions import suggest_name

if TYPE_CHECKING:
    from orq_router_integrations.wire.call import Response

MAX_BODY_CHARS = 4096


class ErrorDetails(TypedDict, total=False):
    """What an error knows beside its message; see ``RouterError``."""

    endpoint: str
    attempts: int
    status_code: int | None
    code: str | None
    type: str | None
    param: str | None
    failures: Any
    doc_url: str | None
    trace_id: str | None
    retry_after: float | None
    should_retry: bool | None
    body: str
    partial: str
    received: int
    partial_bytes: bytes
    partial_items: tuple[Any, ...]
    ambiguous: bool
    is_retryable: bool
    errno: int | None


class RouterError(core.ModelError):
    """Base of all errors of this package.

    Attributes:
        endpoint: which call it was, such as ``/chat/completions``; empty before any call.
        attempts: how many requests were sent.
        status_code: HTTP status, if the router answered.
        code: the router's own code, such as ``rate_limit_exceeded``, always as text.
        type: the router's error type.
        param: the parameter that the router blames.
        failures: what guardrails found, as the router lists it.
        doc_url: a page the router points to.
        trace_id: the router's trace of the request; quote it to the vendor.
        retry_after: seconds after which the router invites another try.
        should_retry: what the router says of retrying (header ``x-should-retry``), if it does.
        body: the start of the reply's body, at most 4,096 characters.
        partial: the text received before a stream broke.
        received: how many bytes of a stream arrived before it broke.
        partial_bytes: these bytes, where they are audio that was asked for as a whole; who takes
            a stream piece by piece, or writes it to a file, has had them.
        partial_items: what had arrived whole of an answer in several parts: images.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> client = OfflineRouter(models=["openai/gpt-4o"]).client()
    >>> try:
    ...     ChatOrq(model="openai/gpt-9", client=client).invoke("Hi")
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
    partial: str = ""
    received: int = 0
    partial_bytes: bytes = b""
    partial_items: tuple[Any, ...] = ()

    def __init__(self, message: str, **details: Unpack[ErrorDetails]) -> None:
        super().__init__(message)
        vars(self).update(details)

    @property
    def message(self) -> str:
        """What went wrong, without the particulars that ``str()`` adds."""
        return str(self.args[0])

    def __str__(self) -> str:
        """The message and its particulars, at most 2,000 characters."""
        facts = {
            "status": self.status_code,
            "code": self.code,
            "param": self.param,
            "endpoint": self.endpoint,
            "attempts": self.attempts if self.attempts > 1 else None,
            "bytes received": self.received,
            "trace": self.trace_id,
        }
        told = ", ".join(f"{name} {str(value)[:120]}" for name, value in facts.items() if value)
        room = MAX_TEXT_CHARS - len(told) - 3
        return (
            f"{self.message[:room]} ({told})"[:MAX_TEXT_CHARS]
            if told
            else self.message[:MAX_TEXT_CHARS]
        )


class RouterInputError(RouterError, core.ModelInvalidRequestError, ValueError):
    """Something in the call is wrong; it was found before any request was sent."""


class RouterConnectionError(RouterError, core.ModelConnectionError):
    """The router was not reached, or the connection broke.

    Attributes:
        ambiguous: whether the request had gone out, so that the work may have been done.
    """

    ambiguous: bool = False


class StreamInterruptedError(RouterConnectionError):
    """A stream ended before it was complete.

    ``partial`` has the text received, ``received`` says how many bytes arrived.

    >>> StreamInterruptedError("cut off", partial="Half an ans").partial
    'Half an ans'
    """


class RouterTimeoutError(RouterError, core.ModelTimeoutError):
    """No answer in time.

    Attributes:
        ambiguous: whether the request had gone out, so that the work may have been done.
    """

    ambiguous: bool = True


class InvalidResponseError(RouterError, core.ModelAPIError):
    """A reply without something essential, or not of the kind the contract says."""

    is_retryable = False


class SavingError(RouterError, OSError):
    """What came could not be written to a file, for the disk is full, say.

    Attributes:
        errno: the system's number for the reason.
    """

    errno: int | None = None


class RefusalError(RouterError):
    """The model declined to answer in the asked-for structure; the message is its reason."""


class RouterStatusError(RouterError):
    """The router answered with an error."""


class RedirectError(RouterStatusError):
    """The router answered with a redirect, which is not followed."""


class BadRequestError(RouterStatusError, core.ModelInvalidRequestError):
    """The router, or the provider behind it, does not accept the request."""


class GuardrailError(BadRequestError):
    """A guardrail blocked the request or its answer; see ``failures``."""


class ContentFilterError(BadRequestError):
    """The provider's content filter blocked the request."""


class ContextLengthError(BadRequestError, core.ContextOverflowError):
    """The input is longer than the model can take."""


class AuthenticationError(RouterStatusError, core.ModelAuthenticationError):
    """The API key is missing, wrong, expired, or of another workspace."""


class QuotaExceededError(RouterStatusError, core.ModelPermissionDeniedError):
    """The plan's quota is used up."""


class PermissionDeniedError(RouterStatusError, core.ModelPermissionDeniedError):
    """The API key may not do this."""


class NotFoundError(RouterStatusError, core.ModelNotFoundError):
    """The model does not exist or is not enabled; the router says so before any fallback."""


class RequestTimeoutError(RouterStatusError, core.ModelTimeoutError):
    """The provider took longer than ``call_timeout``, on every model that was asked."""


class RateLimitError(RouterStatusError, core.ModelRateLimitError):
    """Too many requests; ``retry_after`` says when to come back, if the router did."""


class BudgetExceededError(RateLimitError):
    """A budget is used up; asking again soon does not help."""

    is_retryable = False


class ServerError(RouterStatusError, core.ModelAPIError):
    """The router or a provider failed."""


_BY_STATUS: dict[int, type[RouterStatusError]] = {
    401: AuthenticationError,
    402: QuotaExceededError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: RequestTimeoutError,
    429: RateLimitError,
}
_BY_CODE: dict[str, type[RouterStatusError]] = {
    "guardrail_error": GuardrailError,
    "content_filter": ContentFilterError,
    "context_length_exceeded": ContextLengthError,
    "cost_budget_exceeded": BudgetExceededError,
    "token_budget_exceeded": BudgetExceededError,
    "requests_per_minute_exceeded": BudgetExceededError,
    "authentication_required": AuthenticationError,
    "invalid_api_key": AuthenticationError,
    "expired_api_key": AuthenticationError,
    "quota_exceeded": QuotaExceededError,
    "insufficient_scope": PermissionDeniedError,
    "request_timeout": RequestTimeoutError,
    "rate_limit_exceeded": RateLimitError,
    "invalid_request_error": BadRequestError,
}
_TOO_LONG = re.compile(
    r"context[ _](?:length|window|limit)|maximum (?:context|prompt length)"
    r"|too many (?:input )?tokens|(?:prompt|input) is too long"
    r"|reduce the length of (?:the|your) (?:messages|prompt|input)"
    r"|input token count\b.*\bexceeds|exceeds the maximum number of (?:input )?tokens",
    re.IGNORECASE,
)


def create_error(
    response: "Response", endpoint: str, *, content: bytes | None = None, secret: str = ""
) -> RouterError:
    """The error that a reply means: by its code, then by its status.

    Args:
        response: the reply; also a 200 that turned out to be an error.
        endpoint: which call it was.
        content: the error, where it stood inside a stream.
        secret: the API key, taken out of everything that the error shows.
    """
    found, text = parse_error_body(response.content if content is None else content, secret)
    fields = get_error_fields(found)
    details: ErrorDetails = {
        "endpoint": endpoint,
        "attempts": response.attempts,
        "status_code": response.status,
        "code": to_text(fields.get("code")),
        "type": to_text(fields.get("type")),
        "param": to_text(fields.get("param")),
        "failures": fields.get("failures"),
        "doc_url": to_text(fields.get("doc_url")),
        "trace_id": response.trace_id,
        "retry_after": parse_retry_after(response.headers, rate_limited=response.status == 429),
        "should_retry": {"true": True, "false": False}.get(
            response.headers.get("x-should-retry", "")
        ),
        "body": text[:MAX_BODY_CHARS],
    }
    if response.status == 501:
        details["is_retryable"] = False
    said = to_text(fields.get("message")) or text[:200] or "the router gave no reason"
    return _class_for(response.status, fields, said)(_redirected(response) or said, **details)


def _redirected(reply: "Response") -> str | None:
    if not 300 <= reply.status < 400:
        return None
    target = reply.headers.get("location", "nowhere")
    return f"the router redirects to {target}; redirects are not followed, set base_url"


def _class_for(status: int, fields: Mapping[str, Any], message: str) -> type[RouterStatusError]:
    codes = [to_text(fields.get(name)) or "" for name in ("code", "type")]
    by_code = next((_BY_CODE[code] for code in codes if code in _BY_CODE), None)
    if not 300 <= status < 600 and codes[0].isdecimal() and len(codes[0]) == 3:
        status = int(codes[0])
    if 300 <= status < 400:
        return RedirectError
    if by_code is not None and by_code is not BadRequestError:
        return by_code
    if status in {400, 413, 422} and _TOO_LONG.search(message):
        return ContextLengthError
    if 400 <= status < 500:
        return _BY_STATUS.get(status, BadRequestError)
    return ServerError if status >= 500 else by_code or ServerError


def to_input_error(
    error: ValueError, *, endpoint: str = "", candidates: Iterable[str] = ()
) -> RouterInputError:
    """Convert a ``ValueError``, also one of pydantic, to a ``RouterInputError``.

    Args:
        error: The error to convert.
        endpoint: Path of the endpoint that the call is for.
        candidates: Names to suggest for an unknown one.
    """
    if isinstance(error, RouterInputError):
        return error
    if isinstance(error, ValidationError):
        message = format_validation_error(error, candidates)
    else:
        message = str(error)
    return RouterInputError(redact(message), endpoint=endpoint)


def format_validation_error(
    error: ValidationError, candidates: Iterable[str] = (), *, prefix: str = ""
) -> str:
    """Format the errors of a ``ValidationError`` in one line, each with its field and the problem.

    Args:
        error: The error to format.
        candidates: Names to suggest for an unknown one.
        prefix: Prefix of every field name.
    """
    items = error.errors(include_url=False, include_context=False)
    parents = {item["loc"][:depth] for item in items for depth in range(1, len(item["loc"]))}
    lines = []
    for item in items:
        if item["loc"] in parents:
            continue  # a consequence of the errors of its fields, which are listed themselves
        path = (prefix + ".".join(str(part) for part in item["loc"])).removesuffix(".")
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden" and not message.startswith("unknown"):
            hint = suggest_name(str(item["loc"][-1]), candidates)
            lines.append(f"{path}: unknown field.{hint}")
        elif item["type"] in {"value_error", "extra_forbidden"}:  # raised by this package
            lines.append(f"{path}: {message}" if path and item["loc"] else message)
        else:
            received = (
                f", not {item['input']!r:.80}" if item["loc"] and item["type"] != "missing" else ""
            )
            lines.append((f"{path}: " if path else "") + message + received)
    return "; ".join(lines)

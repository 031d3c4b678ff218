"""Responses of the router, the errors that cause one, and the encoding of JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson


@dataclass(frozen=True, slots=True)
class RouterResponse:
    """A response before it is converted to HTTP."""

    body: Any = None  # a JSON value, text or bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: tuple[Any, ...] | None = None  # for a stream: JSON values or bytes; replaces the body
    is_complete: bool = True  # whether a stream ends with [DONE]


_TYPES_AND_CODES = {
    400: ("invalid_request_error", "invalid_request_body"),
    401: ("authentication_error", "invalid_api_key"),
    403: ("api_error", "insufficient_scope"),
    404: ("not_found_error", None),
    408: ("timeout_error", "request_timeout"),
    422: ("api_error", "provider_credential_invalid"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    500: ("api_error", "internal_error"),
    501: ("api_error", "not_implemented"),
    502: ("api_error", "provider_error"),
    503: ("api_error", "provider_overloaded"),
    504: ("api_error", "provider_timeout"),
}


@dataclass(slots=True)
class HTTPError(Exception):
    """An error that can be converted to a response."""

    status: int
    message: str
    code: str | None = None  # derived from the status by default
    param: str | None = None  # path of the invalid field, such as messages[0].content
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None  # replaces the documented body

    def to_response(self) -> RouterResponse:
        type_, code = _TYPES_AND_CODES.get(self.status, ("api_error", None))
        error = {"message": self.message, "type": type_, "code": self.code or code}
        body = {"error": {**error, "param": self.param}} if self.body is None else self.body
        return RouterResponse(body, self.status, self.headers)


def reject_field(param: str, message: str) -> NoReturn:
    """Raise a 400 that names the invalid field."""
    raise HTTPError(400, f"{param}: {message}", param=param)


def encode_json(value: Any) -> bytes:
    r"""Encode a value as JSON. Lone surrogates, which UTF-8 cannot represent, become JSON escapes.

    >>> encode_json({"a": "half \ud83d"})
    b'{"a":"half \\ud83d"}'
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()

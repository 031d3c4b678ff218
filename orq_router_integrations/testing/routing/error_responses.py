"""Error responses of the router, with the documented error body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

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
    """An error response, raised when a request is invalid."""

    status: int
    message: str
    code: str | None = None  # derived from the status by default
    param: str | None = None  # path of the invalid field, such as messages[0].content
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None  # instead of the documented one

    def to_body(self) -> Any:
        if self.body is not None:
            return self.body
        type_, code = _TYPES_AND_CODES.get(self.status, ("api_error", None))
        error = {"message": self.message, "type": type_, "code": self.code or code}
        return {"error": {**error, "param": self.param}}


def reject_field(param: str, message: str) -> NoReturn:
    """Raise a 400 that names the invalid field."""
    raise HTTPError(400, f"{param}: {message}", param=param)

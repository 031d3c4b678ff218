"""Error responses of the router, with the documented error body."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
}

_CODES = {
    400: "invalid_request_body",
    401: "invalid_api_key",
    403: "insufficient_scope",
    408: "request_timeout",
    422: "provider_credential_invalid",
    429: "rate_limit_exceeded",
    500: "internal_error",
    501: "not_implemented",
    502: "provider_error",
    503: "provider_overloaded",
    504: "provider_timeout",
}


@dataclass(slots=True)
class HTTPError(Exception):
    """An error response, raised when a request is invalid.

    Attributes:
        status: HTTP status.
        message: Human-readable description.
        code: Machine-readable code; derived from the status by default.
        param: Path of the invalid field, such as ``messages[0].content``.
        failures: Guardrails that blocked the request.
        headers: Response headers.
    """

    status: int
    message: str
    code: str | None = None
    param: str | None = None
    failures: list[dict[str, Any]] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_body(self) -> dict[str, Any]:
        error: dict[str, Any] = {
            "message": self.message,
            "type": _TYPES.get(self.status, "api_error"),
            "code": self.code or _CODES.get(self.status),
            "param": self.param,
        }
        if self.failures is not None:
            error["failures"] = self.failures
        return {"error": error}


def reject_field(param: str, message: str) -> NoReturn:
    """Raise a 400 that names the invalid field."""
    raise HTTPError(400, f"{param}: {message}", param=param)

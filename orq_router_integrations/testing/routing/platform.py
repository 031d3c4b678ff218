"""The checks before a provider is called, and the cache.

Where the documentation is silent, one behavior was chosen: an input guardrail blocks a request
whose last user text contains the id of the guardrail; output guardrails never block; streams are
not cached; files count by name, type and content.
"""

import math
from collections.abc import Callable, Collection, Iterable
from typing import Generic, TypeVar

import httpx

from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.wire.controls import Guardrail

V = TypeVar("V")

WINDOW_SECONDS = 60.0


def check_api_key(request: httpx.Request, keys: Collection[str] | None) -> None:
    """Check the bearer token of a request."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "API key missing. Send the header 'Authorization: Bearer <key>'."
        raise HTTPError(401, message, "authentication_required")
    if keys is not None and key.strip() not in keys:
        raise HTTPError(401, "the API key is not valid for this workspace")


class RateLimit:
    """Counts requests in a rolling window; a ``limit`` of ``None`` is unlimited."""

    def __init__(self, limit: int | None, clock: Callable[[], float]) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"requests_per_minute: must be at least 1, not {limit}")
        self._limit, self._clock = limit, clock
        self._expirations: list[float] = []

    def acquire(self) -> None:
        """Count one request, or raise a 429."""
        if self._limit is None:
            return
        seconds = self._get_seconds_to_reset()
        if len(self._expirations) == self._limit:
            message = f"rate limit of {self._limit} requests per minute. Retry in {seconds} s."
            raise HTTPError(429, message, headers={"retry-after": str(seconds)})
        self._expirations.append(self._clock() + WINDOW_SECONDS)

    def _get_seconds_to_reset(self) -> int:
        now = self._clock()
        self._expirations = [time for time in self._expirations if time > now]
        return max(1, math.ceil(self._expirations[0] - now)) if self._expirations else 0

    def get_headers(self) -> dict[str, str]:
        """Return the rate-limit headers, or an empty dict without a limit."""
        if self._limit is None:
            return {}
        seconds = self._get_seconds_to_reset()
        return {
            "x-ratelimit-limit": str(self._limit),
            "x-ratelimit-remaining": str(self._limit - len(self._expirations)),
            "x-ratelimit-reset": f"{seconds}s",
        }


def check_guardrails(guardrails: Iterable[Guardrail], text: str) -> None:
    """Reject a request whose text contains the ids of input guardrails."""
    ids = [item.id for item in guardrails if item.execute_on != "output" and item.id in text]
    if ids:
        state = {"stage": "input", "value": True, "outcome": "failed"}
        failures = [{"id": id_, **state} for id_ in ids]
        message = f"blocked by the guardrail {ids[0]}"
        raise HTTPError(400, message, code="guardrail_error", failures=failures)


class ExpiringDict(Generic[V]):
    """Values by key, such as cached responses, until they expire."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[float, V]] = {}

    def put(self, key: str, value: V, *, seconds: float) -> None:
        now = self._clock()
        current = {key: entry for key, entry in self._entries.items() if now < entry[0]}
        self._entries = {**current, key: (now + seconds, value)}

    def get(self, key: str) -> V | None:
        expires_at, value = self._entries.get(key, (0.0, None))
        return value if self._clock() < expires_at else None

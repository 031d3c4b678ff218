"""The checks before a provider is called, and the cache.

Where the documentation is silent, one behavior was chosen: streams are not cached; files count by
name, type and content.
"""

import math
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

import httpx

from orq_router_integrations.testing.routing.error_responses import HTTPError

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
        self.headers: dict[str, str] = {}  # state after the last request

    def acquire(self) -> None:
        """Count one request, or raise a 429."""
        if self._limit is None:
            return
        now = self._clock()
        self._expirations = [time for time in self._expirations if time > now]
        is_exceeded = len(self._expirations) >= self._limit
        if not is_exceeded:
            self._expirations.append(now + WINDOW_SECONDS)
        seconds = str(max(1, math.ceil(self._expirations[0] - now)))
        self.headers = {
            "x-ratelimit-limit": str(self._limit),
            "x-ratelimit-remaining": str(self._limit - len(self._expirations)),
            "x-ratelimit-reset": f"{seconds}s",
        }
        if is_exceeded:
            message = f"rate limit of {self._limit} requests per minute. Retry in {seconds} s."
            raise HTTPError(429, message, headers={"retry-after": seconds})


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

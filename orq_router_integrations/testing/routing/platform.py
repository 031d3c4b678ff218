"""What the platform does before it calls a provider: rate limit, input guardrails and cache.

Where the documentation is silent, one behavior was chosen: an input guardrail blocks a request
whose last user text contains the id of the guardrail; output guardrails never block; streams are
not cached.
"""

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from orq_router_integrations.testing.routing.endpoint import RouterResponse
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.multipart_parsing import describe_files
from orq_router_integrations.wire.controls import Guardrail, RouterCache

WINDOW_SECONDS = 60.0


class RateLimit:
    """Counts requests in a rolling window; a ``limit`` of ``None`` is unlimited."""

    def __init__(self, *, limit: int | None, clock: Callable[[], float]) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"requests_per_minute: must be at least 1, not {limit}")
        self._limit = limit
        self._clock = clock
        self._times: deque[float] = deque()

    def acquire(self) -> None:
        """Count one request."""
        if self._limit is None:
            return
        self._drop_expired()
        if len(self._times) >= self._limit:
            wait = str(self._get_reset_seconds())
            message = f"rate limit of {self._limit} requests per minute reached. Retry in {wait} s."
            raise HTTPError(429, message, headers={"retry-after": wait})
        self._times.append(self._clock())

    def get_headers(self) -> dict[str, str]:
        """Return the rate-limit headers, or an empty dict without a limit."""
        if self._limit is None:
            return {}
        self._drop_expired()
        return {
            "x-ratelimit-limit": str(self._limit),
            "x-ratelimit-remaining": str(self._limit - len(self._times)),
            "x-ratelimit-reset": f"{self._get_reset_seconds()}s",
        }

    def _drop_expired(self) -> None:
        start = self._clock() - WINDOW_SECONDS
        while self._times and self._times[0] <= start:
            self._times.popleft()

    def _get_reset_seconds(self) -> int:
        if not self._times:
            return 0
        return max(1, math.ceil(self._times[0] + WINDOW_SECONDS - self._clock()))


def check_guardrails(guardrails: Iterable[Guardrail], text: str) -> None:
    """Reject a request whose text contains the id of an input guardrail."""
    failures = [
        {"id": guardrail.id, "stage": "input", "value": True, "outcome": "failed"}
        for guardrail in guardrails
        if guardrail.execute_on != "output" and guardrail.id in text
    ]
    if failures:
        message = f"blocked by the guardrail {failures[0]['id']}"
        raise HTTPError(400, message, code="guardrail_error", failures=failures)


class ResponseCache:
    """Responses by request, with an expiry."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[float, RouterResponse]] = {}

    def get(self, key: str) -> RouterResponse | None:
        """Return a cached response unless it has expired."""
        expires_at, response = self._entries.get(key, (0.0, None))
        return response if self._clock() < expires_at else None

    def put(self, key: str, response: RouterResponse, settings: RouterCache) -> None:
        """Cache a successful response for ``ttl`` seconds."""
        if response.status == 200:
            self._entries[key] = (self._clock() + settings.ttl, response)


def create_cache_key(path: str, body: Mapping[str, Any]) -> str:
    """Create a cache key from the path and the body. Files count by content, not by name."""
    try:
        fields = describe_files(body, lambda file: file.sha256)
        data = orjson.dumps([path, fields], option=orjson.OPT_SORT_KEYS)
    except TypeError:
        raise HTTPError(400, "the body is nested too deeply") from None
    return hashlib.blake2b(data, digest_size=16).hexdigest()

"""Rate limit of the platform: requests in a rolling window of 60 seconds."""

import math
from collections import deque
from collections.abc import Callable

from orq_router_integrations.testing.routing.error_responses import HTTPError

WINDOW_SECONDS = 60.0


class RateLimit:
    """Counts requests in the window; a ``limit`` of ``None`` is unlimited."""

    def __init__(self, *, limit: int | None, clock: Callable[[], float]) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"requests_per_minute: must be at least 1, not {limit}")
        self._limit = limit
        self._clock = clock
        self._times: deque[float] = deque()

    def acquire(self) -> None:
        """Count one request.

        Raises:
            HTTPError: 429, the limit is reached. The request is not counted.
        """
        if self._limit is None:
            return
        self._drop_expired()
        if len(self._times) >= self._limit:
            wait = str(self._get_reset_seconds())
            message = f"rate limit of {self._limit} requests per minute reached. Retry in {wait} s."
            raise HTTPError(429, message, code="rate_limit_exceeded", headers={"retry-after": wait})
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

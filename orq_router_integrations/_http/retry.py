"""Client-side retries, limited to failures that the router does not retry.

The router has its own retries and fallbacks, which would multiply with those of the client. If a
request asks for them, the client leaves model errors to the router; otherwise it also retries the
statuses in ``DEFAULT_RETRY_STATUSES``, unless the header ``x-should-retry`` decides. All calls of a
client share tokens for retries. Tenacity runs the retries.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from orq_router_integrations._http.client_state import RETRY_TOKENS
from orq_router_integrations._http.exchange import MAX_RETRY_AFTER_SECONDS, Exchange
from orq_router_integrations.errors import (
    RouterConnectionError,
    RouterError,
    RouterStatusError,
    RouterTimeoutError,
)
from orq_router_integrations.wire.controls import DEFAULT_RETRY_STATUSES

T = TypeVar("T")

INITIAL_BACKOFF_SECONDS = 0.5  # before the first retry; doubles with each one
MAX_BACKOFF_SECONDS = 8.0

SHORT_WAIT_SECONDS = 0.1
MAX_SHORT_WAITS = 10
"""Maximum number of such short waits per call, so that they cannot cause a storm of requests."""

RETRY_COST = 5
TIMEOUT_RETRY_COST = 10
"""Tokens that a retry costs. A successful call gives back those of its retries, or one token."""


@dataclass(slots=True)
class RetryPolicy:
    """Decides whether a call is retried, and how long to wait before each retry.

    If the request asks the router for retries or fallbacks, the client only retries requests that
    never reached the router, and responses with status 429 or 503 that say when to retry. Waiting
    for such responses does not count as a retry, but ``max_retries=0`` disables it too.
    """

    exchange: Exchange[Any]
    _tokens: int = 0  # taken for retries
    _retries: int = 0
    _short_waits: int = 0
    _wait_seconds: float = 0.0  # before the next attempt

    def run(self, function: Callable[[Exchange[Any]], T]) -> T:
        """Call a function, and repeat it while its errors are retryable."""
        try:
            return self._return_tokens(function(self.exchange))
        except RouterError as error:
            if not self._start_retry(error):
                raise
        # Not in the handler, so that later errors are not chained to the first one.
        import tenacity  # noqa: PLC0415 - most programs never need it

        tenacity.nap.sleep(self._wait_seconds)
        retrying = tenacity.Retrying(**self._get_options())
        return self._return_tokens(retrying(function, self.exchange))

    async def arun(self, function: Callable[[Exchange[Any]], Awaitable[T]]) -> T:
        """Await a function, and repeat it while its errors are retryable; see ``run``."""
        try:
            return self._return_tokens(await function(self.exchange))
        except RouterError as error:
            if not self._start_retry(error):
                raise
        import tenacity  # noqa: PLC0415

        await asyncio.sleep(self._wait_seconds)
        retrying = tenacity.AsyncRetrying(**self._get_options())
        return self._return_tokens(await retrying(function, self.exchange))

    def _return_tokens(self, result: T) -> T:
        """Give back the tokens of the retries, or one token, and return the result of the call."""
        state = self.exchange.state
        state.retry_tokens = min(state.retry_tokens + max(self._tokens, 1), RETRY_TOKENS)
        return result

    def _get_options(self) -> dict[str, Any]:
        from tenacity import retry_if_exception  # noqa: PLC0415

        return {
            "retry": retry_if_exception(self._start_retry),
            "wait": lambda _: self._wait_seconds,
        }

    def _start_retry(self, error: BaseException) -> bool:
        """Return whether to retry after an error; if so, set the wait and take the tokens."""
        if not isinstance(error, RouterError) or not self._is_retryable(error):
            return False
        state, max_retries = self.exchange.state, self.exchange.settings.max_retries
        throttle, remaining = get_throttle_seconds(error), self.exchange.deadline.remaining
        if throttle:
            self.exchange.pacer.gate.reject(throttle)  # all calls of the client wait
        if throttle and max_retries:
            return self._start_throttled_retry(throttle, remaining)
        self._wait_seconds = self._get_wait_seconds(error)
        cost = TIMEOUT_RETRY_COST if isinstance(error, RouterTimeoutError) else RETRY_COST
        is_over = self._retries >= max_retries or self._wait_seconds >= remaining
        if is_over or state.retry_tokens < cost:
            return False
        state.retry_tokens -= cost
        self._tokens += cost
        self._retries += 1
        return True

    def _start_throttled_retry(self, throttle: float, remaining: float) -> bool:
        """Leave the wait to the pacer. Return false for too many waits, or too long ones."""
        self._wait_seconds = 0.0
        if throttle < SHORT_WAIT_SECONDS:  # other calls may use up the limit first
            self._wait_seconds = SHORT_WAIT_SECONDS * random.uniform(1, 2)  # noqa: S311
            self._short_waits += 1
        is_storm = self._short_waits > MAX_SHORT_WAITS
        return not is_storm and max(throttle, self._wait_seconds) < remaining

    def _get_wait_seconds(self, error: RouterError) -> float:
        """Return the delay that the router asks for, or else an exponential backoff with jitter."""
        longest = min(INITIAL_BACKOFF_SECONDS * 2.0**self._retries, MAX_BACKOFF_SECONDS)
        return error.retry_after or longest * random.uniform(0.5, 1)  # noqa: S311

    def _is_retryable(self, error: RouterError) -> bool:
        """Check whether sending the same call again may help and is allowed."""
        if (error.retry_after or 0) > MAX_RETRY_AFTER_SECONDS:
            return False
        has_router_retries = self.exchange.encoded.controls.has_router_retries
        if isinstance(error, RouterConnectionError | RouterTimeoutError):
            may_repeat = self.exchange.call.retry_ambiguous and not has_router_retries
            return error.is_retryable and (may_repeat or not error.ambiguous)
        if not isinstance(error, RouterStatusError) or error.should_retry is False:
            return False
        status = error.status_code or 0
        if has_router_retries:
            return status in {429, 503} and error.retry_after is not None and error.is_retryable
        if error.should_retry and (status == 409 or 500 <= status < 600):
            return True
        return status in DEFAULT_RETRY_STATUSES and error.is_retryable


def get_throttle_seconds(error: BaseException) -> float:
    """Return the seconds until the router accepts requests again, or 0 if they are unknown."""
    if not isinstance(error, RouterStatusError) or error.status_code not in {429, 503}:
        return 0.0
    seconds = error.retry_after or 0.0
    is_final = not error.is_retryable or error.should_retry is False
    return 0.0 if is_final or seconds > MAX_RETRY_AFTER_SECONDS else seconds

"""Retries of the client, limited to failures that the router cannot retry itself.

The router has its own retries and fallbacks, which would multiply with those of the client. The
client therefore only retries failures on the way to the router. Tenacity runs the retries.
"""

import math
import os
import random
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from orq_router_integrations._http.deadline import Deadline
from orq_router_integrations.errors import (
    RouterConnectionError,
    RouterError,
    RouterStatusError,
    RouterTimeoutError,
)
from orq_router_integrations.wire.controls import DEFAULT_RETRY_STATUSES

if TYPE_CHECKING:  # imported by the first retry, because most programs never need it
    import tenacity

    class _ThrottledError(RouterStatusError):
        retry_after: float


A = TypeVar("A")
T = TypeVar("T")

INITIAL_BACKOFF_SECONDS = 0.5  # before the first retry; doubles with each one
MAX_BACKOFF_SECONDS = 8.0

MAX_RETRY_AFTER_SECONDS = 60.0
"""Longest wait before a retry. If the router asks for a longer one, the error is raised."""

SHORT_WAIT_SECONDS = 0.1
MAX_SHORT_WAITS = 10
"""Number of shorter waits per call, so that such responses cannot cause a storm of requests."""

BUDGET_TOKENS = 500
RETRY_COST = 5
TIMEOUT_RETRY_COST = 10


class RetryBudget:
    """Tokens for the retries of all calls of a client, so that retries do not worsen an outage.

    A retry costs tokens, more after a timeout. A call that succeeds returns what its retries cost,
    or one token. When too few are left, calls are not retried.
    """

    _lock = threading.RLock()
    """Shared by all budgets, so that one function can replace it after a fork."""

    def __init__(self) -> None:
        self.tokens = BUDGET_TOKENS

    def acquire(self, cost: int) -> bool:
        """Take tokens if enough are left, and return whether that was the case."""
        with self._lock:
            if self.tokens < cost:
                return False
            self.tokens -= cost
            return True

    def release(self, tokens: int) -> None:
        """Return tokens, up to the initial number."""
        with self._lock:
            self.tokens = min(self.tokens + tokens, BUDGET_TOKENS)

    @classmethod
    def reset_after_fork(cls) -> None:
        """Replace the lock, which another thread of the parent process may hold."""
        cls._lock = threading.RLock()

    def __reduce__(self) -> Any:
        return RetryBudget, ()  # an unpickled client starts with a full budget

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RetryBudget)  # the spent tokens do not affect client equality

    def __hash__(self) -> int:
        return hash(RetryBudget)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=RetryBudget.reset_after_fork)


@dataclass(slots=True, kw_only=True)
class RetryPolicy:
    """Decides whether one call is retried, and how long to wait before each retry.

    Attributes:
        max_retries: Retries after the first attempt. Responses that say when to retry do not count,
            unless this is 0.
        has_router_retries: Whether the request asks the router for retries or fallbacks. The
            client then only retries requests that never reached the router, and responses with
            status 429 or 503 that say when to retry.
        retry_ambiguous: Whether to retry when the router may have received the request.
        deadline: The deadline of the call; a wait that would end after it is not started.
        budget: The budget shared by all calls of the client.
    """

    max_retries: int = 2
    has_router_retries: bool = False
    retry_ambiguous: bool = True
    deadline: Deadline = field(
        default_factory=lambda: Deadline(timeout=math.inf, idle_timeout=math.inf)
    )
    budget: RetryBudget = field(default_factory=RetryBudget)
    _charged: int = 0
    _retries: int = 0
    _short_waits: int = 0

    def run(self, function: Callable[[A], T], argument: A) -> T:
        """Call a function, and retry it while its errors are retryable."""
        errors: list[RouterError] = []

        def attempt() -> T:
            if errors:  # show tenacity the first error, which was raised before it started
                raise errors.pop()
            return function(argument)

        try:
            result = function(argument)
        except RouterError as error:
            errors.append(error)
        if errors:  # outside the handler, so that later errors are not chained to this one
            import tenacity  # noqa: PLC0415

            result = tenacity.Retrying(**self._get_options())(attempt)
        self.budget.release(max(self._charged, 1))
        return result

    async def arun(self, function: Callable[[A], Awaitable[T]], argument: A) -> T:
        """Await a function, and retry it while its errors are retryable; see ``run``."""
        errors: list[RouterError] = []

        async def attempt() -> T:
            if errors:
                raise errors.pop()
            return await function(argument)

        try:
            result = await function(argument)
        except RouterError as error:
            errors.append(error)
        if errors:
            import tenacity  # noqa: PLC0415

            result = await tenacity.AsyncRetrying(**self._get_options())(attempt)
        self.budget.release(max(self._charged, 1))
        return result

    def _get_options(self) -> dict[str, Any]:
        return {
            "stop": self._should_stop,
            "retry": lambda state: self.is_retryable(_get_error(state)),
            "wait": self._get_wait_seconds,
            "reraise": True,
        }

    def _should_stop(self, state: "tenacity.RetryCallState") -> bool:
        """Check whether attempts, time or budget are used up; if not, charge the budget."""
        error = _get_error(state)
        if is_throttled(error) and self.max_retries:
            self._short_waits += error.retry_after < SHORT_WAIT_SECONDS
            is_storm = self._short_waits > MAX_SHORT_WAITS
            wait = max(error.retry_after, state.upcoming_sleep)
            return is_storm or wait >= self.deadline.remaining
        if self._retries >= self.max_retries or state.upcoming_sleep >= self.deadline.remaining:
            return True
        timed_out = isinstance(error, RouterTimeoutError)
        cost = TIMEOUT_RETRY_COST if timed_out else RETRY_COST
        if not self.budget.acquire(cost):
            return True
        self._charged += cost
        self._retries += 1
        return False

    def _get_wait_seconds(self, state: "tenacity.RetryCallState") -> float:
        """Return the delay that the router asks for, or else an exponential backoff with jitter."""
        error = _get_error(state)
        if is_throttled(error):  # the pacer waits, but others may be faster after a short wait
            is_short = error.retry_after < SHORT_WAIT_SECONDS
            return random.uniform(1, 2) * SHORT_WAIT_SECONDS if is_short else 0.0  # noqa: S311
        if isinstance(error, RouterStatusError) and error.retry_after is not None:
            return error.retry_after
        longest = min(INITIAL_BACKOFF_SECONDS * 2.0**self._retries, MAX_BACKOFF_SECONDS)
        return longest * random.uniform(0.5, 1)  # noqa: S311 - not used for security

    def is_retryable(self, error: BaseException | None) -> bool:
        """Check whether sending the same call again may help and is allowed."""
        if not isinstance(error, RouterError):
            return False
        if (error.retry_after or 0) > MAX_RETRY_AFTER_SECONDS:
            return False
        if isinstance(error, (RouterConnectionError, RouterTimeoutError)):
            may_repeat = self.retry_ambiguous and not self.has_router_retries
            return error.is_retryable and (may_repeat or not error.ambiguous)
        return isinstance(error, RouterStatusError) and self._is_retryable_status(error)

    def _is_retryable_status(self, error: RouterStatusError) -> bool:
        status = error.status_code or 0
        if error.should_retry is False:
            return False
        if self.has_router_retries:
            return status in {429, 503} and error.retry_after is not None and error.is_retryable
        if error.should_retry is True and (status == 409 or 500 <= status < 600):
            return True
        return status in DEFAULT_RETRY_STATUSES and error.is_retryable


def _get_error(state: "tenacity.RetryCallState") -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def is_throttled(error: BaseException | None) -> TypeGuard["_ThrottledError"]:
    """Check whether an error says when the router accepts requests again."""
    return (
        isinstance(error, RouterStatusError)
        and error.status_code in {429, 503}
        and error.is_retryable
        and error.should_retry is not False
        and 0 < (error.retry_after or 0) <= MAX_RETRY_AFTER_SECONDS
    )

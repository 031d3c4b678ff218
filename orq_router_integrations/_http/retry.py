"""The client's own retries: few, and only for what the router cannot retry itself.

The router has retries and fallbacks of its own, which multiply with ours; so ours cover the way
*to* the router. This is the only file that knows tenacity.
"""

import math
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from orq_router_integrations._http.deadline import Deadline
from orq_router_integrations._http.fork_safety import ForkSafeRLock
from orq_router_integrations.errors import (
    RouterConnectionError,
    RouterError,
    RouterStatusError,
    RouterTimeoutError,
)

if TYPE_CHECKING:  # loaded when a call fails, for most programs never need it
    import tenacity

A = TypeVar("A")
T = TypeVar("T")

RETRYABLE_STATUSES = frozenset({408, 429, 500, 502, 503, 504, 529})
"""Statuses retried by the client: the router's own default list (contract section 4.3)."""

INITIAL_BACKOFF_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 8.0
MAX_RETRY_AFTER_SECONDS = 60.0


QUOTA = 500
COST = 5
COST_OF_TIMEOUT = 10


class RetryBudget:
    """What the retries of all calls of a client may cost, so that an outage is not made worse.

    A retry takes tokens, and more after a timeout; a call that succeeds gives back what its
    retries took, or one token. Who finds too few left does not retry.
    """

    def __init__(self) -> None:
        self._lock = ForkSafeRLock()
        self.tokens = QUOTA

    def acquire(self, cost: int) -> bool:
        """Take tokens, if there are as many."""
        with self._lock:
            enough = self.tokens >= cost
            self.tokens -= cost if enough else 0
            return enough

    def release(self, tokens: int) -> None:
        """Give tokens back; there are never more than at the beginning."""
        with self._lock:
            self.tokens = min(self.tokens + tokens, QUOTA)

    def __reduce__(self) -> Any:
        return RetryBudget, ()  # a client that travels to another process begins anew there

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RetryBudget)  # what was spent does not tell clients apart

    def __hash__(self) -> int:
        return hash(RetryBudget)


@dataclass(slots=True, kw_only=True)
class RetryPolicy:
    """When the client sends a call again, and how long it waits before; one for each call.

    Attributes:
        max_retries: retries after the first attempt.
        router_retries: whether the request asks the router for retries or fallbacks. The client
            then repeats only what never reached it, and a 429 or 503 that names a time.
        repeatable: whether a call may be sent again when it is unknown if it was worked on.
        clock: that of the whole call; no pause begins that would end behind its deadline.
        quota: what the retries of all calls may cost together.
    """

    max_retries: int = 2
    router_retries: bool = False
    repeatable: bool = True
    deadline: Deadline = field(
        default_factory=lambda: Deadline(timeout=math.inf, idle_timeout=math.inf)
    )
    budget: RetryBudget = field(default_factory=RetryBudget)
    _spent: int = 0

    def run(self, work: Callable[[A], T], subject: A) -> T:
        """Do some work until it needs no retry; most never does, and then tenacity is not asked."""
        failed: list[RouterError] = []

        def again() -> T:
            if failed:
                raise failed.pop()
            return work(subject)

        try:
            done = work(subject)
        except RouterError as error:
            failed.append(error)
        if failed:  # outside of the handler, for this error is not the cause of what follows
            import tenacity  # noqa: PLC0415

            done = tenacity.Retrying(**self._options())(again)
        self.budget.release(max(self._spent, 1))
        return done

    async def arun(self, work: Callable[[A], Awaitable[T]], subject: A) -> T:
        """The same for coroutine functions; pauses without blocking the event loop."""
        failed: list[RouterError] = []

        async def again() -> T:
            if failed:
                raise failed.pop()
            return await work(subject)

        try:
            done = await work(subject)
        except RouterError as error:
            failed.append(error)
        if failed:
            import tenacity  # noqa: PLC0415

            done = await tenacity.AsyncRetrying(**self._options())(again)
        self.budget.release(max(self._spent, 1))
        return done

    def _options(self) -> dict[str, Any]:
        return {
            "stop": self._enough,
            "retry": self._again,
            "wait": pause,
            "reraise": True,
        }

    def _again(self, state: "tenacity.RetryCallState") -> bool:
        error = state.outcome.exception() if state.outcome else None
        return error is not None and self.is_retryable(error)

    def _enough(self, state: "tenacity.RetryCallState") -> bool:
        """Whether attempts, time or tokens are used up."""
        return (
            state.attempt_number > self.max_retries
            or state.upcoming_sleep >= self.deadline.remaining
            or not self._pay(state.outcome.exception() if state.outcome else None)
        )

    def _pay(self, error: BaseException | None) -> bool:
        cost = COST_OF_TIMEOUT if isinstance(error, RouterTimeoutError) else COST
        paid = self.budget.acquire(cost)
        self._spent += cost if paid else 0
        return paid

    def is_retryable(self, error: BaseException) -> bool:
        """Whether sending the same call again may help and is allowed."""
        if not isinstance(error, RouterError) or (error.retry_after or 0) > MAX_RETRY_AFTER_SECONDS:
            return False
        if isinstance(error, (RouterConnectionError, RouterTimeoutError)):
            may_repeat = self.repeatable and not self.router_retries
            return error.is_retryable and (may_repeat or not error.ambiguous)
        return isinstance(error, RouterStatusError) and self._is_transient_status(error)

    def _is_transient_status(self, error: RouterStatusError) -> bool:
        status = error.status_code or 0
        if error.should_retry is False:
            return False
        if self.router_retries:
            return status in {429, 503} and error.retry_after is not None and error.is_retryable
        invited = error.should_retry is True and (status == 409 or 500 <= status < 600)
        return invited or (status in RETRYABLE_STATUSES and error.is_retryable)


def pause(state: "tenacity.RetryCallState") -> float:
    """Seconds to wait before the next attempt: what the router asks for, else a growing pause."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RouterStatusError) and error.retry_after is not None:
        return error.retry_after
    longest = min(INITIAL_BACKOFF_SECONDS * 2.0 ** (state.attempt_number - 1), MAX_BACKOFF_SECONDS)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing

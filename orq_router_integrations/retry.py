"""The client's own retries: few, and only for what the router cannot retry itself.

The router has retries and fallbacks of its own, which multiply with ours; so ours cover the way
*to* the router. This is the only file that knows tenacity.
"""

import random
from dataclasses import dataclass
from typing import Any

import tenacity

from orq_router_integrations.errors import (
    RouterConnectionError,
    RouterError,
    RouterStatusError,
    RouterTimeoutError,
)

RETRIED = frozenset({408, 429, 500, 502, 503, 504, 529})
"""Statuses retried by the client: the router's own default list (contract section 4.3)."""

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
LONGEST_WISH = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """When the client sends a call again, and how long it waits before.

    Attributes:
        max_retries: retries after the first attempt.
        router_retries: whether the request asks the router for retries or fallbacks. The client
            then repeats only what never reached it, and a 429 or 503 that names a time.
        repeatable: whether a call may be sent again when it is unknown if it was worked on.
    """

    max_retries: int = 2
    router_retries: bool = False
    repeatable: bool = True

    def retrying(self) -> tenacity.Retrying:
        """Call it with a function and its arguments to run that until it needs no retry."""
        return tenacity.Retrying(**self._options())

    def aretrying(self) -> tenacity.AsyncRetrying:
        """The same for coroutine functions; pauses without blocking the event loop."""
        return tenacity.AsyncRetrying(**self._options())

    def _options(self) -> dict[str, Any]:
        return {
            "stop": tenacity.stop_after_attempt(self.max_retries + 1),
            "retry": tenacity.retry_if_exception(self.is_transient),
            "wait": pause,
            "reraise": True,
        }

    def is_transient(self, error: BaseException) -> bool:
        """Whether sending the same call again may help and is allowed."""
        if not isinstance(error, RouterError) or (error.retry_after or 0) > LONGEST_WISH:
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
        return invited or (status in RETRIED and error.is_retryable)


def pause(state: tenacity.RetryCallState) -> float:
    """Seconds to wait before the next attempt: what the router asks for, else a growing pause."""
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, RouterStatusError) and error.retry_after is not None:
        return error.retry_after
    longest = min(FIRST_PAUSE * 2.0 ** (state.attempt_number - 1), LONGEST_PAUSE)
    return longest * random.uniform(0.5, 1)  # noqa: S311 - spreads load, guards nothing

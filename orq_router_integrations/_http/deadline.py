"""Deadlines and timeouts of a call.

httpx only limits the time between two bytes, so a server that sends a byte now and then could keep
a call open forever. A `Deadline` limits the call as a whole. The package's own connections check it
whenever they wait; `client_sender` explains how calls over the caller's own httpx client end.
"""

import math
import time
from collections.abc import Callable
from contextvars import ContextVar

import httpx

from orq_router_integrations.settings import MAX_TIMEOUT_SECONDS, RouterSettings
from orq_router_integrations.wire.arguments import warn_caller
from orq_router_integrations.wire.controls import RouterControls

MIN_TIMEOUT_SECONDS = 0.001
"""Sockets interpret zero as "do not wait", and httpx rejects negative numbers."""

KEEPALIVE_SECONDS = 50.0
"""Seconds that an unused connection stays open; many load balancers close it after 60 seconds."""

DRAIN_SECONDS = 0.05
"""Seconds to wait for the last bytes after a complete response, so its connection can be reused."""

CONNECT_TIMEOUT_SECONDS = 10.0
DEFAULT_TIMEOUT_SECONDS = 600.0
TIMEOUT_MARGIN_SECONDS = 30.0
"""Seconds added to the longest time that the controls allow the router to take."""

CANCEL_CHECK: ContextVar[Callable[[], bool] | None] = ContextVar("cancel_check", default=None)
"""A function that checks whether the sync calls of this context were cancelled.

This is the only way to cancel a call in a thread.
"""


class DeadlineExceededError(Exception):
    """The deadline of a call has passed, or the call was cancelled."""


class Deadline:
    """Time limit of a call: a timeout for the whole call, then for each pause in its stream.

    Attributes:
        timeout: Seconds until the call must be answered, retries included. It also limits the
            stream if the deadline ``covers_stream``.
        idle_timeout: Seconds to wait for the next item of a stream.
        ends_at: When the whole call has to end, in seconds on the monotonic clock.
        expires_at: When the wait ends, on the same clock; infinite while paused.
        is_idle_timeout: Whether the wait is limited by the idle timeout.
        is_cancelled: Checks whether the call was cancelled; ``None`` if nothing can cancel it.
    """

    def __init__(self, *, timeout: float, idle_timeout: float, covers_stream: bool = False) -> None:
        self.started_at = time.monotonic()
        self.timeout = timeout
        self.idle_timeout = idle_timeout
        self.expires_at = self.started_at + timeout
        self.ends_at = self.expires_at if covers_stream else math.inf
        self.is_idle_timeout = False
        self.is_cancelled = CANCEL_CHECK.get()

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; zero if the call was cancelled."""
        if self.is_cancelled and self.is_cancelled():
            return 0.0
        return max(self.expires_at - time.monotonic(), 0.0)

    def cap(self, seconds: float | None) -> float:
        """Shorten a wait so that it ends no later than the deadline; ``None`` is unlimited."""
        remaining = self.remaining
        if not remaining:
            raise DeadlineExceededError
        return min(remaining, MAX_TIMEOUT_SECONDS if seconds is None else seconds)

    def pause(self) -> None:
        """Pause the deadline while the caller processes an item."""
        self.expires_at = math.inf

    def resume(self, seconds: float | None = None) -> None:
        """Restart the deadline to wait for the next item, by default for the idle timeout."""
        end = time.monotonic() + (self.idle_timeout if seconds is None else seconds)
        self.expires_at = min(end, self.ends_at)
        self.is_idle_timeout = end < self.ends_at


def create_limits(
    settings: RouterSettings, controls: RouterControls, *, covers_stream: bool
) -> tuple[httpx.Timeout, Deadline]:
    """Create timeout and deadline of a call; warns if the controls allow the router more time."""
    worst_case = controls.worst_case_seconds
    longest = DEFAULT_TIMEOUT_SECONDS
    if worst_case is not None:
        longest = min(worst_case + TIMEOUT_MARGIN_SECONDS, MAX_TIMEOUT_SECONDS)
        for name in ("timeout", "deadline"):
            seconds = getattr(settings, name)
            if seconds is not None and seconds < worst_case:
                warn_caller(
                    f"{name}={seconds:g} is shorter than the {worst_case:g} seconds that the "
                    "controls allow the router for every model, retry and wait, so the client may "
                    f"give up while a fallback is still working. Raise {name}= or shorten the "
                    "controls."
                )
    timeout = settings.timeout or longest
    deadline = Deadline(
        timeout=settings.deadline or max(DEFAULT_TIMEOUT_SECONDS, timeout),
        idle_timeout=settings.stream_chunk_timeout,
        covers_stream=covers_stream,
    )
    return httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT_SECONDS)), deadline

"""`Pace`, the maximum rate of a client's requests, and the queue in which calls wait.

Calls wait for their turn under the ``Pace``, and after a response that says when to retry. Such a
response delays all calls of the client, because each of them would be rejected too. Without this,
many workers waste more requests than the router accepts.
"""

import asyncio
import logging
import math
import os
import random
import threading
import time
from collections import deque
from concurrent.futures import Future
from concurrent.futures import wait as wait_for_futures
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable
from uuid import uuid4

from orq_router_integrations._http.deadline import Deadline, DeadlineExceededError
from orq_router_integrations.errors import RouterInputError

_LOG = logging.getLogger(__name__)
USABLE_SHARE = 0.95
"""Share of a limit to use. The rest absorbs differences between the clocks of client and router."""

BURST_DIVISOR = 20  # one twentieth of the limit may be sent at the same moment

MAX_PERIOD_SECONDS = 120.0  # longer periods say little about the limit, because calls may be rare
MIN_ACCEPTED_CALLS = 5  # fewest accepted calls from which a rate is learned
GROWTH = 1.5
"""Factor by which calls may exceed the learned rate, so that clients catch up after rejections, and
use the part of the limit that other clients leave."""

FIRST_INTERVAL_SECONDS = 0.1
"""Longest interval between calls after the first rejection, when the limit is not known yet."""

CANCEL_CHECK_SECONDS = 0.1
MAX_PAUSE_SECONDS = 0.5
"""Longest pause of the thread. After each pause it checks whether calls are still waiting."""


@runtime_checkable
class PaceBackend(Protocol):
    """Hands out permits to send a request, for example to all machines of a cluster.

    It is called from one thread at a time in each process and may block for a short time. It must
    support pickling if the client is pickled.
    """

    def acquire(self) -> float:
        """Take a permit. Returns 0, or the seconds to wait before trying again."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Maximum rate of a client's requests.

    Requests are spread over the period, with short bursts, and 5% of the limit is left unused.
    Copies of a ``Pace`` in one process, including unpickled ones, share one limit. With ``shared``,
    all processes with the same ``shared`` and ``name`` do.

    Retries count as requests. Waiting counts towards the deadline of a call.

    Args:
        limit: Maximum number of requests per period.
        per: Length of the period in seconds, or a ``timedelta``.
        shared: ``redis://...``, ``postgresql://...``, or the path of a SQLite file that the
            processes of one machine can write (extra ``scale``; also ``pip install redis`` or
            ``pip install 'psycopg[binary]'``). For another database, an object with a method
            ``acquire()`` that returns 0 for a permit, or the seconds until the next attempt. If
            the database cannot be reached or the method fails during a run, a warning is logged
            and each process applies the limit independently.
        name: Name of the limit in a shared database.

    Raises:
        RouterInputError: An argument is invalid, or ``shared`` cannot be reached.

    >>> from orq_router_integrations import RouterClient
    >>> client = RouterClient(api_key="sk-orq-example", pace=Pace(600, per=60))
    >>> client.pace.limit
    600
    """

    limit: int
    per: float | timedelta = field(default=60.0, kw_only=True)
    shared: "str | os.PathLike[str] | PaceBackend | None" = field(default=None, kw_only=True)
    name: str = field(default="orq", kw_only=True)
    id: str = field(default_factory=lambda: uuid4().hex, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or self.limit < 1:
            raise RouterInputError(f"limit: Expected a positive int, got {self.limit!r}.")
        if not isinstance(self.per, int | float | timedelta) or not 0 < self.seconds < math.inf:
            raise RouterInputError(f"per: Expected seconds above 0, got {self.per!r}.")
        is_object = not isinstance(self.shared, type)
        if self.shared is None or (is_object and isinstance(self.shared, PaceBackend)):
            return
        if not isinstance(self.shared, str | os.PathLike) or not os.fspath(self.shared):
            raise RouterInputError(
                "shared: Expected a URL, a path or an object with an acquire method, "
                f"got {self.shared!r:.80}."
            )
        from orq_router_integrations._http.shared_pace import connect  # noqa: PLC0415

        connect(self)

    @property
    def seconds(self) -> float:
        """Length of the period in seconds."""
        return self.per.total_seconds() if isinstance(self.per, timedelta) else self.per

    @property
    def burst(self) -> int:
        """Number of requests that may be sent at the same moment."""
        return max(1, self.limit // BURST_DIVISOR)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.limit * USABLE_SHARE / self.seconds


class Gate:
    """Admits calls about as fast as the router has accepted them, and none while it is closed.

    It counts the calls it admits. When it opens again, it learns from their number and the time
    passed which rate the router accepts, and spaces the next calls at a somewhat higher rate.
    Without a rejection, the rate doubles with each period.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_closed = False
        self._closed_seconds = 0.0  # how long the last response asked to wait
        self._opened_at = 0.0  # when the gate last opened
        self._opens_at = 0.0  # when it opens next, while it is closed
        self._next_at = 0.0  # earliest time of the next call
        self._interval = 0.0  # learned seconds between two calls; 0 if nothing is known
        self._period = 1.0  # seconds after which the rate doubles if nothing is rejected
        self._counted_since = 0.0  # when the next two counts started
        self._admitted = 0
        self._rejected = 0

    def close(self, seconds: float) -> None:
        """Close for a number of seconds, unless it is closed for longer.

        A router with a rolling window reports a used-up limit with every response, so this starts a
        new period only if the current one is over.
        """
        with self._lock:
            now = time.monotonic()
            if self._interval and now - self._opened_at < self._period:
                self._opens_at = max(self._opens_at, now + seconds)
            else:
                self._close(seconds)

    def reject(self, seconds: float) -> None:
        """Count a request that the router has rejected, and close."""
        with self._lock:
            self._rejected += 1
            self._close(seconds)

    def _close(self, seconds: float) -> None:
        self._opens_at = max(self._opens_at, time.monotonic() + seconds)
        self._closed_seconds, self._is_closed = seconds, True

    def get_delay(self) -> float:
        """Return the seconds until the next call may be admitted."""
        with self._lock:
            now = time.monotonic()
            if self._is_closed and now >= self._opens_at:
                self._open(now)
            return max(self._opens_at - now, self._next_at - now, 0.0)

    def admit(self) -> None:
        """Count a call that is about to be sent."""
        with self._lock:
            now = time.monotonic()
            self._opened_at = self._opened_at or now
            self._counted_since = self._counted_since or now
            self._admitted += 1
            quiet_periods = min((now - self._opened_at) / self._period, 30.0)
            self._next_at = now + self._interval * 0.5**quiet_periods

    def _open(self, now: float) -> None:
        period, accepted = now - self._counted_since, self._admitted - self._rejected
        is_recent = self._counted_since > 0 and period <= MAX_PERIOD_SECONDS
        if is_recent and accepted >= MIN_ACCEPTED_CALLS:
            self._learn(period / (accepted + 2) / GROWTH, period, now)  # faster than accepted
        elif not is_recent or not self._interval:
            interval = self._closed_seconds / max(self._rejected, 1)
            self._learn(min(interval, FIRST_INTERVAL_SECONDS), max(self._closed_seconds, 1.0), now)
        self._next_at = now + random.uniform(0, self._interval)  # noqa: S311 - not for security
        self._is_closed, self._opened_at = False, now

    def _learn(self, interval: float, period: float, now: float) -> None:
        self._interval, self._period, self._counted_since = interval, period, now
        self._admitted = self._rejected = 0


class TokenBucket:
    """Token bucket that applies a ``Pace`` to the requests of one process."""

    def __init__(self, pace: Pace) -> None:
        self._rate = pace.rate
        self._burst = self._tokens = float(pace.burst)
        self._updated_at = time.monotonic()
        self._lock = threading.Lock()

    def acquire(self) -> float:
        """Take a token; see ``PaceBackend``."""
        with self._lock:
            now = time.monotonic()
            added = (now - self._updated_at) * self._rate
            self._tokens, self._updated_at = min(self._tokens + added, self._burst), now
            if self._tokens >= 1:
                self._tokens -= 1
                return 0.0
            return (1 - self._tokens) / self._rate


class Pacer:
    """Makes calls wait for their turn, in order.

    While calls wait, one thread asks the gate and the bucket for permission, so that only one call
    asks at a time and the event loop never blocks.
    """

    def __init__(self, pace: Pace | None) -> None:
        self.pace = pace
        self._reset()

    def _reset(self) -> None:
        """Start over: the thread does not exist in a forked child."""
        self.gate = Gate()
        self._lock = threading.Lock()
        self._waiting: deque[Future[None]] = deque()
        self._has_thread = False
        self._bucket = get_bucket(self.pace) if self.pace else None
        self._pid = os.getpid()

    def wait_for_turn(self, deadline: Deadline) -> None:
        """Wait until a request may be sent, at most until the deadline."""
        turn = self._request_turn()
        try:
            while not turn.done():
                pause = deadline.cap(CANCEL_CHECK_SECONDS if deadline.is_cancelled else None)
                wait_for_futures({turn}, pause)
        finally:
            turn.cancel()

    async def await_turn(self, deadline: Deadline) -> None:
        """Wait until a request may be sent; see ``wait_for_turn``."""
        turn = self._request_turn()
        if turn.done():
            return
        try:
            await asyncio.wait_for(asyncio.wrap_future(turn), deadline.cap(None))
        except TimeoutError:  # event loops may end the wait shortly before the deadline
            raise DeadlineExceededError from None
        finally:
            turn.cancel()

    def _request_turn(self) -> "Future[None]":
        if self._pid != os.getpid():
            self._reset()
        turn: Future[None] = Future()
        with self._lock:
            is_local = self._bucket is None or isinstance(self._bucket, TokenBucket)
            delay = self._acquire() if is_local and not self._waiting else -1.0  # unknown
            if not delay:
                turn.set_result(None)
                return turn
            if not self._has_thread:
                threading.Thread(target=self._run, name="orq-pacer", daemon=True).start()
                self._has_thread = True
            self._waiting.append(turn)
        if delay >= 1:
            _LOG.info("Calls wait %.0f s for the rate limit.", delay)
        return turn

    def _acquire(self) -> float:
        """Take the permits for a request; returns the seconds to wait if one is missing."""
        delay = self.gate.get_delay()
        if not delay and self._bucket is not None:
            delay = self._bucket.acquire()
        if not delay:
            self.gate.admit()
        return delay

    def _run(self) -> None:
        while self._has_waiting():
            if delay := self._acquire():
                time.sleep(min(delay, MAX_PAUSE_SECONDS))
            else:
                self._admit_first()

    def _has_waiting(self) -> bool:
        with self._lock:
            while self._waiting and self._waiting[0].cancelled():
                self._waiting.popleft()
            if not self._waiting:
                self._has_thread = False
            return bool(self._waiting)

    def _admit_first(self) -> None:
        with self._lock:
            while self._waiting:
                turn = self._waiting.popleft()
                if turn.set_running_or_notify_cancel():
                    turn.set_result(None)
                    return


_BUCKETS: dict[tuple[int, str], PaceBackend] = {}


def get_bucket(pace: Pace) -> PaceBackend:
    """Return the bucket that all copies of a pace share in this process."""
    key = (os.getpid(), pace.id)
    # There is no lock, because a child could be forked while another thread holds it.
    return _BUCKETS.get(key) or _BUCKETS.setdefault(key, _create_bucket(pace))


def _create_bucket(pace: Pace) -> PaceBackend:
    if pace.shared is None:
        return TokenBucket(pace)
    from orq_router_integrations._http.shared_pace import SharedBucket  # noqa: PLC0415

    return SharedBucket(pace)

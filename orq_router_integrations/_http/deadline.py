"""How long a call may take, by the wall clock: whatever drips, stalls or keeps the line warm.

httpx measures the time between two bytes only, so a router that sends one byte now and then would
hold a call for ever. A ``Clock`` says when it is over. Our own connections ask it at every wait;
over somebody's httpx client a ``Watch`` ends a sync call, and a ``Pump`` (in ``connections``) an
async one.
"""

import math
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Self

MIN_TIMEOUT_SECONDS = 0.001
"""Seconds; a socket takes zero for "do not wait", and httpx a negative number for a mistake."""

WATCHDOG_INTERVAL_SECONDS = 0.1
"""Seconds between two looks at the clocks of sync calls; by so much they may overrun."""

MAX_TIMEOUT_SECONDS = 86_400.0
"""Seconds of any wait; sockets cannot count to infinity."""

KEEPALIVE_SECONDS = 60.0
"""How long an unused connection stays open."""

DEADLINE_EXTENSION = "orq_clock"
"""The extension of a request that holds the clock of its call."""

DRAIN_SECONDS = 0.05
"""Seconds for the last bytes behind the end of a stream; with them its connection can be kept."""


CANCEL_CHECK: ContextVar[Callable[[], bool] | None] = ContextVar("called_off", default=None)
"""Whether what is begun in here is wanted no more: ends sync calls, which nobody can cancel."""


class DeadlineExceededError(Exception):
    """The clock of a call ran out, or the call was called off."""


class Deadline:
    """When the wait for a call is over: at its deadline, then after each silence of a stream.

    Attributes:
        until: seconds on the monotonic clock; infinite while nobody waits.
        heard: whether an item has come.
        called_off: tells whether nobody wants it any more, where somebody may call it off.
    """

    def __init__(self, *, timeout: float, idle_timeout: float) -> None:
        self.started = time.monotonic()
        self.timeout = timeout
        self.idle_timeout = idle_timeout
        self.expires_at = self.started + timeout
        self.has_received = False
        self.is_cancelled = CANCEL_CHECK.get()

    @property
    def remaining(self) -> float:
        """Seconds until the wait is over."""
        if self.is_cancelled and self.is_cancelled():
            return 0.0
        return max(self.expires_at - time.monotonic(), 0.0)

    @property
    def expired(self) -> bool:
        """Whether it is."""
        return self.remaining <= 0

    def cap(self, seconds: float | None) -> float:
        """Seconds that a wait may last: as long as it would, but no longer than the clock runs.

        Raises:
            LateError: the clock has run out.
        """
        left = self.remaining
        if left <= 0:
            raise DeadlineExceededError
        return min(left, MAX_TIMEOUT_SECONDS if seconds is None else seconds)

    def pause(self) -> None:
        """The caller has an item, and all the time of the world for it."""
        self.expires_at, self.has_received = math.inf, True

    def resume(self, seconds: float | None = None) -> None:
        """Wait for the next item."""
        self.expires_at = time.monotonic() + (self.idle_timeout if seconds is None else seconds)


class SocketWatchdog:
    """Ends a sync exchange when its clock runs out, by shutting its socket down.

    Nothing else ends a blocking read in another thread. The socket is learnt from the reply, from
    a transport that puts ``network_stream`` into the extensions of a request, or, when a connection
    is opened, from httpcore's ``trace``; a transport without sockets has nothing to be ended.
    """

    def __init__(self, clock: Deadline) -> None:
        self.deadline = clock
        self.expired = False
        self._sources: list[Mapping[str, Any]] = []

    def __enter__(self) -> Self:
        WATCHDOG_THREAD.add(self)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.close()
        self._sources.clear()  # they hold ``trace``: a circle, which would outlive the call
        if self.expired and isinstance(error, Exception):
            raise DeadlineExceededError from error

    def close(self) -> None:
        """Let go of the socket, for it may belong to another call at once."""
        WATCHDOG_THREAD.remove(self)

    def watch_extensions(self, extensions: MutableMapping[str, Any]) -> None:
        """Look for the socket in the extensions of a request or response."""
        self._sources.append(extensions)

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Learn of a connection as it is opened (httpcore's ``trace`` extension)."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._sources.append({"network_stream": info["return_value"]})

    @property
    def socket(self) -> socket.socket | None:
        """The socket, once it is known."""
        for source in reversed(self._sources):
            if stream := source.get("network_stream"):
                found: socket.socket | None = stream.get_extra_info("socket")
                return found
        return None

    def iter_checked(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The same pieces, as long as the clock runs."""
        for data in pieces:
            self.raise_if_expired()
            yield data
        self.raise_if_expired()

    def drain(self, pieces: Iterator[bytes]) -> None:
        """Leave the rest of a finished reply a moment to arrive; without it nothing is amiss."""
        if self.socket:
            self.deadline.resume(DRAIN_SECONDS)
            with suppress(Exception):
                next(pieces, None)

    def raise_if_expired(self) -> None:
        """Raise if the clock has run out.

        Raises:
            LateError: it has.
        """
        if self.expired or self.deadline.expired:
            raise DeadlineExceededError

    def abort(self) -> None:
        """Shut the socket down; also that of TLS, beneath its encryption."""
        self.expired = True
        with suppress(Exception):  # of whatever transport: one odd socket must not end all watching
            if found := self.socket:
                socket.socket.shutdown(found, socket.SHUT_RDWR)


class WatchdogThread:
    """The thread that looks at all clocks of sync calls; it sleeps while there are none."""

    def __init__(self) -> None:
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Begin anew: a forked child has no threads but the one that forked."""
        self._lock = threading.Lock()
        self._awake = threading.Event()
        self._watchdogs: set[SocketWatchdog] = set()
        self._thread: threading.Thread | None = None

    def add(self, watch: SocketWatchdog) -> None:
        """Look at a clock from now on."""
        with self._lock:
            self._watchdogs.add(watch)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="orq-deadlines", daemon=True)
                self._thread.start()
        self._awake.set()

    def remove(self, watch: SocketWatchdog) -> None:
        """Look at it no more; once this returns, its socket is not shut down."""
        with self._lock:
            self._watchdogs.discard(watch)

    def _run(self) -> None:
        while True:
            self._awake.wait()
            with self._lock:
                for watch in self._watchdogs:
                    if watch.deadline.expired:
                        watch.abort()
                if not self._watchdogs:
                    self._awake.clear()
            time.sleep(WATCHDOG_INTERVAL_SECONDS)


WATCHDOG_THREAD = WatchdogThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WATCHDOG_THREAD.reset_after_fork)

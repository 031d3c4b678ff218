"""Deadlines and timeouts of a call.

httpx only limits the time between two bytes, so a server that sends a byte now and then could hold
a call forever. A `Deadline` limits the call as a whole. The package's own connections check it
whenever they wait. Over an httpx client of the caller, a `SocketWatchdog` ends sync calls and a
`BackgroundReader` ends async ones.
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

import httpx

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.settings import MAX_TIMEOUT_SECONDS, RouterSettings
from orq_router_integrations.wire.caller_warnings import warn_caller
from orq_router_integrations.wire.controls import RouterControls

MIN_TIMEOUT_SECONDS = 0.001
"""Sockets interpret zero as "do not wait", and httpx rejects negative numbers."""

WATCHDOG_INTERVAL_SECONDS = 0.1
"""Seconds between two checks of the watchdog thread; sync calls may overrun by that much."""

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

    Args:
        timeout: Seconds until the call must be answered, retries included.
        idle_timeout: Seconds to wait for the next item of a stream.
        covers_stream: Whether the timeout also limits the stream.

    Attributes:
        started_at: When the call started, in seconds on the monotonic clock.
        ends_at: When the whole call has to end, on the same clock.
        expires_at: When the wait ends, on the same clock; infinite while paused.
        has_received: Whether an item has arrived.
        is_cancelled: Checks whether the call was cancelled; ``None`` if nothing can cancel it.
    """

    def __init__(self, *, timeout: float, idle_timeout: float, covers_stream: bool = False) -> None:
        self.started_at = time.monotonic()
        self.timeout = timeout
        self.idle_timeout = idle_timeout
        self.expires_at = self.started_at + timeout
        self.ends_at = self.expires_at if covers_stream else math.inf
        self.has_received = False
        self.is_cancelled = CANCEL_CHECK.get()

    @property
    def remaining(self) -> float:
        """Seconds until the deadline; zero if the call was cancelled."""
        if self.is_cancelled and self.is_cancelled():
            return 0.0
        return max(self.expires_at - time.monotonic(), 0.0)

    @property
    def is_expired(self) -> bool:
        """Whether the deadline has passed or the call was cancelled."""
        return self.remaining <= 0

    @property
    def has_ended(self) -> bool:
        """Whether the timeout of the whole call has passed."""
        return time.monotonic() >= self.ends_at

    def cap(self, seconds: float | None) -> float:
        """Shorten a wait so that it ends no later than the deadline.

        Args:
            seconds: The length of the wait; ``None`` for an unlimited wait.

        Raises:
            DeadlineExceededError: The deadline has passed.
        """
        remaining = self.remaining
        if remaining <= 0:
            raise DeadlineExceededError
        return min(remaining, MAX_TIMEOUT_SECONDS if seconds is None else seconds)

    def pause(self) -> None:
        """Pause the deadline while the caller processes an item."""
        self.expires_at, self.has_received = math.inf, True

    def resume(self, seconds: float | None = None) -> None:
        """Restart the deadline to wait for the next item, by default for the idle timeout."""
        end = time.monotonic() + (self.idle_timeout if seconds is None else seconds)
        self.expires_at = min(end, self.ends_at)


def resolve_timeout(
    settings: RouterSettings, requested: float | None, controls: RouterControls
) -> httpx.Timeout:
    """Determine how long to wait for the next byte.

    The timeout of the call comes before that of the client, and that before the worst case of the
    controls. Warns if the router may take longer under the controls.

    Raises:
        RouterInputError: The requested timeout is out of range.
    """
    worst_case = controls.worst_case_seconds
    seconds = settings.timeout if requested is None else requested
    if seconds is None:
        seconds = DEFAULT_TIMEOUT_SECONDS
        if worst_case is not None:
            seconds = min(worst_case + TIMEOUT_MARGIN_SECONDS, MAX_TIMEOUT_SECONDS)
    elif not 0 < seconds <= MAX_TIMEOUT_SECONDS:
        raise RouterInputError(
            f"timeout={seconds} is out of range. "
            f"Pass a number of seconds above 0 and up to {MAX_TIMEOUT_SECONDS:g}."
        )
    else:
        _warn_if_short("timeout", seconds, worst_case)
    return httpx.Timeout(seconds, connect=min(seconds, CONNECT_TIMEOUT_SECONDS))


def create_deadline(
    settings: RouterSettings,
    timeout: httpx.Timeout,
    controls: RouterControls,
    *,
    covers_stream: bool,
) -> Deadline:
    """Create the deadline of a call that starts now."""
    seconds = settings.deadline
    if seconds is None:
        seconds = max(DEFAULT_TIMEOUT_SECONDS, timeout.read or 0)
    else:
        _warn_if_short("deadline", seconds, controls.worst_case_seconds)
    idle_timeout = settings.stream_chunk_timeout
    return Deadline(timeout=seconds, idle_timeout=idle_timeout, covers_stream=covers_stream)


def _warn_if_short(name: str, seconds: float, worst_case: float | None) -> None:
    if worst_case is not None and seconds < worst_case:
        warn_caller(
            f"{name}={seconds:g} is shorter than the {worst_case:g} seconds that the controls "
            "allow the router for every model, retry and wait, so the client may give up while a "
            f"fallback is still working. Raise {name}= or shorten the controls."
        )


class SocketWatchdog:
    """Ends a sync request at its deadline by shutting down its socket.

    This is the only way to end a blocking read in another thread. The socket is found in the
    extensions of the response, in those of the request if the transport puts its
    ``network_stream`` there, or through httpcore's ``trace`` extension while a connection is
    opened. Requests over a transport without sockets are not ended.
    """

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.is_expired = False
        self._sources: list[Mapping[str, Any]] = []

    def __enter__(self) -> Self:
        WATCHDOG_THREAD.add(self)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.close()
        self._sources.clear()  # breaks a reference cycle through ``trace``
        if self.is_expired and isinstance(error, Exception):
            raise DeadlineExceededError from error

    def close(self) -> None:
        """Stop watching the socket, because another request may use it next."""
        WATCHDOG_THREAD.remove(self)

    def watch_extensions(self, extensions: MutableMapping[str, Any]) -> None:
        """Look for the socket in the extensions of a request or response."""
        self._sources.append(extensions)

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Record a connection that is being opened (httpcore's ``trace`` extension)."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self._sources.append({"network_stream": info["return_value"]})

    @property
    def socket(self) -> socket.socket | None:
        """The socket of the request, once it is known."""
        for source in reversed(self._sources):
            if stream := source.get("network_stream"):
                sock: socket.socket | None = stream.get_extra_info("socket")
                return sock
        return None

    def iter_checked(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield chunks until the deadline passes."""
        for chunk in chunks:
            self._check()
            yield chunk
        self._check()  # the end may be that of a socket that was shut down

    def drain(self, chunks: Iterator[bytes]) -> None:
        """Read the end of a complete response, so that its connection can be reused."""
        if self.socket:
            self.deadline.resume(DRAIN_SECONDS)
            with suppress(Exception):
                next(chunks, None)

    def _check(self) -> None:
        if self.is_expired or self.deadline.is_expired:
            raise DeadlineExceededError

    def abort(self) -> None:
        self.is_expired = True
        with suppress(Exception):  # a failure here must not end the thread for all other calls
            if sock := self.socket:
                # ``SSLSocket.shutdown`` would drop the TLS state while another thread reads.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class WatchdogThread:
    """The thread that checks the deadlines of sync requests; it sleeps while there are none."""

    def __init__(self) -> None:
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Start over: the watchdog thread does not exist in a forked child."""
        self._lock = threading.Lock()
        self._wake_up = threading.Event()
        self._watchdogs: set[SocketWatchdog] = set()
        self._thread: threading.Thread | None = None

    def add(self, watchdog: SocketWatchdog) -> None:
        with self._lock:
            self._watchdogs.add(watchdog)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="orq-deadlines", daemon=True)
                self._thread.start()
        self._wake_up.set()

    def remove(self, watchdog: SocketWatchdog) -> None:
        """Stop checking; the socket is not shut down after this returns."""
        with self._lock:
            self._watchdogs.discard(watchdog)

    def _run(self) -> None:
        while True:
            self._wake_up.wait()
            with self._lock:
                for watchdog in self._watchdogs:
                    if watchdog.deadline.is_expired:
                        watchdog.abort()
                if not self._watchdogs:
                    self._wake_up.clear()
            time.sleep(WATCHDOG_INTERVAL_SECONDS)


WATCHDOG_THREAD = WatchdogThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=WATCHDOG_THREAD.reset_after_fork)

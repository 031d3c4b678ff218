"""Host lookup and TCP connection for the backends.

The addresses of a host are tried as RFC 8305 ("Happy Eyeballs") describes: families alternate, and
the next address is tried when one fails or takes longer than a moment. Lookups run in daemon
threads, because the resolver has no timeout. Concurrent lookups of a host share one.
"""

import asyncio
import os
import socket
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from itertools import chain, zip_longest
from time import monotonic
from typing import Any, TypeVar

import httpcore

T = TypeVar("T")

STAGGER_SECONDS = 0.25
"""Seconds to wait for a connection before the next address is tried as well."""

UNACKNOWLEDGED_SECONDS = 30
"""Seconds after which a connection ends if the peer does not acknowledge what was sent.

Otherwise a call on a connection whose path has silently died, for example after a laptop changed
networks, would wait for its deadline.
"""

_UNACKNOWLEDGED_OPTIONS = {
    "linux": (18, UNACKNOWLEDGED_SECONDS * 1000),  # TCP_USER_TIMEOUT
    "darwin": (0x80, UNACKNOWLEDGED_SECONDS),  # TCP_RXT_CONNDROPTIME
    "win32": (5, UNACKNOWLEDGED_SECONDS),  # TCP_MAXRT
}
"""Option and value for each platform; the socket module does not name all of them."""

_KEEPALIVE_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}
"""TCP keepalive, so that network devices do not drop a connection while a model is thinking."""

_TCP_OPTIONS = [
    (socket.TCP_NODELAY, 1),
    *((getattr(socket, name, 0), value) for name, value in _KEEPALIVE_PROBES.items()),
    _UNACKNOWLEDGED_OPTIONS.get(sys.platform, (0, 0)),
]
SOCKET_OPTIONS = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, option, value) for option, value in _TCP_OPTIONS if option
]

_lookups: dict[str, "Future[list[str]]"] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_lookups.clear)  # their threads do not exist there


def set_socket_options(sock: Any) -> None:
    """Set the options that the system supports."""
    for option in SOCKET_OPTIONS:
        with suppress(OSError):
            sock.setsockopt(*option)


def connect(host: str, connect_to: Callable[[str, float], T], seconds: float) -> T:
    """Connect to a host, using the address that accepts first. Fail after ``seconds``."""
    end = monotonic() + seconds
    if not (addresses := _parse_address(host)):
        with _map_lookup_errors(host):
            addresses = _look_up(host).result(seconds)
    if len(addresses) == 1:
        return connect_to(addresses[0], max(end - monotonic(), 0.001))
    race = _Race(addresses, lambda *args: _start_thread(_create_future(), connect_to, *args), end)
    try:
        while race.winner is None:
            seconds = race.start_next()
            race.check(wait(race.attempts, seconds, FIRST_COMPLETED).done)
        result: T = race.winner.result()
        return result
    finally:
        race.close_losers(lambda stream: stream.close())


async def aconnect(
    host: str,
    connect_to: Callable[[str], Awaitable[T]],
    seconds: float,
    close: Callable[[T], object],
) -> T:
    """Connect to a host, using the address that accepts first; ``close`` closes the others."""
    end = monotonic() + seconds
    if not (addresses := _parse_address(host)):
        with _map_lookup_errors(host):
            async with asyncio.timeout(seconds):
                addresses = await asyncio.wrap_future(_look_up(host))
    race = _Race(addresses, lambda address, _: asyncio.ensure_future(connect_to(address)), end)
    try:
        while race.winner is None:
            seconds = race.start_next()
            done, _ = await asyncio.wait(
                race.attempts, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
            )
            race.check(done)
        result: T = race.winner.result()
        return result
    finally:
        race.close_losers(close)


class _Race:
    """Attempts to connect to the addresses of a host, as futures of threads or tasks."""

    def __init__(
        self, addresses: list[str], start: Callable[[str, float], Any], end: float
    ) -> None:
        self._addresses, self._start, self._end = deque(addresses), start, end
        self.attempts: set[Any] = set()
        self.winner: Any = None

    def start_next(self) -> float:
        """Start the next attempt, and return how many seconds to wait for a result."""
        remaining = self._end - monotonic()
        if remaining <= 0:
            raise httpcore.ConnectTimeout("timed out while connecting")
        if self._addresses:
            self.attempts.add(self._start(self._addresses.popleft(), remaining))
        return min(remaining, STAGGER_SECONDS) if self._addresses else remaining

    def check(self, done: Collection[Any]) -> None:
        """Set the winner if an attempt succeeded, and raise an error if all have failed."""
        for attempt in done:
            error = attempt.exception()
            if error is None:
                self.winner = attempt
                return
            self.attempts.discard(attempt)
            if not (self.attempts or self._addresses):
                raise error

    def close_losers(self, close: Callable[[Any], object]) -> None:
        """Cancel the other attempts, and close their connections."""

        def close_result(attempt: Any) -> None:
            if not (attempt.cancelled() or attempt.exception()):
                close(attempt.result())

        for attempt in self.attempts - {self.winner}:
            attempt.cancel()
            attempt.add_done_callback(close_result)


def _parse_address(host: str) -> list[str]:
    """Return the address if the host is an IP address, or else an empty list."""
    with suppress(ValueError):
        return [str(ip_address(host))]
    return []


def _look_up(host: str) -> "Future[list[str]]":
    """Look up the addresses of a host, or join the lookup that is in progress."""
    new: Future[list[str]] = _create_future()
    lookup = _lookups.setdefault(host, new)  # atomic
    if lookup is new:
        lookup.add_done_callback(lambda _: _lookups.pop(host, None))
        _start_thread(lookup, _get_addresses, host)
    return lookup


def _get_addresses(host: str) -> list[str]:
    by_family: dict[int, list[str]] = {}
    for family, *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        by_family.setdefault(family, []).append(str(address[0]))
    return [address for address in chain(*zip_longest(*by_family.values())) if address]


@contextmanager
def _map_lookup_errors(host: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise httpcore.ConnectTimeout(f"the lookup of host {host} timed out") from None
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error


def _create_future() -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()  # cannot be cancelled by one of several waiters
    return future


def _start_thread(future: "Future[Any]", function: Callable[..., Any], *args: Any) -> "Future[Any]":
    """Run a function in a daemon thread and put its result into a future, which is returned."""

    def run() -> None:
        try:
            future.set_result(function(*args))
        except Exception as error:  # noqa: BLE001 - raised where the result is needed
            future.set_exception(error)

    try:
        threading.Thread(target=run, name="orq-connect", daemon=True).start()
    except RuntimeError as error:  # too many threads
        future.set_exception(OSError(str(error)))
    return future

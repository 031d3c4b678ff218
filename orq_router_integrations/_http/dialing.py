"""Host lookup and TCP connection for the backends.

The addresses of a host are tried as RFC 8305 ("Happy Eyeballs") describes: families alternate, and
the next address is tried when one fails or takes longer than a moment. Lookups run in daemon
threads, because the resolver has no timeout. Concurrent lookups of a host share one.
"""

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing, suppress
from functools import partial
from ipaddress import ip_address
from itertools import chain, zip_longest
from time import monotonic
from typing import Any

import httpcore

from orq_router_integrations._http.daemon_threads import create_future, run_in_thread

STAGGER_SECONDS = 0.25
"""Seconds to wait for a connection before the next address is tried as well."""

UNACKNOWLEDGED_SECONDS = 30
"""Seconds after which a connection ends if the peer does not acknowledge what was sent.

Otherwise a call on a connection whose path has silently died, for example after a laptop changed
networks, would wait for its deadline.
"""

_TCP_OPTIONS = {
    "TCP_NODELAY": 1,
    # Keepalive probes, so that network devices do not drop a connection while a model is thinking.
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPALIVE": 60,
    "TCP_KEEPINTVL": 30,
    "TCP_KEEPCNT": 4,
}
_UNACKNOWLEDGED_OPTIONS = {
    "linux": (18, UNACKNOWLEDGED_SECONDS * 1000),  # TCP_USER_TIMEOUT
    "darwin": (0x80, UNACKNOWLEDGED_SECONDS),  # TCP_RXT_CONNDROPTIME
    "win32": (5, UNACKNOWLEDGED_SECONDS),  # TCP_MAXRT
}
"""Option and value for each platform; the socket module does not name all of them."""

_lookups: dict[str, "Future[list[str]]"] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_lookups.clear)  # their threads do not exist there


def set_socket_options(sock: Any) -> None:
    """Set the options that the system supports."""
    options = [(getattr(socket, name, 0), value) for name, value in _TCP_OPTIONS.items()]
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (*options, _UNACKNOWLEDGED_OPTIONS.get(sys.platform, (0, 0))):
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def connect(host: str, connect_to: Callable[[str, float], Any], seconds: float) -> Any:
    """Connect to a host, using the address that accepts first. Fail after ``seconds``."""
    lookup = _look_up(host)
    with closing(_dial(host, lookup, partial(run_in_thread, connect_to), seconds)) as dialing:
        try:
            pending, seconds = next(dialing)
            while True:
                pending, seconds = dialing.send(wait(pending, seconds, FIRST_COMPLETED).done)
        except StopIteration as winner:
            return winner.value


async def aconnect(
    host: str, connect_to: Callable[[str, float], Coroutine[Any, Any, Any]], seconds: float
) -> Any:
    """Connect to a host; see ``connect``."""
    lookup = asyncio.wrap_future(_look_up(host))

    def start(*args: Any) -> asyncio.Task[Any]:
        return asyncio.create_task(connect_to(*args))

    with closing(_dial(host, lookup, start, seconds)) as dialing:
        try:
            pending, seconds = next(dialing)
            while True:
                waiting = asyncio.wait(pending, timeout=seconds, return_when="FIRST_COMPLETED")
                pending, seconds = dialing.send((await waiting)[0])
        except StopIteration as winner:
            return winner.value


def _dial(
    host: str, lookup: Any, start: Callable[[str, float], Any], seconds: float
) -> Generator[tuple[set[Any], float], set[Any], Any]:
    """Look up a host, start attempts to connect, and return the first connection.

    Yields the futures to wait for and for how many seconds, and expects those that are done. The
    other attempts are cancelled, and their connections are closed.
    """
    end = monotonic() + seconds
    try:
        if not (yield {lookup}, seconds):
            raise httpcore.ConnectTimeout(f"the lookup of host {host} timed out")
        return (yield from _race(lookup.result(), start, end))
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    finally:
        lookup.cancel()


def _race(
    addresses: list[str], start: Callable[[str, float], Any], end: float
) -> Generator[tuple[set[Any], float], set[Any], Any]:
    addresses = addresses.copy()
    attempts: set[Any] = set()
    try:
        while True:
            remaining = end - monotonic()
            if remaining <= 0:
                raise httpcore.ConnectTimeout("timed out while connecting")
            if addresses:
                attempts.add(start(addresses.pop(0), remaining))
            done = yield attempts, min(remaining, STAGGER_SECONDS) if addresses else remaining
            for attempt in done:
                attempts.discard(attempt)
                failure = attempt.exception()
                if failure is None:
                    return attempt.result()
                if not (attempts or addresses):
                    raise failure
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close_connection)


def _close_connection(attempt: Any) -> None:
    if not (attempt.cancelled() or attempt.exception()):
        attempt.result().close()


def _look_up(host: str) -> "Future[list[str]]":
    """Look up the addresses of a host, or join the lookup that is in progress."""
    new = create_future()
    with suppress(ValueError):
        new.set_result([str(ip_address(host))])
        return new
    lookup = _lookups.setdefault(host, new)  # atomic
    if lookup is new:
        lookup.add_done_callback(lambda _: _lookups.pop(host, None))
        run_in_thread(_get_addresses, host, future=lookup)
    return lookup


def _get_addresses(host: str) -> list[str]:
    by_family: dict[int, list[str]] = {}
    for family, *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        by_family.setdefault(family, []).append(str(address[0]))
    return [address for address in chain(*zip_longest(*by_family.values())) if address]

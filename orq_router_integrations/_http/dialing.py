"""Host lookup and TCP connection for the backends.

The addresses of a host are tried as RFC 8305 ("Happy Eyeballs") describes: families alternate, and
the next address is tried when one fails or takes longer than ``STAGGER_SECONDS``. Lookups run in
daemon threads, because the resolver has no timeout. Calls that need the same host share a lookup.
"""

import asyncio
import os
import socket
import sys
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from itertools import chain, zip_longest
from time import monotonic
from typing import Any

import httpcore

from orq_router_integrations._http.daemon_threads import create_future, run_in_thread

STAGGER_SECONDS = 0.25  # seconds to wait for a connection before the next address is tried as well
UNACKNOWLEDGED_SECONDS = 30
"""Seconds after which a connection ends if the peer does not acknowledge what was sent.

Otherwise a call on a connection whose path has silently died, for example after a laptop changed
networks, would wait for its deadline.
"""

_TCP_OPTIONS = {
    "TCP_NODELAY": 1,
    "TCP_USER_TIMEOUT": UNACKNOWLEDGED_SECONDS * 1000,
    # Keepalive probes, so that network devices do not drop a connection while a model is thinking.
    "TCP_KEEPIDLE": 60,
    "TCP_KEEPALIVE": 60,
    "TCP_KEEPINTVL": 30,
    "TCP_KEEPCNT": 4,
}
_USER_TIMEOUTS = {"darwin": 0x80, "win32": 5}
"""``TCP_RXT_CONNDROPTIME`` and ``TCP_MAXRT``, the counterparts of ``TCP_USER_TIMEOUT``."""

_lookups: dict[str, "Future[list[str]]"] = {}
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_lookups.clear)  # their threads do not exist there


def set_socket_options(sock: Any) -> None:
    """Set the options that the system supports."""
    options = [(getattr(socket, name, 0), value) for name, value in _TCP_OPTIONS.items()]
    options.append((_USER_TIMEOUTS.get(sys.platform, 0), UNACKNOWLEDGED_SECONDS))
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in options:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def connect(host: str, connect_to: Callable[[str, float], Any], seconds: float) -> Any:
    """Connect to a host, using the address that accepts first. Fail after ``seconds``."""

    async def wait_for(futures: set[Any], seconds: float) -> set[Any]:
        return wait(futures, seconds, FIRST_COMPLETED).done

    start = partial(run_in_thread, connect_to)
    dialing = _dial(host, _look_up(host), start=start, wait_for=wait_for, end=monotonic() + seconds)
    try:
        dialing.send(None)  # runs the coroutine to its end, because this ``wait_for`` blocks
    except StopIteration as stop:
        return stop.value


async def aconnect(
    host: str, connect_to: Callable[[str, float], Coroutine[Any, Any, Any]], seconds: float
) -> Any:
    """Connect to a host; see ``connect``."""

    async def wait_for(futures: set[Any], seconds: float) -> set[Any]:
        return (await asyncio.wait(futures, timeout=seconds, return_when=FIRST_COMPLETED))[0]

    def start(*args: Any) -> asyncio.Task[Any]:
        return asyncio.create_task(connect_to(*args))

    lookup = asyncio.wrap_future(_look_up(host))
    return await _dial(host, lookup, start=start, wait_for=wait_for, end=monotonic() + seconds)


async def _dial(
    host: str, lookup: Any, *, start: Callable[..., Any], wait_for: Callable[..., Any], end: float
) -> Any:
    """Look up a host, start attempts to connect, and return the first connection.

    ``wait_for`` waits for futures, and returns those that are done after some seconds at most. The
    other attempts are cancelled, and their connections are closed.
    """
    attempts: set[Any] = set()
    try:
        if not await wait_for({lookup}, end - monotonic()):
            raise httpcore.ConnectTimeout(f"the lookup of host {host} timed out")
        addresses = deque(lookup.result())
        while (remaining := end - monotonic()) > 0:
            if addresses:
                attempts.add(start(addresses.popleft(), remaining))
            seconds = min(remaining, STAGGER_SECONDS) if addresses else remaining
            for attempt in await wait_for(attempts, seconds):
                attempts.discard(attempt)
                if not attempt.exception() or not (attempts or addresses):
                    return attempt.result()
        raise httpcore.ConnectTimeout("timed out while connecting")
    except (OSError, UnicodeError) as error:
        raise httpcore.ConnectError(str(error)) from error
    finally:
        lookup.cancel()
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close_connection)


def _close_connection(attempt: Any) -> None:
    if not (attempt.cancelled() or attempt.exception()):
        attempt.result().close()


def _look_up(host: str) -> "Future[list[str]]":
    """Look up the addresses of a host, or join the lookup that is in progress."""
    future = create_future()
    with suppress(ValueError):
        future.set_result([str(ip_address(host))])
        return future
    lookup = _lookups.setdefault(host, future)  # atomic
    if lookup is future:
        lookup.add_done_callback(lambda _: _lookups.pop(host, None))
        run_in_thread(_get_addresses, host, future=lookup)
    return lookup


def _get_addresses(host: str) -> list[str]:
    """Return the addresses of a host, alternating between IPv6 and IPv4."""
    by_family: dict[int, list[str]] = {}
    for family, *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        by_family.setdefault(family, []).append(str(address[0]))
    return [address for address in chain(*zip_longest(*by_family.values())) if address]

"""What carries the calls of this process: made when first needed, shared by all, safe to fork.

One carrier serves all threads. Each running event loop has one of its own, because an async
connection cannot outlive the loop it was opened in; it is forgotten when its loop is closed.
All share one TLS context. They send straight over a stack of connections; where the environment
names a proxy, they are httpx's own clients, which know the way.
"""

import asyncio
import atexit
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar
from urllib.request import getproxies

import httpx
from typing_extensions import AsyncGenerator

from orq_router_integrations._http.async_generators import scoped_asynccontextmanager
from orq_router_integrations._http.deadline import KEEPALIVE_SECONDS
from orq_router_integrations._http.lazily import LazyModule
from orq_router_integrations._http.sender import AsyncPooledSender, PooledSender
from orq_router_integrations.errors import RouterInputError

if TYPE_CHECKING:  # what only a call needs is loaded by the first one that needs it
    from orq_router_integrations._http import client_sender as over_httpx
    from orq_router_integrations._http import pool as stack
    from orq_router_integrations._http.client_sender import AsyncClientSender, ClientSender
else:
    over_httpx = LazyModule("orq_router_integrations._http.client_sender")
    stack = LazyModule("orq_router_integrations._http.pool")

LIMITS = httpx.Limits(
    max_connections=None, max_keepalive_connections=None, keepalive_expiry=KEEPALIVE_SECONDS
)
"""As many connections as there are calls at once, all kept: a new one costs a TLS handshake."""

Sender: TypeAlias = "ClientSender | PooledSender"
AsyncSender: TypeAlias = "AsyncClientSender | AsyncPooledSender"
AnySender = TypeVar("AnySender", "Sender", "AsyncSender")
AnyHttpxClient = TypeVar("AnyHttpxClient", httpx.Client, httpx.AsyncClient)


@dataclass(slots=True)
class _Lent(Generic[AnySender]):
    """A carrier, how many calls use it now, and whether the last of them shall close it."""

    carrier: AnySender
    users: int = 0
    retired: bool = False
    keeper: AsyncGenerator[None] | None = None

    @property
    def closable(self) -> bool:
        return self.retired and not self.users


class SenderRegistry:
    """Lazily made carriers for one set of TLS and proxy settings (the environment's)."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._context: ssl.SSLContext | None = None
        self._sync: _Lent[Sender] | None = None
        self._by_loop: dict[asyncio.AbstractEventLoop, _Lent[AsyncSender]] = {}
        self._parents: list[object] = []

    def reset_after_fork(self) -> None:
        """Drop everything unclosed: in a forked child, the connections are the parent's.

        They are kept from the garbage collector, for to close them would say goodbye to the
        router in the parent's name.
        """
        self._parents += [self._sync, self._by_loop]
        self._lock, self._context, self._sync, self._by_loop = threading.RLock(), None, None, {}

    @contextmanager
    def lease(self) -> Iterator[Sender]:
        """The carrier of all threads, for one call."""
        with self._lock:
            if self._sync is None:
                self._sync = _Lent(self._made())
            lent = self._sync
            lent.users += 1
        try:
            yield lent.carrier
        finally:
            if self._returned(lent):
                lent.carrier.close()

    @scoped_asynccontextmanager
    async def alease(self) -> AsyncGenerator[AsyncSender]:
        """The carrier of the running event loop, for one call."""
        loop = asyncio.get_running_loop()
        with self._lock:
            for closed in [other for other in self._by_loop if other.is_closed()]:
                del self._by_loop[closed]
            if loop not in self._by_loop:
                self._by_loop[loop] = _Lent(self._amade())
            lent = self._by_loop[loop]
            lent.users += 1
        if lent.keeper is None:
            lent.keeper = _closed_with_its_loop(lent.carrier)
            await anext(lent.keeper)
        try:
            yield lent.carrier
        finally:
            if self._returned(lent):
                await lent.carrier.aclose()

    def close(self) -> None:
        """Close the carrier of the threads once no call uses it; the next call makes a new one."""
        with self._lock:
            lent, self._sync, self._context = self._sync, None, None
        if lent and self._retired(lent):
            lent.carrier.close()

    async def aclose(self) -> None:
        """Close the carrier of the running event loop; see ``close``."""
        with self._lock:
            lent = self._by_loop.pop(asyncio.get_running_loop(), None)
        if lent and self._retired(lent):
            await lent.carrier.aclose()

    def _made(self) -> Sender:
        if _uses_proxy():
            with _told():
                return wrap_client(_forgetful(httpx.Client(limits=LIMITS, verify=self._tls())))
        return PooledSender(stack.ConnectionPool(self._tls))

    def _amade(self) -> AsyncSender:
        if _uses_proxy():
            with _told():
                return wrap_async_client(
                    _forgetful(httpx.AsyncClient(limits=LIMITS, verify=self._tls()))
                )
        return AsyncPooledSender(stack.AsyncConnectionPool(self._tls))

    def _tls(self) -> ssl.SSLContext:
        """The TLS settings of the environment, read once."""
        with self._lock, _told():
            if self._context is None:
                self._context = httpx.create_ssl_context()
            return self._context

    def _returned(self, lent: _Lent[AnySender]) -> bool:
        with self._lock:
            lent.users -= 1
            return lent.closable

    def _retired(self, lent: _Lent[AnySender]) -> bool:
        with self._lock:
            lent.retired = True
            return lent.closable


def wrap_client(http: httpx.Client) -> Sender:
    """What carries sync calls over a client of httpx."""
    return over_httpx.ClientSender(http)


def wrap_async_client(http: httpx.AsyncClient) -> AsyncSender:
    """What carries async calls over a client of httpx."""
    return over_httpx.AsyncClientSender(http)


def _forgetful(http: AnyHttpxClient) -> AnyHttpxClient:
    """The same client, which keeps no cookie: a router has no session."""
    http.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return http


async def _closed_with_its_loop(carrier: AsyncSender) -> AsyncGenerator[None]:
    """Closes a carrier when its loop ends: ``asyncio.run`` closes the generators left open."""
    try:
        yield
    finally:
        await carrier.aclose()


@contextmanager
def _told() -> Iterator[None]:
    """Tell what is wrong with the settings of the environment."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        raise RouterInputError(
            f"proxy or TLS settings of the environment (HTTPS_PROXY, SSL_CERT_FILE): {error}"
        ) from None


def _uses_proxy() -> bool:
    return not {"http", "https", "all"}.isdisjoint(getproxies())


SENDER_REGISTRY = SenderRegistry()
atexit.register(SENDER_REGISTRY.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SENDER_REGISTRY.reset_after_fork)

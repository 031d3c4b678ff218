"""The senders that all clients of a process share, created when first needed and fork-safe.

One sender serves all threads. Each event loop has its own, because an async connection cannot be
used in another loop. All share one TLS context.
"""

import asyncio
import atexit
import os
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

from typing_extensions import AsyncGenerator

from orq_router_integrations._http.async_generators import scoped_asynccontextmanager
from orq_router_integrations._http.pool import AsyncConnectionPool, ConnectionPool
from orq_router_integrations._http.sender import AsyncPooledSender, PooledSender
from orq_router_integrations._http.tls import create_tls_context

AnySender = TypeVar("AnySender", PooledSender, AsyncPooledSender)


@dataclass(slots=True)
class _SharedSender(Generic[AnySender]):
    """A sender and its current users.

    Attributes:
        sender: the sender.
        users: number of calls that use it.
        clients: the clients that have used it and were not closed since, by their ids.
        is_retired: whether its last user has to close it.
        finalizer: closes it when its event loop ends.
    """

    sender: AnySender
    users: int = 0
    clients: WeakValueDictionary[int, object] = field(default_factory=WeakValueDictionary)
    is_retired: bool = False
    finalizer: AsyncGenerator[None] | None = None

    @property
    def is_closable(self) -> bool:
        return self.is_retired and not self.users

    def lend_to(self, client: object) -> None:
        self.users += 1
        self.clients[id(client)] = client

    def is_needed_after(self, client: object) -> bool:
        """Remove a client, and return whether others remain."""
        self.clients.pop(id(client), None)
        return bool(self.clients)


class SenderRegistry:
    """Creates the senders and lends them to calls."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._tls_context: ssl.SSLContext | None = None
        self._sync: _SharedSender[PooledSender] | None = None
        self._by_loop: dict[asyncio.AbstractEventLoop, _SharedSender[AsyncPooledSender]] = {}
        self._inherited: list[object] = []

    def reset_after_fork(self) -> None:
        """Forget all senders without closing them: in a forked child they belong to the parent.

        They are kept from being garbage collected, because closing a TLS connection would end it
        for the parent as well.
        """
        self._inherited += [self._sync, self._by_loop]
        self._lock, self._tls_context = threading.RLock(), None
        self._sync, self._by_loop = None, {}

    @contextmanager
    def lease(self, client: object) -> Iterator[PooledSender]:
        """Lend the sync sender, which all threads share, to one call of a client."""
        with self._lock:
            if self._sync is None:
                self._sync = _SharedSender(PooledSender(ConnectionPool(self._get_tls_context)))
            shared = self._sync
            shared.lend_to(client)
        try:
            yield shared.sender
        finally:
            if self._release(shared):
                shared.sender.close()

    @scoped_asynccontextmanager
    async def alease(self, client: object) -> AsyncGenerator[AsyncPooledSender]:
        """Lend the sender of the running event loop to one call of a client."""
        loop = asyncio.get_running_loop()
        with self._lock:
            for closed_loop in [other for other in self._by_loop if other.is_closed()]:
                del self._by_loop[closed_loop]
            if loop not in self._by_loop:
                self._by_loop[loop] = _SharedSender(
                    AsyncPooledSender(AsyncConnectionPool(self._get_tls_context))
                )
            shared = self._by_loop[loop]
            shared.lend_to(client)
        if shared.finalizer is None:
            shared.finalizer = _close_with_loop(shared.sender)
            await anext(shared.finalizer)
        try:
            yield shared.sender
        finally:
            if self._release(shared):
                await shared.sender.aclose()

    def close(self, client: object | None = None) -> None:
        """Close the sync sender once no call uses it; the next call creates another.

        With a client, it is only closed if no other open client has used it.
        """
        with self._lock:
            if client and self._sync and self._sync.is_needed_after(client):
                return
            shared, self._sync, self._tls_context = self._sync, None, None
        if shared and self._retire(shared):
            shared.sender.close()

    async def aclose(self, client: object) -> None:
        """Close the sender of the running event loop; see ``close``."""
        with self._lock:
            loop = asyncio.get_running_loop()
            shared = self._by_loop.get(loop)
            if shared is None or shared.is_needed_after(client):
                return
            del self._by_loop[loop]
        if self._retire(shared):
            await shared.sender.aclose()

    def _get_tls_context(self) -> ssl.SSLContext:
        """Return the TLS context of the environment, which is loaded once."""
        with self._lock:
            if self._tls_context is None:
                self._tls_context = create_tls_context()
            return self._tls_context

    def _release(self, shared: _SharedSender[AnySender]) -> bool:
        """Take a sender back after a call, and return whether to close it."""
        with self._lock:
            shared.users -= 1
            return shared.is_closable

    def _retire(self, shared: _SharedSender[AnySender]) -> bool:
        """Stop lending a sender, and return whether to close it now."""
        with self._lock:
            shared.is_retired = True
            return shared.is_closable


async def _close_with_loop(sender: AsyncPooledSender) -> AsyncGenerator[None]:
    """Close a sender when its event loop ends: ``asyncio.run`` closes all open generators."""
    try:
        yield
    finally:
        await sender.aclose()


SENDER_REGISTRY = SenderRegistry()
atexit.register(SENDER_REGISTRY.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SENDER_REGISTRY.reset_after_fork)

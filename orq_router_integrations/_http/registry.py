"""The senders that all clients of a process share. They are created on demand and fork-safe.

One sender serves all threads. Each event loop has its own, because an async connection cannot be
used in another loop. All share one TLS context.
"""

import asyncio
import atexit
import os
import ssl
import threading

from typing_extensions import AsyncGenerator

from orq_router_integrations._http.pool import AsyncConnectionPool, ConnectionPool
from orq_router_integrations._http.sender import AsyncPooledSender, PooledSender
from orq_router_integrations._http.tls import create_tls_context


class SenderRegistry:
    """Creates the senders, and closes them."""

    def __init__(self) -> None:
        self._inherited: list[object] = []
        self._lock = threading.RLock()
        self._tls_context: ssl.SSLContext | None = None
        self._sync: PooledSender | None = None
        self._by_loop: dict[asyncio.AbstractEventLoop, AsyncPooledSender] = {}
        self._finalizers: dict[asyncio.AbstractEventLoop, AsyncGenerator[None]] = {}

    def reset_after_fork(self) -> None:
        """Forget all senders without closing them: in a forked child they belong to the parent.

        They are kept from being garbage collected, because closing a TLS connection would end it
        for the parent as well.
        """
        self._inherited += [self._sync, self._by_loop, self._finalizers]
        self._lock, self._tls_context = threading.RLock(), None
        self._sync, self._by_loop, self._finalizers = None, {}, {}

    def get_sender(self, client: object) -> PooledSender:
        """Return the sync sender, which all threads share, for a call of a client."""
        with self._lock:
            if self._sync is None:
                self._sync = PooledSender(ConnectionPool(self._get_tls_context))
            self._sync.add_client(client)
            return self._sync

    async def get_async_sender(self, client: object) -> AsyncPooledSender:
        """Return the sender of the running event loop for a call of a client."""
        loop = asyncio.get_running_loop()
        sender = self._by_loop.get(loop)
        if sender is None:
            sender = AsyncPooledSender(AsyncConnectionPool(self._get_tls_context))
            with self._lock:
                for closed_loop in [other for other in self._by_loop if other.is_closed()]:
                    del self._by_loop[closed_loop], self._finalizers[closed_loop]
                self._by_loop[loop] = sender
                finalizer = self._finalizers[loop] = _close_with_loop(sender)
            await anext(finalizer)
        sender.add_client(client)
        return sender

    def close(self, client: object | None = None) -> None:
        """Close the sync sender; calls in progress finish, and the next call creates another.

        With a client, it is only closed if no other open client has used it.
        """
        with self._lock:
            sender = self._sync
            if client and sender and sender.is_needed_after(client):
                return
            self._sync = self._tls_context = None
        if sender:
            sender.close()

    async def aclose(self, client: object) -> None:
        """Close the sender of the running event loop; see ``close``."""
        loop = asyncio.get_running_loop()
        with self._lock:
            sender = self._by_loop.get(loop)
            if sender is None or sender.is_needed_after(client):
                return
            del self._by_loop[loop]
            finalizer = self._finalizers.pop(loop)
        await finalizer.aclose()

    def _get_tls_context(self) -> ssl.SSLContext:
        """Return the TLS context of the environment, which is loaded once."""
        with self._lock:
            if self._tls_context is None:
                self._tls_context = create_tls_context()
            return self._tls_context


async def _close_with_loop(sender: AsyncPooledSender) -> AsyncGenerator[None]:
    """Close a sender when its event loop ends: ``asyncio.run`` closes all open generators."""
    try:
        yield
    finally:
        sender.close()


SENDER_REGISTRY = SenderRegistry()
atexit.register(SENDER_REGISTRY.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SENDER_REGISTRY.reset_after_fork)

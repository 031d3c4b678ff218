"""The connection pools that all clients of a process share."""

import asyncio
import atexit
import os
import ssl
import threading

from typing_extensions import AsyncGenerator

from orq_router_integrations._http.pool import AsyncConnectionPool, ConnectionPool
from orq_router_integrations._http.tls import create_tls_context


class SenderRegistry:
    """Creates the shared connection pools when they are first needed.

    One pool serves all threads. Each event loop has its own, because an async connection cannot be
    used in another loop. All share one TLS context.
    """

    def __init__(self) -> None:
        self._inherited: list[object] = []
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._tls_context: ssl.SSLContext | None = None
        self._pool: ConnectionPool | None = None
        self._by_loop: dict[
            asyncio.AbstractEventLoop, tuple[AsyncConnectionPool, AsyncGenerator[None]]
        ] = {}

    def reset_after_fork(self) -> None:
        """Forget all pools without closing them: in a forked child they belong to the parent.

        They are kept from being garbage collected, because closing a TLS connection would end it
        for the parent as well.
        """
        self._inherited += [self._pool, self._by_loop]
        self._reset()

    def get_sender(self, client: object) -> ConnectionPool:
        """Return the pool that all threads share, for a sync call of a client."""
        with self._lock:
            if self._pool is None:
                self._pool = ConnectionPool(self._get_tls_context)
            self._pool.add_client(client)
            return self._pool

    async def get_async_sender(self, client: object) -> AsyncConnectionPool:
        """Return the pool of the running event loop, for a call of a client."""
        loop = asyncio.get_running_loop()
        if loop not in self._by_loop:
            pool = AsyncConnectionPool(self._get_tls_context)
            finalizer = _close_with_loop(pool)
            with self._lock:
                open_loops = {o: p for o, p in self._by_loop.items() if not o.is_closed()}
                self._by_loop = {**open_loops, loop: (pool, finalizer)}
            await anext(finalizer)
        pool, _ = self._by_loop[loop]
        pool.add_client(client)
        return pool

    def close(self, client: object | None = None) -> None:
        """Close the sync pool; calls in progress finish, and the next call creates another.

        With a client, it is only closed if no other open client has used it.
        """
        with self._lock:
            pool = self._pool
            if client and pool and pool.is_needed_after(client):
                return
            self._pool = self._tls_context = None
        if pool:
            pool.close()

    async def aclose(self, client: object) -> None:
        """Close the pool of the running event loop; see ``close``."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop not in self._by_loop or self._by_loop[loop][0].is_needed_after(client):
                return
            _, finalizer = self._by_loop.pop(loop)
        await finalizer.aclose()

    def _get_tls_context(self) -> ssl.SSLContext:
        """Return the TLS context of the environment, which is loaded once."""
        with self._lock:
            if self._tls_context is None:
                self._tls_context = create_tls_context()
            return self._tls_context


async def _close_with_loop(pool: AsyncConnectionPool) -> AsyncGenerator[None]:
    """Close a pool when its event loop ends: ``asyncio.run`` closes all open generators."""
    try:
        yield
    finally:
        pool.close()


SENDER_REGISTRY = SenderRegistry()
atexit.register(SENDER_REGISTRY.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SENDER_REGISTRY.reset_after_fork)

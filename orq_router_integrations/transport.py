"""The process's httpx clients: made when first needed, shared by everyone, safe to fork.

One client serves all threads. Each running event loop has one of its own, because an async
connection cannot outlive the loop it was opened in; it is forgotten when its loop is closed.
"""

import asyncio
import atexit
import os
import threading
from http.cookiejar import DefaultCookiePolicy
from typing import TypeVar

import httpx

LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=60.0)
"""As many connections as there are calls at once, all kept: a new one costs a TLS handshake."""


class Connections:
    """Lazily made httpx clients for one set of TLS and proxy settings (the environment's)."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Drop everything unclosed: in a forked child, the connections are the parent's."""
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._by_loop: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}

    def client(self) -> httpx.Client:
        """The client of all threads."""
        with self._lock:
            if self._client is None:
                self._client = without_cookies(httpx.Client(limits=LIMITS))
            return self._client

    def async_client(self) -> httpx.AsyncClient:
        """The client of the running event loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            for closed in [other for other in self._by_loop if other.is_closed()]:
                del self._by_loop[closed]
            if loop not in self._by_loop:
                self._by_loop[loop] = without_cookies(httpx.AsyncClient(limits=LIMITS))
            return self._by_loop[loop]

    def close(self) -> None:
        """Close the client of the threads; the next call makes a new one."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the client of the running event loop; the next call makes a new one."""
        with self._lock:
            client = self._by_loop.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()


AnyClient = TypeVar("AnyClient", httpx.Client, httpx.AsyncClient)


def without_cookies(client: AnyClient) -> AnyClient:
    """Make a client store no cookie: a router has no session to keep."""
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


SHARED = Connections()
atexit.register(SHARED.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SHARED.forget)

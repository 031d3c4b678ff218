"""Send calls over the package's own connection pools.

httpx's client merges headers and looks for cookies, credentials and redirects around each request.
That costs about as much as sending it, and the router does not need it. So these senders pass
requests to httpcore. The connections observe the deadline of the call.
"""

import asyncio
import atexit
import os
import ssl
import threading
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import httpcore
from typing_extensions import AsyncGenerator

from orq_router_integrations._http.deadline import DRAIN_SECONDS
from orq_router_integrations._http.exchange import Exchange, RequestArgs
from orq_router_integrations._http.pool import AsyncConnectionPool, ConnectionPool
from orq_router_integrations._http.tls import create_tls_context

AnyPool = TypeVar("AnyPool", ConnectionPool, AsyncConnectionPool)


class _Sender(Generic[AnyPool]):
    """A pool, and the ids of the open clients that have used it."""

    def __init__(self, pool: AnyPool) -> None:
        self._pool: AnyPool = pool
        self._clients: WeakValueDictionary[int, object] = WeakValueDictionary()

    def add_client(self, client: object) -> None:
        if id(client) not in self._clients:
            self._clients[id(client)] = client

    def is_needed_after(self, client: object) -> bool:
        """Remove a client, and return whether others remain."""
        self._clients.pop(id(client), None)
        return bool(self._clients)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class PooledSender(_Sender[ConnectionPool]):
    """Sends sync calls."""

    @contextmanager
    def send(self, exchange: Exchange[Any]) -> Iterator[Iterator[bytes]]:
        """Send the next attempt of a call and yield the chunks of its response.

        If the response is complete before its body has ended, this waits briefly for the end, so
        that the connection can be reused.
        """
        args, proxy = exchange.start_attempt(), _select_proxy(exchange)
        request = _build_request(args, exchange.content, proxy)
        with closing(self._pool.send(request, exchange.deadline, proxy)) as response:
            chunks = exchange.iter_response(response)
            yield chunks
            if exchange.done:
                exchange.deadline.resume(DRAIN_SECONDS)
                with suppress(Exception):
                    next(chunks, None)


class AsyncPooledSender(_Sender[AsyncConnectionPool]):
    """Sends async calls; see `PooledSender`."""

    def send(self, exchange: Exchange[Any]) -> "_AsyncAttempt":
        """Send the next attempt of a call and yield the chunks of its response."""
        return _AsyncAttempt(self._pool, exchange)


class _AsyncAttempt:
    """Context manager of an async attempt.

    It is not a generator, because asyncio would close a generator when its event loop ends.
    """

    def __init__(self, pool: AsyncConnectionPool, exchange: Exchange[Any]) -> None:
        self._pool = pool
        self._exchange = exchange

    async def __aenter__(self) -> AsyncIterator[bytes]:
        exchange = self._exchange
        args, proxy = await exchange.astart_attempt(), _select_proxy(exchange)
        request = _build_request(args, exchange.async_content, proxy)
        self._response = await self._pool.send(request, exchange.deadline, proxy)
        try:
            self._chunks = exchange.aiter_response(self._response)
        except BaseException:
            await self._response.aclose()
            raise
        return self._chunks

    async def __aexit__(self, exc_type: object, *_: object) -> None:
        async with aclosing(self._response):
            if exc_type is None and self._exchange.done:
                self._exchange.deadline.resume(DRAIN_SECONDS)
                with suppress(Exception):
                    await anext(self._chunks, None)


def _select_proxy(exchange: Exchange[Any]) -> str | None:
    proxies = exchange.proxies
    return proxies.select(exchange.url) if proxies.urls else None


def _build_request(
    args: RequestArgs,
    content: bytes | Iterable[bytes] | AsyncIterable[bytes],
    proxy: str | None,
) -> httpcore.Request:
    """Build a request, including the headers that httpx's client would otherwise add."""
    url, headers = args["url"], {"host": args["url"].netloc.decode("ascii"), **args["headers"]}
    host = url.raw_host
    if b":" in host and proxy and proxy.startswith("http"):
        host = b"[%b]" % host  # httpcore puts it into the request to the proxy as it is
    if content and isinstance(content, bytes):
        headers["content-length"] = str(len(content))
    return httpcore.Request(
        args["method"],
        httpcore.URL(scheme=url.raw_scheme, host=host, port=url.port, target=url.raw_path),
        headers=[(name.encode("ascii"), headers[name].encode("ascii")) for name in headers],
        content=content,
        extensions={"timeout": args["timeout"].as_dict()},
    )


class SenderRegistry:
    """Holds the senders that all clients of a process share, created when first needed.

    One sender serves all threads. Each event loop has its own, because an async connection cannot
    be used in another loop. All share one TLS context.
    """

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

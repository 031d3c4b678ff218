"""Connection pools that send sync and async calls, and the pools that all clients share.

httpx's client merges headers and looks for cookies, credentials and redirects around each request,
which costs about as much as sending it, and its pool inspects all of its connections whenever a
request starts or ends. Here requests go to httpcore directly. The idle connections of an origin
form a stack, so taking the one used last and returning it costs the same for any number.
"""

import asyncio
import atexit
import os
import threading
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from importlib.util import find_spec
from time import monotonic
from typing import Any, Self
from weakref import WeakValueDictionary

import httpcore
import httpx
from typing_extensions import AsyncGenerator

from orq_router_integrations._http.async_generators import scoped_asynccontextmanager
from orq_router_integrations._http.asyncio_backend import AsyncioBackend
from orq_router_integrations._http.backend import DeadlineBackend, Route
from orq_router_integrations._http.deadline import DRAIN_SECONDS, KEEPALIVE_SECONDS
from orq_router_integrations._http.environment_proxies import select_proxy
from orq_router_integrations._http.exchange import Exchange
from orq_router_integrations._http.tls import get_tls_context
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.error_response import hide_credentials

Connection = DeadlineBackend | AsyncioBackend

SWEEP_SECONDS = KEEPALIVE_SECONDS / 10
"""Seconds between two checks for expired connections in an event loop."""

_CONNECTION_LOST = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)
_NOT_CONNECTED = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.ProxyError)
_NO_RESPONSE = (*_CONNECTION_LOST, *_NOT_CONNECTED, httpcore.TimeoutException)


class _Pool:
    """Base of the pools: keeps a stack of idle connections for each route, oldest first."""

    httpcore_class: type[Any]
    backend_class: type[Any]

    finalizer: AsyncGenerator[None] | None = None
    lock = threading.RLock()
    """Shared with the registry, which replaces it after a fork."""

    def __init__(self) -> None:
        self.is_closed = False
        self.clients: WeakValueDictionary[int, object] = WeakValueDictionary()
        self._stacks: dict[Route, deque[tuple[float, Connection]]] = {}

    def create(self, request: httpcore.Request, route: Route) -> Connection:
        """Create a connection, which is opened by its first request."""
        connection: Connection = self.backend_class()
        with self.lock:  # so that concurrent calls load the certificates once
            # An httpcore pool is only used as a factory, because it chooses the connection class.
            factory = self.httpcore_class(
                ssl_context=get_tls_context() if route[0] == b"https" else None,
                proxy=_create_proxy(route[3]) if route[3] else None,
                keepalive_expiry=KEEPALIVE_SECONDS,
                network_backend=connection,
            )
        connection.http = factory.create_connection(request.url.origin)
        connection.route = route
        return connection

    def pop(self, route: Route) -> Connection | None:
        """Remove and return the most recently used idle connection that is still open."""
        self.close_expired()
        while True:
            with self.lock:
                stack = self._stacks.get(route)
                connection = stack.pop()[1] if stack else None
            if connection is None or not connection.http.has_expired():
                return connection
            connection.close()

    def push(self, connection: Connection) -> None:
        """Return a connection to the pool, or close it if it cannot be reused."""
        connection.end_call()
        http = connection.http
        with self.lock:
            is_reusable = http.is_idle() and not (http.is_closed() or self.is_closed)
            if is_reusable:
                self._stacks.setdefault(connection.route, deque()).append((monotonic(), connection))
        if not is_reusable:
            connection.close()

    def close_expired(self, age: float = KEEPALIVE_SECONDS) -> None:
        """Close the connections that have been idle for too long."""
        latest = monotonic() - age
        expired = []
        with self.lock:
            for stack in self._stacks.values():
                while stack and stack[0][0] <= latest:
                    expired.append(stack.popleft()[1])
        for connection in expired:
            connection.close()

    def close(self) -> None:
        """Close the idle connections; the others are closed when their request ends."""
        self.is_closed = True
        self.close_expired(0)


def _create_proxy(url: str) -> httpcore.Proxy:
    try:
        proxy = httpx.Proxy(url)
        proxy_url = httpcore.URL(str(proxy.url))
    except (ValueError, httpx.InvalidURL):
        raise RouterInputError(
            f"The proxy {hide_credentials(url)!r} in the environment is invalid. Set HTTPS_PROXY, "
            "HTTP_PROXY or ALL_PROXY to a URL such as http://proxy.example:3128."
        ) from None
    if proxy.url.scheme.startswith("socks") and not find_spec("socksio"):
        raise RouterInputError(
            f"The proxy {hide_credentials(url)} needs a package for SOCKS. Run pip install "
            "socksio, or add the host of the router to NO_PROXY."
        )
    context = get_tls_context() if proxy.url.scheme == "https" else None
    return httpcore.Proxy(proxy_url, auth=proxy.raw_auth, ssl_context=context)


class _Attempt:
    """The request of one attempt of a call, and the connection that it uses."""

    def __init__(
        self, pool: _Pool, exchange: Exchange[Any], headers: dict[str, str], content: Any
    ) -> None:
        self._pool, self._exchange = pool, exchange
        url, host = exchange.url, exchange.url.raw_host
        proxy = select_proxy(url, exchange.state.proxies)
        if b":" in host and proxy and proxy.startswith("http"):
            host = b"[%b]" % host  # httpcore does not add the brackets in requests to a proxy
        self._route: Route = (url.raw_scheme, host, url.port, proxy)
        # httpx's client would add these headers.
        headers = {"host": url.netloc.decode("ascii"), **headers}
        if content and isinstance(content, bytes):
            headers["content-length"] = str(len(content))
        self.request = httpcore.Request(
            exchange.encoded.method,
            httpcore.URL(scheme=url.raw_scheme, host=host, port=url.port, target=url.raw_path),
            headers=[*headers.items()],
            content=content,
            extensions={"timeout": exchange.timeout.as_dict()},
        )
        self._use(pool.pop(self._route) or pool.create(self.request, self._route))

    def _use(self, connection: Connection) -> None:
        self._connection, self.http = connection, connection.http
        connection.start_call(self._exchange.deadline)

    def __enter__(self) -> Self:
        return self

    @contextmanager
    def replacing_connection(self) -> Iterator[None]:
        """Suppress the error of a reused connection that ended before its response; replace it."""
        try:
            yield
        except _CONNECTION_LOST:
            if not self._connection.is_reused or self._connection.first_byte:
                raise
            self._connection.close()
            self._use(self._pool.create(self.request, self._route))

    def check_response(self, response: Any) -> Any:
        """Return a response if it belongs to the request."""
        if self._connection.is_reused and self._connection.first_byte != b"H":
            # More bytes followed the previous response, and were taken for the start of this one.
            self._connection.first_byte = b""
            raise httpcore.RemoteProtocolError("The response belongs to an earlier request")
        if response.status == 407 and self._route[3]:  # from a proxy that forwards requests
            raise httpcore.ProxyError("407 Proxy Authentication Required")
        return response

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._pool.push(self._connection)
        scheme, host, _, proxy = self._route
        proxy_errors = _NO_RESPONSE if scheme == b"https" else _NOT_CONNECTED
        is_refused = isinstance(error, httpcore.ProxyError)
        # Until the TLS handshake with the router, errors in a tunnel are caused by the proxy.
        is_tunnel_open = self._connection.tls_host == host.decode()
        if proxy and isinstance(error, proxy_errors) and (is_refused or not is_tunnel_open):
            is_timeout = isinstance(error, httpcore.TimeoutException)
            error_class = httpcore.ConnectTimeout if is_timeout else httpcore.ProxyError
            reason = str(error) or type(error).__name__
            raise error_class(f"proxy {hide_credentials(proxy)}: {reason}") from error


class ConnectionPool(_Pool):
    """Sends the sync calls of all threads."""

    httpcore_class, backend_class = httpcore.ConnectionPool, DeadlineBackend

    @contextmanager
    def send(self, exchange: Exchange[Any]) -> Iterator[Iterator[bytes]]:
        """Send the next attempt of a call and yield the chunks of its response.

        A reused connection that turns out to have ended is replaced once. If the response is
        complete before its body has ended, this waits briefly for the end, so that the connection
        can be reused.
        """
        response = None
        with _Attempt(self, exchange, exchange.start_attempt(), exchange.encoded.body) as attempt:
            while response is None:
                with attempt.replacing_connection():
                    response = attempt.check_response(attempt.http.handle_request(attempt.request))
            with closing(response):
                exchange.start_response(response.status, response.headers)
                chunks = iter(response.stream)
                yield chunks
                if exchange.done:
                    exchange.deadline.resume(DRAIN_SECONDS)
                    with suppress(Exception):
                        next(chunks, None)


class AsyncConnectionPool(_Pool):
    """Sends async calls of one event loop; see `ConnectionPool`."""

    httpcore_class, backend_class = httpcore.AsyncConnectionPool, AsyncioBackend
    _timer: asyncio.TimerHandle | None = None

    @scoped_asynccontextmanager
    async def send(self, exchange: Exchange[Any]) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Send the next attempt of a call; see `ConnectionPool`."""
        if self.finalizer is None:
            self.finalizer = self._close_with_loop()
            await anext(self.finalizer)
        headers = await exchange.astart_attempt()
        response = None
        with _Attempt(self, exchange, headers, exchange.async_content) as attempt:
            while response is None:
                with attempt.replacing_connection():
                    received = await attempt.http.handle_async_request(attempt.request)
                    response = attempt.check_response(received)
            async with aclosing(response):
                exchange.start_response(response.status, response.headers)
                chunks = aiter(response.stream)
                yield chunks
                if exchange.done:
                    exchange.deadline.resume(DRAIN_SECONDS)
                    with suppress(Exception):
                        await anext(chunks, None)

    async def _close_with_loop(self) -> AsyncGenerator[None]:
        """Close when the event loop ends: ``asyncio.run`` closes all open generators."""
        with closing(self):
            yield

    def push(self, connection: Connection) -> None:
        super().push(connection)
        if self._timer is None:
            self._close_expired_later()

    def _close_expired_later(self) -> None:
        self.close_expired()
        self._timer = None
        if any(self._stacks.values()):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(SWEEP_SECONDS, self._close_expired_later)


class PoolRegistry:
    """Creates the shared pools when they are first needed.

    One pool serves all threads. Each event loop has its own, because an async connection cannot be
    used in another loop. All share one TLS context.
    """

    def __init__(self) -> None:
        self._inherited: list[object] = []
        self._pools: dict[AbstractEventLoop | None, ConnectionPool | AsyncConnectionPool] = {}

    def reset_after_fork(self) -> None:
        """Forget all pools without closing them: in a forked child they belong to the parent.

        They are kept from being garbage collected, because closing a TLS connection would end it
        for the parent as well. Another thread of the parent may hold the lock.
        """
        _Pool.lock = threading.RLock()
        self._inherited.append(self._pools)
        self._pools = {}
        get_tls_context.cache_clear()

    def get_pool(self, client: object, *, is_async: bool) -> ConnectionPool | AsyncConnectionPool:
        """Return the pool of the running event loop, or the one that all sync calls share."""
        loop = asyncio.get_running_loop() if is_async else None
        with _Pool.lock:
            if loop not in self._pools:
                for closed_loop in [key for key in self._pools if key and key.is_closed()]:
                    del self._pools[closed_loop]
                self._pools[loop] = AsyncConnectionPool() if is_async else ConnectionPool()
            pool = self._pools[loop]
            pool.clients.setdefault(id(client), client)
            return pool

    def close(self, client: object | None = None) -> None:
        """Close the sync pool; calls in progress finish, and the next call creates another.

        With a client, it is only closed if no other open client has used it.
        """
        get_tls_context.cache_clear()
        if pool := self._remove(None, client):
            pool.close()

    async def aclose(self, client: object) -> None:
        """Close the pool of the running event loop; see ``close``."""
        if pool := self._remove(asyncio.get_running_loop(), client):
            pool.close()
            if pool.finalizer:
                await pool.finalizer.aclose()

    def _remove(self, key: AbstractEventLoop | None, client: object | None) -> _Pool | None:
        """Remove and return a pool, unless another client uses it."""
        with _Pool.lock:
            pool = self._pools.get(key)
            if client and pool:
                pool.clients.pop(id(client), None)
                if pool.clients:
                    return None
            return self._pools.pop(key, None)


POOL_REGISTRY = PoolRegistry()
atexit.register(POOL_REGISTRY.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=POOL_REGISTRY.reset_after_fork)

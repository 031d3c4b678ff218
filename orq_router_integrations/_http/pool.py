"""Connection pools that send sync and async calls.

httpx's client merges headers and looks for cookies, credentials and redirects around each request,
which costs about as much as sending it, and its pool inspects all of its connections whenever a
request starts or ends. Here requests go to httpcore directly. The idle connections of an origin
form a stack, so taking the one used last and returning it costs the same for any number.
"""

import asyncio
import os
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from time import monotonic
from typing import Any, Self
from weakref import WeakValueDictionary

import httpcore
import httpx
from typing_extensions import AsyncGenerator

from orq_router_integrations._http.async_generators import scoped_asynccontextmanager
from orq_router_integrations._http.asyncio_backend import AsyncioBackend
from orq_router_integrations._http.backend import ConnectionBackend, DeadlineBackend, Route
from orq_router_integrations._http.deadline import DRAIN_SECONDS, KEEPALIVE_SECONDS
from orq_router_integrations._http.environment_proxies import create_proxy, format_proxy
from orq_router_integrations._http.exchange import Exchange

SWEEP_SECONDS = KEEPALIVE_SECONDS / 10
"""Seconds between two checks for expired connections in an event loop."""

_CONNECTION_ENDED = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)
_CONNECT_ERRORS = (httpcore.ConnectError, httpcore.ConnectTimeout)
_ERRORS = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.TimeoutException,
)


class _SurplusDataError(httpcore.RemoteProtocolError):
    """More bytes followed the previous response, and were taken for the start of this one."""


class _Pool:
    """The idle connections: a stack for each route, the oldest at the left.

    Args:
        create_context: Returns the TLS context, when the first https connection is opened: loading
            its certificates is slow, and plain HTTP does not need them.
    """

    _lock = threading.RLock()
    """Shared by all pools, so that one function can replace it after a fork."""

    httpcore_class: type[Any]
    backend_class: type[Any]

    def __init__(self, create_context: Callable[[], ssl.SSLContext]) -> None:
        self._create_context = create_context
        self.is_closed = False
        self._stacks: dict[Route, deque[tuple[float, ConnectionBackend]]] = {}
        self._clients: WeakValueDictionary[int, object] = WeakValueDictionary()

    @classmethod
    def reset_after_fork(cls) -> None:
        """Replace the lock, which another thread of the parent process may hold."""
        _Pool._lock = threading.RLock()

    def add_client(self, client: object) -> None:
        """Add an open client that uses the pool."""
        if id(client) not in self._clients:
            self._clients[id(client)] = client

    def is_needed_after(self, client: object) -> bool:
        """Remove a client, and return whether others remain."""
        self._clients.pop(id(client), None)
        return bool(self._clients)

    def create(self, request: httpcore.Request, route: Route) -> ConnectionBackend:
        """Create a connection, which is opened by its first request."""
        connection: ConnectionBackend = self.backend_class()
        proxy = route[3]
        pool = self.httpcore_class(
            ssl_context=self._create_context() if route[0] == b"https" else None,
            proxy=create_proxy(proxy, self._create_context) if proxy else None,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=connection,
        )
        connection.http, connection.route = pool.create_connection(request.url.origin), route
        return connection

    def pop(self, route: Route) -> ConnectionBackend | None:
        """Remove and return the most recently used idle connection that is still open."""
        self.close_expired()
        while True:
            with self._lock:
                stack = self._stacks.get(route)
                connection = stack.pop()[1] if stack else None
            if connection is None or not connection.http.has_expired():
                return connection
            connection.close()

    def push(self, connection: ConnectionBackend) -> None:
        """Return a connection to the pool, or close it if it cannot be reused."""
        connection.deadline = ConnectionBackend.deadline
        connection.is_reused = True
        http = connection.http
        with self._lock:
            is_kept = http.is_idle() and not (http.is_closed() or self.is_closed)
            if is_kept:
                item = (monotonic(), connection)
                self._stacks.setdefault(connection.route, deque()).append(item)
        if not is_kept:
            connection.close()

    def close_expired(self, age: float = KEEPALIVE_SECONDS) -> None:
        """Close the connections that have been idle for too long."""
        start, expired = monotonic() - age, []
        with self._lock:
            for stack in self._stacks.values():
                while stack and stack[0][0] <= start:
                    expired.append(stack.popleft()[1])
        for connection in expired:
            connection.close()

    def close(self) -> None:
        """Close the idle connections; the others are closed when their request ends."""
        self.is_closed = True
        self.close_expired(0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Pool.reset_after_fork)


class _Attempt:
    """The request of one attempt of a call, and the connection that it uses."""

    def __init__(
        self, pool: _Pool, exchange: Exchange[Any], headers: dict[str, str], content: Any
    ) -> None:
        self._pool, self._deadline = pool, exchange.deadline
        proxy = exchange.proxies.select(exchange.url) if exchange.proxies.urls else None
        self.request = _build_request(exchange, headers, content, proxy)
        url = self.request.url
        self._route: Route = (url.scheme, url.host, url.port, proxy)
        self._use(pool.pop(self._route) or pool.create(self.request, self._route))

    def _use(self, connection: ConnectionBackend) -> None:
        self.connection = connection
        connection.start_call(self._deadline)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._pool.push(self.connection)
        if isinstance(error, _ERRORS) and (proxy := self._route[3]) and self._is_of_proxy(error):
            is_timeout = isinstance(error, httpcore.TimeoutException)
            error_class = httpcore.ConnectTimeout if is_timeout else httpcore.ProxyError
            reason = str(error) or type(error).__name__
            raise error_class(f"proxy {format_proxy(proxy)}: {reason}") from error

    def _is_of_proxy(self, error: BaseException) -> bool:
        scheme, host, *_ = self._route
        if isinstance(error, httpcore.ProxyError):
            return True
        is_tunnel_open = self.connection.tls_host == host.decode()
        is_connecting = scheme == b"https" or isinstance(error, _CONNECT_ERRORS)
        return is_connecting and not is_tunnel_open

    def check_response(self, response: Any) -> Any:
        """Return a response if it belongs to the request."""
        if self.connection.is_reused and self.connection.first_byte != b"H":
            raise _SurplusDataError
        if response.status == 407 and self._route[3]:  # from a proxy that forwards requests
            raise httpcore.ProxyError("407 Proxy Authentication Required")
        return response

    def replace_connection(self, error: Exception) -> bool:
        """Use a new connection if a reused one has ended before any byte of a response."""
        connection = self.connection
        has_response = connection.first_byte and not isinstance(error, _SurplusDataError)
        if has_response or not connection.is_reused:
            return False
        connection.close()
        self._use(self._pool.create(self.request, self._route))
        return True


def _build_request(
    exchange: Exchange[Any], headers: dict[str, str], content: Any, proxy: str | None
) -> httpcore.Request:
    """Build a request, including the headers that httpx's client would otherwise add."""
    url, host = exchange.url, exchange.url.raw_host
    headers = {"host": url.netloc.decode("ascii"), **headers}
    if b":" in host and proxy and proxy.startswith("http"):
        host = b"[%b]" % host  # httpcore puts it into the request to the proxy as it is
    if content and isinstance(content, bytes):
        headers["content-length"] = str(len(content))
    return httpcore.Request(
        exchange.encoded.method,
        httpcore.URL(scheme=url.raw_scheme, host=host, port=url.port, target=url.raw_path),
        headers=[(name.encode("ascii"), headers[name].encode("ascii")) for name in headers],
        content=content,
        extensions={"timeout": exchange.timeout.as_dict()},
    )


class ConnectionPool(_Pool):
    """Sends sync calls of all threads."""

    httpcore_class, backend_class = httpcore.ConnectionPool, DeadlineBackend

    @contextmanager
    def send(self, exchange: Exchange[Any]) -> Iterator[Iterator[bytes]]:
        """Send the next attempt of a call and yield the chunks of its response.

        A reused connection that turns out to have ended is replaced once. If the response is
        complete before its body has ended, this waits briefly for the end, so that the connection
        can be reused.
        """
        headers = exchange.start_attempt()
        with _Attempt(self, exchange, headers, exchange.content) as attempt:
            try:
                response = self._send(attempt)
            except _CONNECTION_ENDED as error:
                if not attempt.replace_connection(error):
                    raise
                response = self._send(attempt)
            with closing(response):
                chunks = exchange.start_response(
                    response.status, httpx.Headers(response.headers)
                ).decompress(response.stream)
                yield chunks
                if exchange.done:
                    exchange.deadline.resume(DRAIN_SECONDS)
                    with suppress(Exception):
                        next(chunks, None)

    def _send(self, attempt: _Attempt) -> Any:
        return attempt.check_response(attempt.connection.http.handle_request(attempt.request))


class AsyncConnectionPool(_Pool):
    """Sends async calls of one event loop; see `ConnectionPool`."""

    httpcore_class, backend_class = httpcore.AsyncConnectionPool, AsyncioBackend
    _timer: asyncio.TimerHandle | None = None

    @scoped_asynccontextmanager
    async def send(self, exchange: Exchange[Any]) -> AsyncGenerator[AsyncIterator[bytes]]:
        """Send the next attempt of a call; see `ConnectionPool`."""
        headers = await exchange.astart_attempt()
        with _Attempt(self, exchange, headers, exchange.async_content) as attempt:
            try:
                response = await self._send(attempt)
            except _CONNECTION_ENDED as error:
                if not attempt.replace_connection(error):
                    raise
                response = await self._send(attempt)
            async with aclosing(response):
                chunks = exchange.start_response(
                    response.status, httpx.Headers(response.headers)
                ).adecompress(response.stream)
                yield chunks
                if exchange.done:
                    exchange.deadline.resume(DRAIN_SECONDS)
                    with suppress(Exception):
                        await anext(chunks, None)

    async def _send(self, attempt: _Attempt) -> Any:
        response = await attempt.connection.http.handle_async_request(attempt.request)
        return attempt.check_response(response)

    def push(self, connection: ConnectionBackend) -> None:
        super().push(connection)
        if self._timer is None:
            self._close_expired_later()

    def _close_expired_later(self) -> None:
        self.close_expired()
        loop, has_idle = asyncio.get_running_loop(), any(self._stacks.values())
        self._timer = (
            loop.call_later(SWEEP_SECONDS, self._close_expired_later) if has_idle else None
        )

"""Connection pools for sync and async calls that reuse the most recently used connection first.

httpx's own pool inspects all of its connections whenever a request starts or ends, so each request
costs more the more connections there are. Here the idle connections of an origin form a stack, so
taking one and returning it costs the same for any number. A connection that fails or is cancelled
is closed and dropped.
"""

import os
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any

import httpcore
import httpx

from orq_router_integrations._http.asyncio_backend import AsyncioBackend
from orq_router_integrations._http.backend import CallState, DeadlineBackend
from orq_router_integrations._http.deadline import KEEPALIVE_SECONDS, Deadline
from orq_router_integrations._http.environment_proxies import create_proxy, format_proxy

ContextFactory = Callable[[], ssl.SSLContext]
"""Returns the TLS context. Loading its certificates is slow, and plain HTTP does not need them."""

Route = tuple[bytes, bytes, int | None, str | None]
"""Scheme, host and port of a URL, and the proxy for it."""

_HTTPCORE_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)

_CONNECTION_ENDED = (httpcore.ReadError, httpcore.WriteError, httpcore.RemoteProtocolError)


class StaleConnectionError(Exception):
    """A reused connection ended before any byte of a response, or had bytes of an earlier one."""


class _Connection:
    """An HTTP/1.1 connection and the state of the call it serves."""

    def __init__(self, http: Any, state: CallState, route: Route) -> None:
        self.http = http
        self.state = state
        self.route = route
        self.is_reused = False

    def close(self) -> None:
        """Close the connection, without waiting.

        httpcore would not close one that failed or was cancelled during a SOCKS handshake.
        """
        if self.state.stream:
            self.state.stream.close()

    def raise_converted(self, error: BaseException) -> None:
        """Raise the httpx error that corresponds to an error of httpcore.

        Raises:
            StaleConnectionError: The request can be sent over another connection.
        """
        is_stale = self.is_reused and not self.state.first_byte
        if is_stale and isinstance(error, _CONNECTION_ENDED):
            raise StaleConnectionError from error
        if isinstance(error, _HTTPCORE_ERRORS):
            name, message = type(error).__name__, str(error)
            if (proxy := self.route[3]) and self._was_raised_by_proxy(error):
                name = "ConnectTimeout" if name.endswith("Timeout") else "ProxyError"
                message = f"proxy {format_proxy(proxy)}: {message or type(error).__name__}"
            raise getattr(httpx, name)(message) from error

    def _was_raised_by_proxy(self, error: BaseException) -> bool:
        scheme, host, *_ = self.route
        if isinstance(error, httpcore.ProxyError):
            return True
        if self.state.tls_host == host.decode():  # the tunnel to the server is open
            return False
        return scheme == b"https" or isinstance(
            error, (httpcore.ConnectError, httpcore.ConnectTimeout)
        )


class _Pool:
    """The idle connections: a stack for each route, the oldest at the left.

    Args:
        create_context: Returns the TLS context, when the first https connection is opened.
    """

    _lock = threading.RLock()
    """Shared by all pools, so that one function can replace it after a fork."""

    httpcore_class: type[Any]
    backend_class: type[Any]

    def __init__(self, create_context: ContextFactory) -> None:
        self._create_context = create_context
        self._is_closed = False
        self._stacks: dict[Route, deque[tuple[float, _Connection]]] = {}

    @classmethod
    def reset_after_fork(cls) -> None:
        """Replace the lock, which another thread of the parent process may hold."""
        _Pool._lock = threading.RLock()

    def create(self, request: httpcore.Request, route: Route) -> _Connection:
        """Create a connection, which is opened by its first request."""
        state, proxy = self.backend_class(), route[3]
        pool = self.httpcore_class(
            ssl_context=self._create_context() if route[0] == b"https" else None,
            proxy=create_proxy(proxy, self._create_context) if proxy else None,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=state,
        )
        return _Connection(pool.create_connection(request.url.origin), state, route)

    def pop(self, route: Route) -> _Connection | None:
        """Remove and return the most recently used idle connection that is still open."""
        while True:
            with self._lock:
                stack = self._stacks.get(route)
                connection = stack.pop()[1] if stack else None
            if connection is None or not connection.http.has_expired():
                return connection
            connection.close()

    def push(self, connection: _Connection) -> None:
        """Return a connection to the pool, and close connections that cannot be reused."""
        connection.state.deadline = CallState.deadline
        connection.is_reused = True
        now, unused = monotonic(), []
        with self._lock:
            if connection.http.is_idle() and not self._is_closed:
                self._stacks.setdefault(connection.route, deque()).append((now, connection))
            else:
                unused.append(connection)
            for stack in self._stacks.values():
                while stack and stack[0][0] < now - KEEPALIVE_SECONDS:
                    unused.append(stack.popleft()[1])
        for item in unused:
            item.close()

    def _build_response(
        self, response: httpcore.Response, connection: _Connection
    ) -> httpx.Response:
        if connection.is_reused and connection.state.first_byte != b"H":
            # More bytes followed the previous response, and were taken for the start of this one.
            # What has arrived since then is missing, or does not start with "HTTP/".
            raise StaleConnectionError
        if response.status == 407 and connection.route[3]:  # from a proxy that forwards requests
            raise httpcore.ProxyError("407 Proxy Authentication Required")
        body = _ResponseBody(response.stream, self, connection)
        return httpx.Response(
            response.status, headers=response.headers, stream=body, extensions=response.extensions
        )

    def close(self) -> None:
        """Close the idle connections; the others are closed when their request ends."""
        with self._lock:
            self._is_closed = True
            stacks, self._stacks = self._stacks, {}
        for stack in stacks.values():
            for _, connection in stack:
                connection.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_Pool.reset_after_fork)


def _get_route(request: httpcore.Request, proxy: str | None) -> Route:
    url = request.url
    return url.scheme, url.host, url.port, proxy


class ConnectionPool(_Pool):
    """Sends sync requests of all threads."""

    httpcore_class, backend_class = httpcore.ConnectionPool, DeadlineBackend

    def send(
        self, request: httpcore.Request, deadline: Deadline, proxy: str | None = None
    ) -> httpx.Response:
        """Send a request over the idle connection used last, or over a new one.

        If the idle connection turns out to have ended, the request is sent over a new one.
        """
        route = _get_route(request, proxy)
        if connection := self.pop(route):
            with suppress(StaleConnectionError):
                return self._send(connection, request, deadline)
        return self._send(self.create(request, route), request, deadline)

    def _send(
        self, connection: _Connection, request: httpcore.Request, deadline: Deadline
    ) -> httpx.Response:
        connection.state.start_call(deadline)
        try:
            response = connection.http.handle_request(request)
            return self._build_response(response, connection)
        except BaseException as error:
            connection.close()
            connection.raise_converted(error)
            raise


class AsyncConnectionPool(_Pool):
    """Sends async requests of one event loop; see `ConnectionPool`."""

    httpcore_class, backend_class = httpcore.AsyncConnectionPool, AsyncioBackend

    async def send(
        self, request: httpcore.Request, deadline: Deadline, proxy: str | None = None
    ) -> httpx.Response:
        """Send a request; see `ConnectionPool`."""
        route = _get_route(request, proxy)
        if connection := self.pop(route):
            with suppress(StaleConnectionError):
                return await self._send(connection, request, deadline)
        return await self._send(self.create(request, route), request, deadline)

    async def _send(
        self, connection: _Connection, request: httpcore.Request, deadline: Deadline
    ) -> httpx.Response:
        connection.state.start_call(deadline)
        try:
            response = await connection.http.handle_async_request(request)
            return self._build_response(response, connection)
        except BaseException as error:
            connection.close()
            connection.raise_converted(error)
            raise


class _ResponseBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a response, which `httpx.Response` closes once: its connection can be reused."""

    def __init__(self, stream: Any, pool: _Pool, connection: _Connection) -> None:
        self._stream, self._pool, self._connection = stream, pool, connection

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except _HTTPCORE_ERRORS as error:
            self._connection.raise_converted(error)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except _HTTPCORE_ERRORS as error:
            self._connection.raise_converted(error)

    def close(self) -> None:
        try:
            self._stream.close()
        finally:
            self._pool.push(self._connection)

    async def aclose(self) -> None:
        try:
            await self._stream.aclose()
        finally:
            self._pool.push(self._connection)

"""Connection pools for sync and async calls that reuse the most recently used connection first.

httpx's own pool inspects all of its connections whenever a request starts or ends, so each request
costs more the more connections there are. Here the idle connections of an origin form a stack, so
taking one and returning it costs the same for any number. A connection that fails or is cancelled
is closed and dropped.
"""

import os
import socket
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic
from typing import Any, Generic, NoReturn, TypeVar

import httpcore
import httpx

from orq_router_integrations._http.asyncio_backend import AsyncioBackend
from orq_router_integrations._http.backend import DeadlineBackend, DeadlineMixin
from orq_router_integrations._http.deadline import DEADLINE_EXTENSION, KEEPALIVE_SECONDS

_KEEPALIVE_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}
SOCKET_OPTIONS = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in _KEEPALIVE_PROBES.items()
    if hasattr(socket, name)
]
"""TCP keepalive, so that network devices do not drop a connection while a model is thinking."""

Origin = tuple[bytes, bytes, int | None]
"""Scheme, host and port of a URL."""

ContextFactory = Callable[[], ssl.SSLContext]
"""Returns the TLS context. Loading its certificates is slow, and plain HTTP does not need them."""

_HTTPCORE_ERRORS = (
    httpcore.TimeoutException,
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.ProxyError,
    httpcore.UnsupportedProtocol,
)


class _Connection:
    """An HTTP/1.1 connection that observes the deadline of the call it serves.

    Args:
        connection: the sync or async connection of httpcore.
        backend: the network backend of that connection.
    """

    def __init__(self, connection: Any, backend: DeadlineMixin) -> None:
        self._connection = connection
        self._backend = backend

    def prepare(self, request: httpx.Request) -> httpcore.Request:
        """Apply the deadline of a request to the connection, and convert the request."""
        self._backend.deadline = request.extensions.get(DEADLINE_EXTENSION, DeadlineMixin.deadline)
        url = request.url
        return httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )

    @property
    def is_reusable(self) -> bool:
        """Whether the last response is complete and no bytes followed it."""
        return self._connection.is_idle() and not _has_surplus_bytes(self._connection)

    @property
    def is_open(self) -> bool:
        """Whether a request can be sent; the server may have closed an idle connection."""
        return not self._connection.has_expired()


class _SyncConnection(_Connection):
    def __init__(self, url: httpx.URL, create_context: ContextFactory) -> None:
        backend = DeadlineBackend()
        options = _build_options(url, create_context, backend)
        super().__init__(httpcore.HTTPConnection(**options), backend)

    def send(self, request: httpx.Request) -> httpcore.Response:
        try:
            response: httpcore.Response = self._connection.handle_request(self.prepare(request))
        except _HTTPCORE_ERRORS as error:
            _raise_httpx_error(error)
        return response

    def close(self) -> None:
        self._connection.close()


class _AsyncConnection(_Connection):
    def __init__(self, url: httpx.URL, create_context: ContextFactory) -> None:
        backend = AsyncioBackend()
        options = _build_options(url, create_context, backend)
        super().__init__(httpcore.AsyncHTTPConnection(**options), backend)

    async def send(self, request: httpx.Request) -> httpcore.Response:
        converted = self.prepare(request)
        try:
            response: httpcore.Response = await self._connection.handle_async_request(converted)
        except _HTTPCORE_ERRORS as error:
            _raise_httpx_error(error)
        return response

    async def aclose(self) -> None:
        await self._connection.aclose()


def _build_options(
    url: httpx.URL, create_context: ContextFactory, backend: DeadlineMixin
) -> dict[str, Any]:
    port = url.port or {"https": 443, "http": 80}[url.scheme]
    return {
        "origin": httpcore.Origin(url.raw_scheme, url.raw_host, port),
        "ssl_context": create_context() if url.scheme == "https" else None,
        "keepalive_expiry": KEEPALIVE_SECONDS,
        "socket_options": SOCKET_OPTIONS,
        "network_backend": backend,
    }


def _raise_httpx_error(error: Exception) -> NoReturn:
    """Raise the httpx error with the same name as an httpcore error."""
    raise getattr(httpx, type(error).__name__)(str(error)) from error


def _has_surplus_bytes(connection: Any) -> bool:
    """Check whether bytes arrived after the end of the last response.

    They would be taken for the response to the next request. httpcore has no public way to check
    this; a test fails if the private attributes are renamed.
    """
    http11_connection = getattr(connection, "_connection", None)
    h11_connection = getattr(http11_connection, "_h11_state", None)
    return h11_connection is not None and bool(h11_connection.trailing_data[0])


AnyConnection = TypeVar("AnyConnection", _SyncConnection, _AsyncConnection)


class _IdleConnections(Generic[AnyConnection]):
    """The idle connections of a pool: a stack for each origin, the oldest at the left."""

    _lock = threading.RLock()
    """Shared by all pools, so that one function can replace it after a fork."""

    def __init__(self) -> None:
        self._closed = False
        self._stacks: dict[Origin, deque[tuple[float, AnyConnection]]] = {}

    @classmethod
    def reset_after_fork(cls) -> None:
        """Replace the lock, which another thread of the parent process may hold."""
        cls._lock = threading.RLock()

    def pop(self, origin: Origin) -> AnyConnection | None:
        """Remove and return the most recently used idle connection, or ``None``."""
        with self._lock:
            stack = self._stacks.get(origin)
            return stack.pop()[1] if stack else None

    def push(self, origin: Origin, connection: AnyConnection) -> list[AnyConnection]:
        """Add a connection, and return those to close because they were idle for too long."""
        now = monotonic()
        with self._lock:
            if self._closed:
                return [connection]
            self._stacks.setdefault(origin, deque()).append((now, connection))
            return [expired for stack in self._stacks.values() for expired in _expire(stack, now)]

    def drain(self) -> list[AnyConnection]:
        """Remove and return all connections, so that they can be closed, and keep no others."""
        with self._lock:
            self._closed = True
            stacks, self._stacks = self._stacks, {}
        return [connection for stack in stacks.values() for _, connection in stack]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_IdleConnections.reset_after_fork)


def _expire(stack: deque[tuple[float, AnyConnection]], now: float) -> Iterator[AnyConnection]:
    while stack and stack[0][0] < now - KEEPALIVE_SECONDS:
        yield stack.popleft()[1]


def _get_origin(url: httpx.URL) -> Origin:
    return url.raw_scheme, url.raw_host, url.port


class ConnectionPool(httpx.BaseTransport):
    """Transport for the sync calls of all threads.

    Args:
        create_context: returns the TLS context, when the first https connection is opened.
    """

    def __init__(self, create_context: ContextFactory) -> None:
        self._create_context = create_context
        self._idle = _IdleConnections[_SyncConnection]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over the idle connection used last, or over a new one."""
        origin = _get_origin(request.url)
        connection = self._pop(origin) or _SyncConnection(request.url, self._create_context)
        try:
            response = connection.send(request)
        except BaseException:
            connection.close()
            raise
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_ResponseBody(response.stream, self._idle, origin, connection),
            extensions=response.extensions,
        )

    def _pop(self, origin: Origin) -> _SyncConnection | None:
        while connection := self._idle.pop(origin):
            if connection.is_open:
                return connection
            connection.close()
        return None

    def close(self) -> None:
        """Close the idle connections; the others are closed when their request ends."""
        for connection in self._idle.drain():
            connection.close()


class AsyncConnectionPool(httpx.AsyncBaseTransport):
    """Transport for the async calls of one event loop; see `ConnectionPool`.

    Closing a connection does not wait, so it cannot be interrupted by a cancellation.
    """

    def __init__(self, create_context: ContextFactory) -> None:
        self._create_context = create_context
        self._idle = _IdleConnections[_AsyncConnection]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over the idle connection used last, or over a new one."""
        origin = _get_origin(request.url)
        connection = await self._pop(origin) or _AsyncConnection(request.url, self._create_context)
        try:
            response = await connection.send(request)
        except BaseException:
            await connection.aclose()
            raise
        return httpx.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_AsyncResponseBody(response.stream, self._idle, origin, connection),
            extensions=response.extensions,
        )

    async def _pop(self, origin: Origin) -> _AsyncConnection | None:
        while connection := self._idle.pop(origin):
            if connection.is_open:
                return connection
            await connection.aclose()
        return None

    async def aclose(self) -> None:
        """Close the idle connections; the others are closed when their request ends."""
        for connection in self._idle.drain():
            await connection.aclose()


class _ResponseBody(httpx.SyncByteStream):
    """The body of a response; closing it returns the connection to the pool, once."""

    def __init__(
        self,
        stream: Any,
        idle: _IdleConnections[_SyncConnection],
        origin: Origin,
        connection: _SyncConnection,
    ) -> None:
        self._stream, self._idle, self._origin = stream, idle, origin
        self._connection: _SyncConnection | None = connection

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._stream
        except _HTTPCORE_ERRORS as error:
            _raise_httpx_error(error)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            self._stream.close()
        except BaseException:
            connection.close()
            raise
        is_reusable = connection.is_reusable
        unused = self._idle.push(self._origin, connection) if is_reusable else [connection]
        for connection in unused:
            connection.close()


class _AsyncResponseBody(httpx.AsyncByteStream):
    """The body of a response; closing it returns the connection to the pool, once."""

    def __init__(
        self,
        stream: Any,
        idle: _IdleConnections[_AsyncConnection],
        origin: Origin,
        connection: _AsyncConnection,
    ) -> None:
        self._stream, self._idle, self._origin = stream, idle, origin
        self._connection: _AsyncConnection | None = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                yield chunk
        except _HTTPCORE_ERRORS as error:
            _raise_httpx_error(error)

    async def aclose(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            await self._stream.aclose()
        except BaseException:
            await connection.aclose()
            raise
        is_reusable = connection.is_reusable
        unused = self._idle.push(self._origin, connection) if is_reusable else [connection]
        for connection in unused:
            await connection.aclose()

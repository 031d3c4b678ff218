"""Connections in a stack: the one used last is used next, at the same cost however many there are.

httpx's own pool looks at all of its connections, and polls the idle ones, whenever a request
begins or ends: the more connections, the dearer each request. Here every connection is an httpx
transport of its own, taken off the top of a stack and put back there. What breaks or is cancelled
costs one connection, never a place in a pool.
"""

import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic
from typing import Any, Generic, TypeVar

import httpcore
import httpx

from orq_router_integrations._http.asyncio_backend import AsyncioBackend
from orq_router_integrations._http.backend import DeadlineBackend, DeadlineMixin
from orq_router_integrations._http.deadline import DEADLINE_EXTENSION, KEEPALIVE_SECONDS
from orq_router_integrations._http.fork_safety import ForkSafeRLock

_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}
ALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in _PROBES.items()
    if hasattr(socket, name)
]
"""Probes for connections on which a model thinks long: else middle boxes forget them silently."""

Origin = tuple[bytes, bytes, int | None]

Context = Callable[[], ssl.SSLContext]
"""Gives the TLS settings; to read all certificates takes long, and plain HTTP needs none."""


def _origin(url: httpx.URL) -> Origin:
    return url.raw_scheme, url.raw_host, url.port


def _options(url: httpx.URL, context: Context, caller: DeadlineMixin) -> dict[str, Any]:
    port = url.port or {"https": 443, "http": 80}[url.scheme]
    return {
        "origin": httpcore.Origin(url.raw_scheme, url.raw_host, port),
        "ssl_context": context() if url.scheme == "https" else None,
        "keepalive_expiry": KEEPALIVE_SECONDS,
        "socket_options": ALIVE,
        "network_backend": caller,
    }


class _Single:
    """A transport of httpx with one connection, where others have a pool of them."""

    _caller: DeadlineMixin
    _pool: Any
    """What httpx asks to handle a request and to close; a connection does that too."""

    def serve(self, request: httpx.Request) -> None:
        """Let the clock of a request's call, which stands in its extensions, hold from now on."""
        self._caller.deadline = request.extensions.get(DEADLINE_EXTENSION, DeadlineMixin.deadline)

    @property
    def idle(self) -> bool:
        """Whether its last reply came to its end, so that it can be kept.

        What came behind that end would be taken for the reply to the next request.
        """
        http1 = getattr(self._pool._connection, "_h11_state", None)  # noqa: SLF001
        return self._pool.is_idle() and not (http1 and http1.trailing_data[0])

    @property
    def usable(self) -> bool:
        """Whether it still can serve: the server may have closed it meanwhile."""
        return not self._pool.has_expired()


class _One(_Single, httpx.HTTPTransport):
    def __init__(self, url: httpx.URL, context: Context) -> None:
        self._caller = DeadlineBackend()
        self._pool = httpcore.HTTPConnection(**_options(url, context, self._caller))


class _AsyncOne(_Single, httpx.AsyncHTTPTransport):
    def __init__(self, url: httpx.URL, context: Context) -> None:
        self._caller = AsyncioBackend()
        self._pool = httpcore.AsyncHTTPConnection(**_options(url, context, self._caller))


AnyOne = TypeVar("AnyOne", _One, _AsyncOne)


class _IdleConnections(Generic[AnyOne]):
    """The transports that no request uses, by origin; the longest unused are at the left."""

    def __init__(self) -> None:
        self._lock = ForkSafeRLock()
        self._closed = False
        self._stacks: dict[Origin, deque[tuple[float, AnyOne]]] = {}

    def pop(self, origin: Origin) -> AnyOne | None:
        """The transport that was used last, if there is one."""
        with self._lock:
            stack = self._stacks.get(origin)
            return stack.pop()[1] if stack else None

    def push(self, origin: Origin, one: AnyOne) -> list[AnyOne]:
        """Take a transport back; returns those to close because nobody needed them for long."""
        now = monotonic()
        with self._lock:
            if self._closed:
                return [one]
            self._stacks.setdefault(origin, deque()).append((now, one))
            return [old for stack in self._stacks.values() for old in _expired(stack, now)]

    def drain(self) -> list[AnyOne]:
        """All transports, to be closed; what is put back from now on is to be closed too."""
        with self._lock:
            self._closed = True
            stacks, self._stacks = self._stacks, {}
        return [one for stack in stacks.values() for _, one in stack]


def _expired(stack: deque[tuple[float, AnyOne]], now: float) -> Iterator[AnyOne]:
    while stack and stack[0][0] < now - KEEPALIVE_SECONDS:
        yield stack.popleft()[1]


class ConnectionPool(httpx.BaseTransport):
    """A transport for all threads."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._idle = _IdleConnections[_One]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over the connection used last, or over a new one."""
        origin = _origin(request.url)
        one = self._taken(origin) or _One(request.url, self._context)
        try:
            one.serve(request)
            response = one.handle_request(request)
        except BaseException:
            one.close()
            raise
        response.stream = _Body(response.stream, self._idle, origin, one)
        return response

    def _taken(self, origin: Origin) -> _One | None:
        while one := self._idle.pop(origin):
            if one.usable:
                return one
            one.close()
        return None

    def close(self) -> None:
        """Close the connections that no request uses; the others close when their request ends."""
        for one in self._idle.drain():
            one.close()


class AsyncConnectionPool(httpx.AsyncBaseTransport):
    """A transport for one event loop. To close a connection takes no time to be cancelled in."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._idle = _IdleConnections[_AsyncOne]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over the connection used last, or over a new one."""
        origin = _origin(request.url)
        one = await self._taken(origin) or _AsyncOne(request.url, self._context)
        try:
            one.serve(request)
            response = await one.handle_async_request(request)
        except BaseException:
            await one.aclose()
            raise
        response.stream = _AsyncBody(response.stream, self._idle, origin, one)
        return response

    async def _taken(self, origin: Origin) -> _AsyncOne | None:
        while one := self._idle.pop(origin):
            if one.usable:
                return one
            await one.aclose()
        return None

    async def aclose(self) -> None:
        """Close the connections that no request uses; the others close when their request ends."""
        for one in self._idle.drain():
            await one.aclose()


class _Body(httpx.SyncByteStream):
    """The body of a response, which gives its transport back once, when it is closed."""

    def __init__(
        self, stream: Any, idle: _IdleConnections[_One], origin: Origin, one: _One
    ) -> None:
        self._stream, self._idle, self._origin = stream, idle, origin
        self._one: _One | None = one

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        one, self._one = self._one, None
        if one is None:
            return
        try:
            self._stream.close()
        except BaseException:
            one.close()
            raise
        for unused in self._idle.push(self._origin, one) if one.idle else [one]:
            unused.close()


class _AsyncBody(httpx.AsyncByteStream):
    """The same for the response to an async request."""

    def __init__(
        self, stream: Any, idle: _IdleConnections[_AsyncOne], origin: Origin, one: _AsyncOne
    ) -> None:
        self._stream, self._idle, self._origin = stream, idle, origin
        self._one: _AsyncOne | None = one

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        one, self._one = self._one, None
        if one is None:
            return
        try:
            await self._stream.aclose()
        except BaseException:
            await one.aclose()
            raise
        for unused in self._idle.push(self._origin, one) if one.idle else [one]:
            await unused.aclose()

"""Connections in a stack: the one used last is used next, at the same cost however many there are.

httpx's own pool looks at all of its connections, and polls the idle ones, whenever a request
begins or ends: the more connections, the dearer each request. Here every connection is an httpx
transport of its own, taken off the top of a stack and put back there. What breaks or is cancelled
costs one connection, never a place in a pool.
"""

import asyncio
import socket
import ssl
import threading
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterator
from time import monotonic
from typing import Any, Generic, TypeVar

import httpx

KEPT_SECONDS = 60.0
"""How long an unused connection stays open."""

_PROBES = {"TCP_KEEPIDLE": 60, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 4}
ALIVE = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)] + [
    (socket.IPPROTO_TCP, getattr(socket, name), value)
    for name, value in _PROBES.items()
    if hasattr(socket, name)
]
"""Probes for connections on which a model thinks long: else middle boxes forget them silently."""

ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=KEPT_SECONDS)

Origin = tuple[bytes, bytes, int | None]
AnyTransport = TypeVar("AnyTransport", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


class _Idle(Generic[AnyTransport]):
    """The transports that no request uses, by origin; the longest unused are at the left."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._stacks: dict[Origin, deque[tuple[float, AnyTransport]]] = {}

    def take(self, origin: Origin) -> AnyTransport | None:
        """The transport that was used last, if there is one."""
        with self._lock:
            stack = self._stacks.get(origin)
            return stack.pop()[1] if stack else None

    def put(self, origin: Origin, one: AnyTransport) -> list[AnyTransport]:
        """Take a transport back; returns those to close because nobody needed them for long."""
        now = monotonic()
        with self._lock:
            if self._closed:
                return [one]
            self._stacks.setdefault(origin, deque()).append((now, one))
            return [old for stack in self._stacks.values() for old in _expired(stack, now)]

    def emptied(self) -> list[AnyTransport]:
        """All transports, to be closed; what is put back from now on is to be closed too."""
        with self._lock:
            self._closed = True
            stacks, self._stacks = self._stacks, {}
        return [one for stack in stacks.values() for _, one in stack]


def _expired(stack: deque[tuple[float, AnyTransport]], now: float) -> Iterator[AnyTransport]:
    while stack and stack[0][0] < now - KEPT_SECONDS:
        yield stack.popleft()[1]


def _origin(url: httpx.URL) -> Origin:
    return url.raw_scheme, url.raw_host, url.port


def _options(context: ssl.SSLContext) -> dict[str, Any]:
    return {"verify": context, "limits": ONE, "socket_options": ALIVE}


class _One(httpx.HTTPTransport):
    """A transport with one connection; tells each request which it is, to whoever must end it."""

    _stream: Any = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["network_stream"] = self._stream
        response = super().handle_request(request)
        self._stream = response.extensions.get("network_stream")
        return response


class Stack(httpx.BaseTransport):
    """A transport for all threads."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._options = _options(context)
        self._idle = _Idle[httpx.HTTPTransport]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over the connection used last, or over a new one."""
        origin = _origin(request.url)
        one = self._idle.take(origin) or _One(**self._options)
        try:
            response = one.handle_request(request)
        except BaseException:
            one.close()
            raise
        response.stream = _Body(response.stream, self._idle, origin, one)
        return response

    def close(self) -> None:
        """Close the connections that no request uses; the others close when their request ends."""
        for one in self._idle.emptied():
            one.close()


class AsyncStack(httpx.AsyncBaseTransport):
    """A transport for one event loop."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._options = _options(context)
        self._idle = _Idle[httpx.AsyncHTTPTransport]()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over the connection used last, or over a new one."""
        origin = _origin(request.url)
        one = self._idle.take(origin) or httpx.AsyncHTTPTransport(**self._options)
        try:
            response = await one.handle_async_request(request)
        except BaseException:
            await _surely(one.aclose())
            raise
        response.stream = _AsyncBody(response.stream, self._idle, origin, one)
        return response

    async def aclose(self) -> None:
        """Close the connections that no request uses; the others close when their request ends."""
        for one in self._idle.emptied():
            await _surely(one.aclose())


class _Body(httpx.SyncByteStream):
    """The body of a response, which gives its transport back once, when it is closed."""

    def __init__(
        self,
        stream: Any,
        idle: _Idle[httpx.HTTPTransport],
        origin: Origin,
        one: httpx.HTTPTransport,
    ) -> None:
        self._stream, self._idle, self._origin = stream, idle, origin
        self._one: httpx.HTTPTransport | None = one

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
        for unused in self._idle.put(self._origin, one):
            unused.close()


class _AsyncBody(httpx.AsyncByteStream):
    """The same for the response to an async request."""

    def __init__(
        self,
        stream: Any,
        idle: _Idle[httpx.AsyncHTTPTransport],
        origin: Origin,
        one: httpx.AsyncHTTPTransport,
    ) -> None:
        self._stream, self._idle, self._origin = stream, idle, origin
        self._one: httpx.AsyncHTTPTransport | None = one

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        one, self._one = self._one, None
        if one is None:
            return
        try:
            await self._stream.aclose()
        except BaseException:
            await _surely(one.aclose())
            raise
        for unused in self._idle.put(self._origin, one):
            await _surely(unused.aclose())


_CLOSING: set["asyncio.Task[None]"] = set()


async def _surely(closing: Coroutine[Any, Any, None]) -> None:
    """Close to the end, also when the caller is cancelled (again) meanwhile."""
    task = asyncio.ensure_future(closing)
    _CLOSING.add(task)
    task.add_done_callback(_CLOSING.discard)
    await asyncio.shield(task)

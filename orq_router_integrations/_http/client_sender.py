"""Send calls over the caller's own httpx or httpx2 client.

Such a client does not know the deadline of a call. A `SocketWatchdog` ends sync requests and a
`BackgroundReader` ends async ones. httpx2 has the interface of httpx, but its own classes, so only
built-in types are passed to a client.
"""

import asyncio
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import aclosing, closing, contextmanager, suppress
from itertools import chain
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary, WeakSet

import httpx

from orq_router_integrations._http.deadline import (
    DRAIN_SECONDS,
    MIN_TIMEOUT_SECONDS,
    Deadline,
    DeadlineExceededError,
)
from orq_router_integrations._http.exchange import Exchange
from orq_router_integrations._http.http_clients import AsyncHttpClient, SyncHttpClient
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import StreamCall

WATCHDOG_INTERVAL_SECONDS = 0.1
"""Seconds between two checks of the watchdogs; sync calls may overrun by that much."""

READ_AHEAD_BYTES = 64 * 1024  # bytes of an async response to read before the caller asks for them


def _send_request(client: Any, exchange: Exchange[Any], trace: Any, **request: Any) -> Any:
    """Send a request with timeouts that end at the deadline."""
    remaining = max(exchange.deadline.remaining, MIN_TIMEOUT_SECONDS)
    limits = exchange.timeout.as_dict().items()
    timeouts = {name: min(limit or remaining, remaining) for name, limit in limits}
    extensions = {"timeout": timeouts, "trace": trace}
    is_httpx = isinstance(client, httpx.Client | httpx.AsyncClient)
    url = exchange.url if is_httpx else str(exchange.url)  # parsing it again is slow
    built = client.build_request(exchange.encoded.method, url, extensions=extensions, **request)
    built.headers.pop("cookie", None)  # the client may have stored cookies
    return client.send(built, stream=True, follow_redirects=False)


def _start_response(response: Any, exchange: Exchange[Any]) -> Any:
    """Begin to read a response; return its body, which an event hook may already have read."""
    exchange.start_response(response.status_code, response.headers.raw)
    if isinstance(exchange.call, StreamCall):  # a stream may outlast the deadline
        response.request.extensions["timeout"] = exchange.timeout.as_dict()
    return httpx.ByteStream(response.content) if response.is_stream_consumed else response.stream


@contextmanager
def send_over_client(client: SyncHttpClient, exchange: Exchange[Any]) -> Iterator[Iterator[bytes]]:
    """Send the next attempt of a sync call and yield the chunks of its response."""
    with SocketWatchdog(exchange.deadline) as watchdog:
        request = {"headers": exchange.start_attempt(), "content": exchange.encoded.body}
        opened = closing(_send_request(client, exchange, watchdog.trace, **request))
        # The watchdog ends before the response, because another request may use its socket.
        with opened as response, closing(watchdog):
            watchdog.stream = response.extensions.get("network_stream")
            chunks = iter(_start_response(response, exchange))
            yield watchdog.iter_checked(chunks)
            if exchange.done and watchdog.stream:  # read the end, to reuse the connection
                exchange.deadline.resume(DRAIN_SECONDS)
                with suppress(Exception):
                    next(chunks, None)


class SocketWatchdog:
    """Ends a sync request at its deadline by shutting down its socket.

    This is the only way to end a blocking read. The socket of a new connection is known as soon as
    it is connected, that of a reused one when its response starts; until then, only the shortened
    timeouts of the request apply. Requests over a transport without sockets are not ended.

    One thread checks all watchdogs, and ends when there are none. Starting a thread for each
    request would take a tenth of a millisecond.

    Attributes:
        stream: The httpcore stream with the socket, once it is known.
        is_expired: Whether the request was ended.
    """

    _lock = threading.RLock()  # the garbage collector may close a watchdog while it is held
    _watched: ClassVar[set["SocketWatchdog"]] = set()
    _has_thread = False

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.stream: Any = None
        self.is_expired = False

    @classmethod
    def reset_after_fork(cls) -> None:
        """Start over: the thread does not exist in a forked child."""
        cls._lock, cls._watched, cls._has_thread = threading.RLock(), set(), False

    def __enter__(self) -> Self:
        with self._lock:
            if not self._has_thread:
                threading.Thread(target=self._run, name="orq-watchdog", daemon=True).start()
                SocketWatchdog._has_thread = True
            self._watched.add(self)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.close()
        if self.is_expired and isinstance(error, Exception):
            raise DeadlineExceededError from error

    def close(self) -> None:
        """Stop watching the socket."""
        with self._lock:
            self._watched.discard(self)

    @classmethod
    def _run(cls) -> None:
        while True:
            time.sleep(WATCHDOG_INTERVAL_SECONDS)
            with cls._lock:
                for watchdog in cls._watched.copy():
                    watchdog.check()
                if not cls._watched:
                    cls._has_thread = False
                    return

    def check(self) -> None:
        """Shut down the socket if the deadline has passed."""
        if not self.deadline.remaining:
            self.is_expired = True
            with suppress(Exception):  # custom transports may have other streams
                # ``SSLSocket.shutdown`` would drop the TLS state while another thread reads.
                socket.socket.shutdown(self.stream.get_extra_info("socket"), socket.SHUT_RDWR)

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Record a connection that is being opened (httpcore's ``trace`` extension)."""
        if event in {"connection.connect_tcp.complete", "connection.start_tls.complete"}:
            self.stream = info["return_value"]

    def iter_checked(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Yield chunks until the deadline passes."""
        for chunk in chain(chunks, [b""]):  # also checks the end, which may be due to a shutdown
            if self.is_expired or not self.deadline.remaining:
                raise DeadlineExceededError
            yield chunk


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=SocketWatchdog.reset_after_fork)


class BackgroundReader:
    """Sends an attempt of an async call in its own task, and yields the chunks of its response.

    The task reads a little ahead of the caller. When the caller is cancelled, the task is cancelled
    once and awaited. A second cancellation therefore cannot interrupt httpx's cleanup, which would
    leak a connection of its pool.

    httpcore's pool also leaks a connection if a request is cancelled while it waits for one,
    between opening a connection and its first use, or while its response is being closed, and anyio
    leaks a socket that is cancelled while connecting. The ``trace`` extension reports these
    moments. The task is then abandoned instead of cancelled: it ends before it would send the
    request, at its ``connect`` timeout, or when the response has been closed.
    """

    _running: ClassVar[set["asyncio.Task[None]"]] = set()  # the loop only holds weak references
    _loops_by_client: ClassVar[WeakKeyDictionary[object, WeakSet[Any]]] = WeakKeyDictionary()
    """The event loops in which each client has opened connections. A client without any, such as a
    mock in tests, cannot lose connections, and may be used in several event loops."""

    def __init__(self, client: AsyncHttpClient, exchange: Exchange[Any]) -> None:
        self._client, self._exchange = client, exchange
        self._loops = self._loops_by_client.setdefault(client, WeakSet())
        if set(self._loops) - {asyncio.get_running_loop()}:
            raise RouterInputError(
                "http_async_client has connections of another event loop, which only work there. "
                "Create an AsyncClient in each event loop, or omit http_async_client: the "
                "connections of this package work in every event loop.",
                endpoint=exchange.encoded.path,
            )
        self._chunks: list[bytes] = []
        self._size = 0
        self._readable, self._has_room = asyncio.Event(), asyncio.Event()
        self._last_step = ""
        self._is_abandoned = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._read())
        self._task.add_done_callback(self._on_task_done)
        self._running.add(self._task)
        return self

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        self._readable.set()
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: ``__anext__`` raises it, if still needed

    async def _read(self) -> None:
        exchange = self._exchange
        request = {"headers": await exchange.astart_attempt(), "content": exchange.async_content}
        sending = _send_request(self._client, exchange, self._trace, **request)
        async with aclosing(await sending) as response:
            async for chunk in _start_response(response, exchange):
                self._chunks.append(chunk)
                self._size += len(chunk)
                self._readable.set()
                if self._size >= READ_AHEAD_BYTES:
                    self._has_room.clear()
                    await self._has_room.wait()

    async def _trace(self, event: str, _: Mapping[str, Any]) -> None:
        """Record an event of the request (httpcore's ``trace`` extension)."""
        name, stage = event.split(".")[1:]  # such as "connection.connect_tcp.started"
        if name.startswith("connect_"):
            self._loops.add(asyncio.get_running_loop())
        starts_sending = name in {"connect_tcp", "start_tls", "send_request_headers"}
        if self._is_abandoned and starts_sending and stage == "started":
            raise asyncio.CancelledError
        self._last_step = name

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._chunks:
            if self._task.done():
                self._task.result()
                raise StopAsyncIteration
            self._readable.clear()
            try:
                async with asyncio.timeout(self._exchange.deadline.remaining):
                    await self._readable.wait()
            except TimeoutError:
                raise DeadlineExceededError from None
        data, self._chunks, self._size = b"".join(self._chunks), [], 0
        self._has_room.set()
        return data

    async def __aexit__(self, exc_type: object, *_: object) -> None:
        exchange = self._exchange
        cancellation = None
        del self._exchange  # the caller may keep the request, which refers to this object
        try:
            if exc_type is None and exchange.done:  # read the end, to reuse the connection
                await asyncio.wait({self._task}, timeout=DRAIN_SECONDS)
        finally:
            # Before the first step, the request may wait for a connection of the pool.
            is_unsafe = self._last_step in {"", "connect_tcp", "start_tls", "response_closed"}
            self._is_abandoned = is_unsafe and bool(self._loops)
            if not self._is_abandoned:
                self._task.cancel()
            self._has_room.set()
            while not (self._task.done() or self._is_abandoned):
                try:
                    await asyncio.wait({self._task})
                except asyncio.CancelledError as error:
                    cancellation = error
        if cancellation:
            raise cancellation

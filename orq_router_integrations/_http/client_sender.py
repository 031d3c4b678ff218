"""Send calls over an httpx or httpx2 client of the caller.

Such a client does not know the deadline of a call. A `SocketWatchdog` ends sync requests and a
`BackgroundReader` ends async ones. httpx2 has the interface of httpx, but its own classes, so only
built-in types are passed to a client.
"""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing, closing, contextmanager, suppress
from enum import Enum
from typing import Any, ClassVar, Self
from weakref import WeakKeyDictionary, WeakSet

from orq_router_integrations._http.deadline import (
    DRAIN_SECONDS,
    MIN_TIMEOUT_SECONDS,
    Deadline,
    DeadlineExceededError,
)
from orq_router_integrations._http.exchange import Exchange, RequestArgs
from orq_router_integrations._http.http_clients import AsyncHttpClient, SyncHttpClient
from orq_router_integrations.errors import RouterConnectionError, RouterInputError

WATCHDOG_INTERVAL_SECONDS = 0.1
"""Seconds between two checks of a watchdog; sync calls may overrun by that much."""

READ_AHEAD_BYTES = 64 * 1024
"""Bytes of an async response to read before the caller asks for them."""

_SEND_OPTIONS: dict[str, Any] = {"stream": True, "follow_redirects": False}


class ClientSender:
    """Sends sync calls over an open client."""

    def __init__(self, client: SyncHttpClient) -> None:
        self.client: Any = client

    @contextmanager
    def send(self, exchange: Exchange[Any]) -> Iterator[Iterator[bytes]]:
        """Send the next attempt of a call and yield the chunks of its response."""
        with SocketWatchdog(exchange.deadline) as watchdog:
            args = exchange.start_attempt()
            extensions = _build_extensions(exchange, watchdog.trace)
            request = _build_request(self.client, args, exchange.content, extensions)
            with closing(self.client.send(request, **_SEND_OPTIONS)) as response:
                watchdog.stream = response.extensions.get("network_stream")
                with closing(watchdog):  # before another request may use the connection
                    chunks = exchange.iter_response(response)
                    _reset_timeout(response, exchange)
                    yield watchdog.iter_checked(chunks)
                    if exchange.done:
                        watchdog.drain(chunks)


class SocketWatchdog:
    """Ends a sync request at its deadline by shutting down its socket.

    This is the only way to end a blocking read. The socket of a new connection is known as soon as
    it is connected, that of a reused one when its response starts; until then, only the shortened
    timeouts of the request apply. Requests over a transport without sockets are not ended.

    Attributes:
        stream: The httpcore stream with the socket, once it is known.
        is_expired: Whether the request was ended.
    """

    def __init__(self, deadline: Deadline) -> None:
        self.deadline = deadline
        self.stream: Any = None
        self.is_expired = False
        self._lock, self._closed = threading.Lock(), threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._run, name="orq-watchdog", daemon=True).start()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.close()
        if self.is_expired and isinstance(error, Exception):
            raise DeadlineExceededError from error

    def close(self) -> None:
        """Stop watching the socket, because another request may use it next."""
        with self._lock:
            self._closed.set()

    def _run(self) -> None:
        while not self._closed.wait(WATCHDOG_INTERVAL_SECONDS):
            with self._lock:
                if self.deadline.is_expired and not self._closed.is_set():
                    self._abort()

    def _abort(self) -> None:
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
        for chunk in chunks:
            self._check()
            yield chunk
        self._check()  # the end may be that of a socket that was shut down

    def _check(self) -> None:
        if self.is_expired or self.deadline.is_expired:
            raise DeadlineExceededError

    def drain(self, chunks: Iterator[bytes]) -> None:
        """Read the end of a complete response, so that its connection can be reused."""
        if self.stream:
            self.deadline.resume(DRAIN_SECONDS)
            with suppress(Exception):
                next(chunks, None)


class AsyncClientSender:
    """Sends async calls over an open client."""

    def __init__(self, client: AsyncHttpClient) -> None:
        self.client: Any = client

    def send(self, exchange: Exchange[Any]) -> "BackgroundReader":
        """Send the next attempt of a call and yield the chunks of its response."""
        guard = CancelGuard(self.client)
        chunks = self._iter_chunks(exchange, guard)
        return BackgroundReader(chunks, exchange.deadline, guard, lambda: exchange.done)

    async def _iter_chunks(
        self, exchange: Exchange[Any], guard: "CancelGuard"
    ) -> AsyncGenerator[bytes]:
        args = await exchange.astart_attempt()
        extensions = _build_extensions(exchange, guard.trace)
        request = _build_request(self.client, args, exchange.async_content, extensions)
        try:
            async with aclosing(await self.client.send(request, **_SEND_OPTIONS)) as response:
                chunks = exchange.aiter_response(response)
                _reset_timeout(response, exchange)
                async for chunk in chunks:
                    yield chunk
        except RuntimeError as error:
            if not guard.has_other_loop:
                raise
            raise _create_loop_error(exchange, was_sent=guard.was_sent) from error


def _build_request(client: Any, args: RequestArgs, content: Any, extensions: dict[str, Any]) -> Any:
    url, headers = str(args["url"]), args["headers"]
    request = client.build_request(
        args["method"], url, headers=headers, content=content, extensions=extensions
    )
    request.headers.pop("cookie", None)  # the client may have stored cookies
    return request


def _build_extensions(exchange: Exchange[Any], trace: Callable[..., Any]) -> dict[str, Any]:
    """Shorten the timeouts of a request to the time that remains until the deadline."""
    timeouts = exchange.timeout.as_dict()
    remaining = max(exchange.deadline.remaining, MIN_TIMEOUT_SECONDS)
    limit = remaining + WATCHDOG_INTERVAL_SECONDS
    if any(seconds is None or seconds > limit for seconds in timeouts.values()):
        timeouts = {name: min(seconds or limit, remaining) for name, seconds in timeouts.items()}
    return {"timeout": timeouts, "trace": trace}


def _reset_timeout(response: Any, exchange: Exchange[Any]) -> None:
    """Restore the full timeout once a stream has started, as it may outlast the deadline."""
    if exchange.decoder:
        response.request.extensions["timeout"] = exchange.timeout.as_dict()


def _create_loop_error(
    exchange: Exchange[Any], *, was_sent: bool
) -> RouterConnectionError | RouterInputError:
    message = (
        "http_async_client has connections of another event loop, which only work there. Create "
        "an AsyncClient in each event loop, or omit http_async_client: the connections of this "
        "package work in every event loop."
    )
    if not was_sent:
        return RouterInputError(message, endpoint=exchange.endpoint)
    return RouterConnectionError(
        message,
        endpoint=exchange.endpoint,
        attempts=exchange.attempts,
        ambiguous=True,
        is_retryable=False,
    )


class AbandonedRequestError(Exception):
    """A request was cancelled by its caller before it was sent."""


class RequestPhase(Enum):
    """Whether a request can be cancelled."""

    UNSENT = "is waiting for a connection or has not used it yet; must not be cancelled"
    ACTIVE = "may be cancelled"
    CLOSING = "its response is being closed, which is quick and must not be cancelled"


_PHASES = {
    "connect_tcp": RequestPhase.UNSENT,
    "start_tls": RequestPhase.UNSENT,
    "response_closed": RequestPhase.CLOSING,
}
"""Phase after each event of httpcore's ``trace`` extension; any other event means ``ACTIVE``."""


class CancelGuard:
    """Tracks when a request over a caller's client can be cancelled safely.

    httpcore's pool leaks a connection if a request is cancelled while it is assigned one, between
    opening a connection and its first use, or while its response is closed. anyio also leaks a
    socket that is cancelled while connecting. The ``trace`` extension reports these moments. A
    request that was not sent yet is not cancelled but abandoned: it raises `AbandonedRequestError`
    instead of being sent, or ends with its ``connect`` timeout.

    Attributes:
        abandoned: Whether the request must not be sent anymore.
        was_sent: Whether the router may have received the request.
    """

    _loops_by_client: ClassVar[WeakKeyDictionary[object, WeakSet[asyncio.AbstractEventLoop]]] = (
        WeakKeyDictionary()
    )
    """The event loops in which each client has opened connections. A client without any, such as a
    mock in tests, cannot lose one, so its request can be cancelled until it reports an event."""

    def __init__(self, client: object) -> None:
        self._loop = asyncio.get_running_loop()
        self._loops = self._loops_by_client.setdefault(client, WeakSet())
        self._phase: RequestPhase | None = None
        self.abandoned = self.was_sent = False

    @property
    def phase(self) -> RequestPhase:
        """The phase that the request is in."""
        before_first_event = RequestPhase.UNSENT if self._loops else RequestPhase.ACTIVE
        return self._phase or before_first_event

    @property
    def has_other_loop(self) -> bool:
        """Whether the client may have connections of another event loop."""
        return bool(set(self._loops) - {self._loop})

    async def trace(self, event: str, _: Mapping[str, Any]) -> None:
        """Record an event (httpcore's ``trace`` extension)."""
        name, step = event.split(".")[1:]  # such as "connection.connect_tcp.started"
        phase = _PHASES.get(name, RequestPhase.ACTIVE)
        is_sent_now = name == "send_request_headers" and step == "started"
        if name.startswith("connect_"):
            self._loops.add(self._loop)
        if is_sent_now and self._loop not in self._loops:
            raise RuntimeError("The connection belongs to another event loop.")
        if self.abandoned and (is_sent_now or (phase is RequestPhase.UNSENT and step == "started")):
            raise AbandonedRequestError
        self.was_sent, self._phase = self.was_sent or is_sent_now, phase


_RUNNING_TASKS: set["asyncio.Task[None]"] = set()
"""Keeps references to abandoned tasks, to which the event loop only holds weak ones."""


class BackgroundReader:
    """Reads an async response in its own task, a little ahead of the caller.

    When the caller is cancelled, that task is cancelled once and awaited. A second cancellation
    therefore cannot interrupt the cleanup of httpx, which would leak a connection of its pool.

    Args:
        source: The chunks of the response.
        deadline: When to give up.
        guard: Decides whether the request can be cancelled.
        is_done: Returns whether the response is complete, so that only its last bytes are missing.
    """

    def __init__(
        self,
        source: AsyncGenerator[bytes, None],
        deadline: Deadline,
        guard: CancelGuard,
        is_done: Callable[[], bool],
    ) -> None:
        self._source = source
        self._deadline = deadline
        self._guard = guard
        self._is_done = is_done
        self._chunks: list[bytes] = []
        self._size = 0
        self._has_news, self._has_room = asyncio.Event(), asyncio.Event()
        self._expired = self._stopping = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(self._read())
        self._task.add_done_callback(self._on_task_done)
        _RUNNING_TASKS.add(self._task)
        self._schedule_check()
        return self

    async def __aexit__(self, exc_type: object, *_: object) -> None:
        if exc_type is None and self._is_done():
            await asyncio.wait({self._task}, timeout=DRAIN_SECONDS)
        self._timer.cancel()
        self._stop()
        cancellation = None
        while not (self._task.done() or self._guard.abandoned):
            try:
                await asyncio.wait({self._task})
            except asyncio.CancelledError as error:
                cancellation = error
        if cancellation:
            raise cancellation

    def _stop(self) -> None:
        """Stop the task once: a second cancellation would interrupt its cleanup."""
        if self._stopping or self._task.done():
            return
        self._stopping = True
        self._has_room.set()
        if self._guard.phase is RequestPhase.UNSENT:
            self._guard.abandoned = True
        elif self._guard.phase is RequestPhase.ACTIVE:
            self._task.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._chunks:
            if self._expired:
                raise DeadlineExceededError
            if self._task.done():
                self._task.result()
                raise StopAsyncIteration
            self._has_news.clear()
            await self._has_news.wait()
        chunks, self._chunks, self._size = self._chunks, [], 0
        self._has_room.set()
        return b"".join(chunks)

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        self._has_news.set()
        _RUNNING_TASKS.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as retrieved: ``__anext__`` raises it, if still needed

    async def _read(self) -> None:
        async with aclosing(self._source) as chunks:
            async for chunk in chunks:
                if self._stopping:
                    return
                self._chunks.append(chunk)
                self._size += len(chunk)
                self._has_news.set()
                if self._size >= READ_AHEAD_BYTES:
                    self._has_room.clear()
                    await self._has_room.wait()

    def _check_deadline(self) -> None:
        """Stop at the deadline, which may have been paused or extended since the last check."""
        if self._deadline.is_expired:
            self._expired = True
            self._has_news.set()
            self._stop()
        else:
            self._schedule_check()

    def _schedule_check(self) -> None:
        seconds = min(self._deadline.remaining, self._deadline.idle_timeout)
        self._timer = self._loop.call_later(seconds, self._check_deadline)

"""An async reply, read in a task of its own that can always be ended cleanly."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from enum import Enum
from typing import Any, ClassVar, Self
from weakref import WeakSet

import httpx

from orq_router_integrations._http.deadline import DRAIN_SECONDS, Deadline, DeadlineExceededError

READ_AHEAD_BYTES = 64 * 1024
"""Bytes of a reply that are read before the caller has asked for them."""


class AbandonedRequestError(Exception):
    """Nobody waits for this request any more."""


class RequestPhase(Enum):
    """Where a request stands, as far as ending it goes."""

    UNSENT = "it waits for a connection, opens one, or has not used it: must not be cancelled"
    UNDER_WAY = "may be cancelled"
    CLOSING = "its response is being closed, which must not be cancelled and ends soon"


_SENDING = {
    "connection.connect_tcp.started",
    "connection.start_tls.started",
    "http11.send_request_headers.started",
    "http2.send_request_headers.started",
}
_MOMENTS = {
    "connection.connect_tcp.started": RequestPhase.UNSENT,
    "connection.connect_tcp.complete": RequestPhase.UNSENT,
    "connection.start_tls.started": RequestPhase.UNSENT,
    "connection.start_tls.complete": RequestPhase.UNSENT,
    "http11.response_closed.started": RequestPhase.CLOSING,
    "http11.response_closed.complete": RequestPhase.CLOSING,
    "http2.response_closed.started": RequestPhase.CLOSING,
    "http2.response_closed.complete": RequestPhase.CLOSING,
}


class CancelGuard:
    """When a request over somebody's own httpx client can be cancelled.

    httpcore's pool is short of a connection for good when a request is cancelled as it is given
    one, between the opening of a connection and its first use, or as its response is closed; and
    anyio loses a socket that is cancelled as it is connected. The ``trace`` extension tells these
    moments. A request that is not sent yet is left to find out by itself that nobody wants it, at
    the latest when its connection is there or its ``connect`` timeout is over.

    Args:
        http: the client.
    """

    _TELLING: ClassVar[WeakSet[httpx.AsyncClient]] = WeakSet()
    """The clients that are known to trace; others (of tests, say) have no such pool."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        if isinstance(vars(http).get("_transport"), httpx.AsyncHTTPTransport):
            self._TELLING.add(http)  # known before its first request, which may be cancelled too
        self._moment = RequestPhase.UNSENT
        self.abandoned = False

    @property
    def phase(self) -> RequestPhase:
        """Where the request stands now."""
        return self._moment if self._http in self._TELLING else RequestPhase.UNDER_WAY

    @property
    def extensions(self) -> dict[str, Any]:
        """Those that a request needs for it."""
        return {"trace": self._trace}

    async def _trace(self, event: str, _: Mapping[str, Any]) -> None:
        self._TELLING.add(self._http)
        if self.abandoned and event in _SENDING:
            raise AbandonedRequestError
        self._moment = _MOMENTS.get(event, RequestPhase.UNDER_WAY)


_LEFT: set["asyncio.Task[None]"] = set()
"""Tasks that nobody waits for; only the event loop knows them otherwise, and weakly."""


class BackgroundReader:
    """Reads an async reply in a task of its own, a little ahead of the caller.

    When the caller is cancelled, that task is cancelled once and awaited. So the clearing up of
    httpx is never cut short by a second cancellation, after which its pool would be short of a
    connection for good.

    Args:
        source: the reply.
        clock: says when it is too late.
        gate: says when it may be cancelled.
        done: says whether the reply is complete; then its end is waited for a moment.
    """

    def __init__(
        self,
        source: AsyncGenerator[bytes, None],
        clock: Deadline,
        gate: CancelGuard,
        done: Callable[[], bool],
    ) -> None:
        self._source = source
        self._done = done
        self._gate = gate
        self._clock = clock
        self._pieces: list[bytes] = []
        self._size = 0
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._late = self._ending = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.ensure_future(self._fill())
        self._task.add_done_callback(self._ended)
        _LEFT.add(self._task)
        self._arm()
        return self

    async def __aexit__(self, kind: object, *_: object) -> None:
        if kind is None and self._done():
            await asyncio.wait({self._task}, timeout=DRAIN_SECONDS)
        self._alarm.cancel()
        self._end()
        cancelled = None
        while not (self._task.done() or self._gate.abandoned):
            try:
                await asyncio.wait({self._task})
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled:
            raise cancelled

    def _end(self) -> None:
        """End the task, once: a second cancellation would cut its clearing up short."""
        if self._ending or self._task.done():
            return
        self._ending = True
        self._room.set()
        if self._gate.phase is RequestPhase.UNSENT:
            self._gate.abandoned = True
        elif self._gate.phase is RequestPhase.UNDER_WAY:
            self._task.cancel()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._pieces:
            if self._late:
                raise DeadlineExceededError
            if self._task.done():
                self._task.result()
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        come, self._pieces, self._size = self._pieces, [], 0
        self._room.set()
        return b"".join(come)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._news.set()
        _LEFT.discard(task)
        if not task.cancelled():
            task.exception()  # is told by ``__anext__``, or came too late to matter

    async def _fill(self) -> None:
        async with aclosing(self._source) as pieces:
            async for piece in pieces:
                if self._ending:
                    return
                self._pieces.append(piece)
                self._size += len(piece)
                self._news.set()
                if self._size >= READ_AHEAD_BYTES:
                    self._room.clear()
                    await self._room.wait()

    def _ring(self) -> None:
        """The clock may have been set anew since this alarm was; an idle caller is left alone."""
        if self._clock.expired:
            self._late = True
            self._news.set()
            self._end()
        else:
            self._arm()

    def _arm(self) -> None:
        seconds = min(self._clock.remaining, self._clock.idle_timeout)
        self._alarm = self._loop.call_later(seconds, self._ring)

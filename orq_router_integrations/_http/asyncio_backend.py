"""The same lines for async calls: asyncio's own sockets.

Those of anyio, which httpcore would take, cost a short call a third more.
"""

import asyncio
import ssl
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar, cast

import httpcore
from typing_extensions import override

from orq_router_integrations._http.backend import (
    EARLY_RESPONSE,
    DeadlineMixin,
    WriteBuffer,
    is_readable,
    map_socket_errors,
    parse_ip_address,
    remaining_seconds,
    starts_final_response,
    unique_addresses,
)

T = TypeVar("T")

READ_AHEAD_BYTES = 256 * 1024
"""Bytes that may come before the caller has asked for them."""


class AsyncioBackend(DeadlineMixin, httpcore.AsyncNetworkBackend):
    """Opens lines of the running event loop."""

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to an address of the host.

        Raises:
            httpcore.ConnectError: none answers.
            httpcore.ConnectTimeout: none answers in time.
        """
        end = monotonic() + self.deadline.cap(timeout)
        addresses = parse_ip_address(host, port) or await _addresses(
            host, port, remaining_seconds(end)
        )
        while True:
            wire, share = _Wire(), remaining_seconds(end) / len(addresses)
            try:
                transport = await _in_time(_connected(wire, addresses.pop(0), port), share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise
            else:
                break
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return AsyncioStream(transport, wire, self)


async def _connected(wire: "_Wire", address: str, port: int) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(lambda: wire, address, port))[0]


async def _addresses(host: str, port: int, seconds: float) -> list[str]:
    looking_up = asyncio.get_running_loop().getaddrinfo(host, port)
    return unique_addresses(await _in_time(looking_up, seconds))


async def _in_time(opening: Coroutine[Any, Any, T], seconds: float) -> T:
    """What is opened in time; what comes too late, or for nobody, is closed."""
    task = asyncio.ensure_future(opening)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise httpcore.ConnectTimeout("not connected in time")
    except BaseException:
        task.cancel()
        task.add_done_callback(_close)
        raise
    with map_socket_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
        return task.result()


def _close(task: "asyncio.Task[Any]") -> None:
    if not (task.cancelled() or task.exception()):
        opened = task.result()
        if isinstance(opened, asyncio.Transport):
            opened.abort()


class _Wire(asyncio.Protocol):
    """What has come over a socket, and who waits for it."""

    def __init__(self) -> None:
        self.come = bytearray()
        self.ended = self.full = False
        self.error: Exception | None = None
        self._waiter: asyncio.Future[bool] | None = None
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.come += data
        if len(self.come) >= READ_AHEAD_BYTES:
            self._paused = True
            self._transport.pause_reading()
        self._ring(True)

    def eof_received(self) -> None:
        self.ended = True
        self._ring(True)

    def connection_lost(self, error: Exception | None) -> None:
        self.ended, self.error, self.full = True, error, False
        self._ring(True)

    def pause_writing(self) -> None:
        self.full = True

    def resume_writing(self) -> None:
        self.full = False
        self._ring(True)

    def _ring(self, news: bool) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(news)

    async def news(self, seconds: float) -> bool:
        """Wait until something happens; false if nothing does.

        Raises:
            httpcore.ReadError: nothing can, because the socket belongs to another event loop.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            raise httpcore.ReadError("it can be read on in the event loop only that it began in")
        self._waiter = loop.create_future()
        alarm = loop.call_later(seconds, self._ring, False)
        try:
            return await self._waiter
        finally:
            self._waiter = None
            alarm.cancel()

    def taken(self, most: int) -> bytes:
        """Bytes that have come, in order."""
        data = bytes(self.come[:most])
        del self.come[:most]
        if self._paused and len(self.come) < READ_AHEAD_BYTES:
            self._paused = False
            self._transport.resume_reading()
        return data


class AsyncioStream(httpcore.AsyncNetworkStream):
    """A socket, never waited for longer than the clock of the call allows.

    Closing it never waits, so that no cancellation can come in between.
    """

    def __init__(self, transport: asyncio.Transport, wire: _Wire, caller: DeadlineMixin) -> None:
        self._transport = transport
        self._wire = wire
        self._caller = caller
        self._held = WriteBuffer()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Write what is held, then read what is there, or comes in time; see ``Line.read``."""
        with suppress(httpcore.WriteError):
            await self._flush(timeout)
        wire, seconds = self._wire, self._caller.deadline.cap(timeout)
        while not (wire.come or wire.ended):
            if not await wire.news(seconds):
                raise httpcore.ReadTimeout
        if wire.error and not wire.come:
            raise httpcore.ReadError(str(wire.error)) from wire.error
        return wire.taken(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write, or hold for a moment."""
        if self._held.add(buffer):
            await self._flush(timeout)

    async def _flush(self, timeout: float | None) -> None:
        held, wire = self._held.take_all(), self._wire
        if not held:
            return
        if wire.ended:
            raise httpcore.WriteError(str(wire.error or "the router has closed the connection"))
        self._transport.write(held)
        while wire.full:
            if starts_final_response(wire.come):
                raise httpcore.WriteError(EARLY_RESPONSE)
            if not await wire.news(self._caller.deadline.cap(timeout)):
                raise httpcore.WriteTimeout

    async def aclose(self) -> None:
        """Close the socket."""
        with suppress(RuntimeError):  # its event loop is closed
            self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The same line, encrypted; what has come unencrypted is forgotten."""
        secure = _Wire()
        secure.connection_made(self._transport)
        try:
            encrypting = asyncio.get_running_loop().start_tls(
                self._transport, secure, ssl_context, server_hostname=server_hostname
            )
            encrypted = await _in_time(encrypting, self._caller.deadline.cap(timeout))
        except BaseException:
            self._transport.abort()
            raise
        transport = cast("asyncio.Transport", encrypted)
        secure.connection_made(transport)
        return AsyncioStream(transport, secure, self._caller)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore and callers want to know of a socket."""
        match info:
            case "is_readable":
                found = self._transport.get_extra_info("socket")
                return bool(self._wire.come) or self._wire.ended or is_readable(found)
            case "client_addr":
                return self._transport.get_extra_info("sockname")
            case "server_addr":
                return self._transport.get_extra_info("peername")
        return self._transport.get_extra_info(info)

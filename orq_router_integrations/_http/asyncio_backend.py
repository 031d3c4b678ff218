"""Network backend for async calls on asyncio transports; see `backend` for the deadline.

With the anyio backend of httpcore, a short call would cost a third more CPU time.
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
"""Bytes to receive before the caller asks for them."""


class AsyncioBackend(DeadlineMixin, httpcore.AsyncNetworkBackend):
    """Opens connections in the running event loop."""

    @override
    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to the first address of a host that accepts.

        Raises:
            httpcore.ConnectError: every address refuses, or the host is unknown.
            httpcore.ConnectTimeout: no address accepts in time.
        """
        end = monotonic() + self.deadline.cap(timeout)
        addresses = parse_ip_address(host, port)
        if not addresses:
            lookup = asyncio.get_running_loop().getaddrinfo(host, port)
            addresses = unique_addresses(await _wait_for(lookup, remaining_seconds(end)))
        while True:
            protocol, seconds = _StreamProtocol(), remaining_seconds(end) / len(addresses)
            try:
                connecting = _connect(protocol, addresses.pop(0), port)
                transport = await _wait_for(connecting, seconds)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise
            else:
                break
        for option in socket_options or ():
            transport.get_extra_info("socket").setsockopt(*option)
        return AsyncioStream(transport, protocol, self)


async def _connect(protocol: "_StreamProtocol", address: str, port: int) -> asyncio.Transport:
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(lambda: protocol, address, port))[0]


async def _wait_for(opening: Coroutine[Any, Any, T], seconds: float) -> T:
    """Await a connection attempt; close its transport if the wait times out or is cancelled."""
    task = asyncio.ensure_future(opening)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise httpcore.ConnectTimeout("timed out while connecting")
    except BaseException:
        task.cancel()
        task.add_done_callback(_abort_result)
        raise
    with map_socket_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
        return task.result()


def _abort_result(task: "asyncio.Task[Any]") -> None:
    if not (task.cancelled() or task.exception()):
        transport = task.result()
        if isinstance(transport, asyncio.Transport):
            transport.abort()


class _StreamProtocol(asyncio.Protocol):
    """Collects the data received over a socket and wakes up the stream that waits for it.

    Attributes:
        received: data that the stream has not read yet.
        is_closed: whether the peer has closed the connection, or it was lost.
        is_write_paused: whether the stream has to wait before it writes more.
        error: why the connection was lost.
    """

    def __init__(self) -> None:
        self.received = bytearray()
        self.is_closed = self.is_write_paused = False
        self.error: Exception | None = None
        self._waiter: asyncio.Future[bool] | None = None
        self._is_read_paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        self.received += data
        if len(self.received) >= READ_AHEAD_BYTES:
            self._is_read_paused = True
            self._transport.pause_reading()
        self._wake_up(True)

    def eof_received(self) -> None:
        self.is_closed = True
        self._wake_up(True)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed, self.error, self.is_write_paused = True, error, False
        self._wake_up(True)

    def pause_writing(self) -> None:
        self.is_write_paused = True

    def resume_writing(self) -> None:
        self.is_write_paused = False
        self._wake_up(True)

    def _wake_up(self, has_event: bool) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(has_event)

    async def wait_for_event(self, seconds: float) -> bool:
        """Wait until something happens; returns false on timeout.

        Raises:
            httpcore.ReadError: the socket belongs to another event loop.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            raise httpcore.ReadError(
                "a response can only be read in the event loop in which it started"
            )
        self._waiter = loop.create_future()
        timer = loop.call_later(seconds, self._wake_up, False)
        try:
            return await self._waiter
        finally:
            self._waiter = None
            timer.cancel()

    def take(self, max_bytes: int) -> bytes:
        """Remove and return received data."""
        data = bytes(self.received[:max_bytes])
        del self.received[:max_bytes]
        if self._is_read_paused and len(self.received) < READ_AHEAD_BYTES:
            self._is_read_paused = False
            self._transport.resume_reading()
        return data


class AsyncioStream(httpcore.AsyncNetworkStream):
    """An asyncio transport whose waits end at the deadline of the call.

    Closing it does not wait, so it cannot be interrupted by a cancellation.

    Args:
        transport: a connected transport.
        protocol: the protocol of the transport.
        backend: holds the deadline.
    """

    def __init__(
        self, transport: asyncio.Transport, protocol: _StreamProtocol, backend: DeadlineMixin
    ) -> None:
        self._transport = transport
        self._protocol = protocol
        self._backend = backend
        self._write_buffer = WriteBuffer()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Write the buffered data, then read.

        A failed write is ignored, because the router may already have responded.
        """
        with suppress(httpcore.WriteError):
            await self._flush(timeout)
        protocol, seconds = self._protocol, self._backend.deadline.cap(timeout)
        while not (protocol.received or protocol.is_closed):
            if not await protocol.wait_for_event(seconds):
                raise httpcore.ReadTimeout
        if protocol.error and not protocol.received:
            raise httpcore.ReadError(str(protocol.error)) from protocol.error
        return protocol.take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Buffer data; write it if the buffer is full."""
        if self._write_buffer.add(buffer):
            await self._flush(timeout)

    async def _flush(self, timeout: float | None) -> None:
        data, protocol = self._write_buffer.take_all(), self._protocol
        if not data:
            return
        if protocol.is_closed:
            reason = protocol.error or "the router has closed the connection"
            raise httpcore.WriteError(str(reason))
        self._transport.write(data)
        while protocol.is_write_paused:
            if starts_final_response(protocol.received):
                raise httpcore.WriteError(EARLY_RESPONSE)
            if not await protocol.wait_for_event(self._backend.deadline.cap(timeout)):
                raise httpcore.WriteTimeout

    async def aclose(self) -> None:
        """Close the socket."""
        with suppress(RuntimeError):  # the event loop of the transport is closed
            self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return an encrypted stream over the same socket, dropping data received before."""
        protocol = _StreamProtocol()
        protocol.connection_made(self._transport)
        try:
            handshake = asyncio.get_running_loop().start_tls(
                self._transport, protocol, ssl_context, server_hostname=server_hostname
            )
            encrypted = await _wait_for(handshake, self._backend.deadline.cap(timeout))
        except BaseException:
            self._transport.abort()
            raise
        transport = cast("asyncio.Transport", encrypted)
        protocol.connection_made(transport)
        return AsyncioStream(transport, protocol, self._backend)

    def get_extra_info(self, info: str) -> Any:
        """Return information about the socket; see httpcore."""
        match info:
            case "is_readable":
                sock = self._transport.get_extra_info("socket")
                protocol = self._protocol
                return bool(protocol.received) or protocol.is_closed or is_readable(sock)
            case "client_addr":
                return self._transport.get_extra_info("sockname")
            case "server_addr":
                return self._transport.get_extra_info("peername")
        return self._transport.get_extra_info(info)

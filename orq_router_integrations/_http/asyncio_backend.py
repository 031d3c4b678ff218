"""Network backend for async calls on asyncio transports; see `backend` for the deadline.

With httpcore's anyio backend, a short call would need a third more CPU time.
"""

import asyncio
import ssl
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

import httpcore
from typing_extensions import override

from orq_router_integrations._http.backend import (
    EARLY_RESPONSE,
    WRITE_BUFFER_BYTES,
    CallState,
    WriteBuffer,
    is_readable,
    starts_final_response,
)
from orq_router_integrations._http.dialing import aconnect, set_socket_options

READ_AHEAD_BYTES = 256 * 1024
"""Bytes to receive before the caller asks for them."""


class AsyncioBackend(CallState, httpcore.AsyncNetworkBackend):
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
        loop = asyncio.get_running_loop()

        async def connect_to(address: str) -> "tuple[asyncio.Transport, _StreamProtocol]":
            return await loop.create_connection(_StreamProtocol, address, port)

        seconds = self.deadline.cap(timeout)
        try:
            connected = await aconnect(host, connect_to, seconds, lambda pair: pair[0].abort())
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        set_socket_options(connected[0].get_extra_info("socket"))
        return self.attach(AsyncioStream(*connected, self))


class _StreamProtocol(asyncio.Protocol):
    """Collects the data received over a socket and wakes up the stream that waits for it.

    Attributes:
        received: Data that the stream has not read yet.
        is_closed: Whether the peer has closed the connection, or it was lost.
        is_write_paused: Whether the stream has to wait before it writes more.
        error: Why the connection was lost.
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
        """Wait until something happens; returns false on timeout."""
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
    """

    def __init__(
        self, transport: asyncio.Transport, protocol: _StreamProtocol, state: CallState
    ) -> None:
        self._transport = transport
        self._protocol = protocol
        self._state = state
        self._write_buffer = WriteBuffer()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Write the buffered data, then read."""
        if self._write_buffer.size:
            with suppress(httpcore.WriteError):  # the router may already have responded
                await self._flush(timeout)
        while True:
            data = await self._receive(max_bytes, timeout)
            if (joined := self._state.process_received(data)) or not data:
                return joined

    async def _receive(self, max_bytes: int, timeout: float | None) -> bytes:
        protocol, seconds = self._protocol, self._state.deadline.cap(timeout)
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
        protocol = self._protocol
        for chunk in self._write_buffer.iter_chunks(WRITE_BUFFER_BYTES):
            if protocol.is_closed:
                reason = protocol.error or "the router has closed the connection"
                raise httpcore.WriteError(str(reason))
            self._transport.write(chunk)
            while protocol.is_write_paused:
                if starts_final_response(protocol.received):
                    raise httpcore.WriteError(EARLY_RESPONSE)
                if not await protocol.wait_for_event(self._state.deadline.cap(timeout)):
                    raise httpcore.WriteTimeout

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        with suppress(RuntimeError):  # the event loop of the transport is closed
            self._transport.abort()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Return an encrypted stream over the same socket. Unread plain data is dropped."""
        protocol = _StreamProtocol()
        protocol.connection_made(self._transport)
        loop, seconds = asyncio.get_running_loop(), self._state.deadline.cap(timeout)
        host = self._state.start_tls(server_hostname)
        try:
            async with asyncio.timeout(seconds):
                transport = await loop.start_tls(
                    self._transport, protocol, ssl_context, server_hostname=host
                )
        except BaseException as error:
            self._transport.abort()
            if isinstance(error, OSError):  # includes TimeoutError
                names = httpcore.ConnectTimeout, httpcore.ConnectError
                raise names[not isinstance(error, TimeoutError)](str(error)) from error
            raise
        if transport is None:
            raise httpcore.ConnectError("the connection was closed during the TLS handshake")
        protocol.connection_made(transport)
        return self._state.attach(AsyncioStream(transport, protocol, self._state))

    def get_extra_info(self, info: str) -> Any:
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

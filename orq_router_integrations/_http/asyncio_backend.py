"""Connections for async calls on asyncio transports; see `backend` for the deadline.

With httpcore's anyio backend, a short call would need a third more CPU time.
"""

import asyncio
import socket
from contextlib import suppress
from ssl import SSLContext
from typing import Any

import httpcore

from orq_router_integrations._http.backend import (
    EARLY_RESPONSE,
    FINAL_RESPONSE,
    WRITE_BUFFER_BYTES,
    ConnectionBackend,
)
from orq_router_integrations._http.dialing import aconnect, set_socket_options

READ_AHEAD_BYTES = 256 * 1024  # bytes to receive before the caller asks for them


class AsyncioBackend(
    ConnectionBackend, asyncio.Protocol, httpcore.AsyncNetworkBackend, httpcore.AsyncNetworkStream
):
    """An async connection, which is also the protocol of its transport.

    Closing it does not wait, so it cannot be interrupted by a cancellation.
    """

    _transport: Any = None

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._received = bytearray()
        self._is_closed = self._is_write_paused = False
        self._error: Exception | None = None  # why the connection was lost
        self._waiter: asyncio.Future[bool] | None = None

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.AsyncNetworkStream:
        async def connect_to(address: str, _: float) -> socket.socket:
            sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
            try:
                sock.setblocking(False)
                await self._loop.sock_connect(sock, (address, port))
            except BaseException:
                sock.close()
                raise
            return sock

        try:
            sock = await aconnect(host, connect_to, self.deadline.cap(timeout))
            set_socket_options(sock)
            await self._loop.create_connection(lambda: self, sock=sock)
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        if len(self._received) >= READ_AHEAD_BYTES:
            self._transport.pause_reading()
        self._wake_up(True)

    def eof_received(self) -> None:
        self._is_closed = True
        self._wake_up(True)

    def connection_lost(self, error: Exception | None) -> None:
        self._is_closed, self._error, self._is_write_paused = True, error, False
        self._wake_up(True)

    def pause_writing(self) -> None:
        self._is_write_paused = True

    def resume_writing(self) -> None:
        self._is_write_paused = False
        self._wake_up(True)

    def _wake_up(self, has_event: bool) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(has_event)

    async def _wait_for_event(self, seconds: float) -> bool:
        """Wait for the next event of the connection; returns false on timeout."""
        if asyncio.get_running_loop() is not self._loop:
            raise httpcore.ReadError(
                "a response can only be read in the event loop in which it started"
            )
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(seconds, self._wake_up, False)
        try:
            return await self._waiter
        finally:
            self._waiter = None
            timer.cancel()

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Write the buffered data, then read."""
        if self._unwritten:
            with suppress(httpcore.WriteError):  # the router may already have responded
                await self._flush(timeout)
        seconds = self.deadline.cap(timeout)
        while not (self._received or self._is_closed):
            if not await self._wait_for_event(seconds):
                raise httpcore.ReadTimeout
        if self._error and not self._received:
            raise httpcore.ReadError(str(self._error)) from self._error
        is_paused = len(self._received) >= READ_AHEAD_BYTES
        data = bytes(self._received[:max_bytes])
        del self._received[:max_bytes]
        if is_paused and len(self._received) < READ_AHEAD_BYTES:
            self._transport.resume_reading()
        return self._process_received(data)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Buffer data; write it if the buffer is full."""
        if self._buffer(buffer):
            await self._flush(timeout)

    async def _flush(self, timeout: float | None) -> None:
        for chunk in self._take_unwritten(WRITE_BUFFER_BYTES):
            if self._is_closed:
                reason = self._error or "the router has closed the connection"
                raise httpcore.WriteError(str(reason))
            self._transport.write(chunk)
            while self._is_write_paused:
                if FINAL_RESPONSE.search(self._received):
                    raise httpcore.WriteError(EARLY_RESPONSE)
                if not await self._wait_for_event(self.deadline.cap(timeout)):
                    raise httpcore.WriteTimeout

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        if self._transport:
            with suppress(RuntimeError):  # the event loop of the transport is closed
                self._transport.abort()

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Encrypt the connection. Unread plain data is dropped."""
        host, seconds = self._start_handshake(server_hostname), self.deadline.cap(timeout)
        self._received.clear()
        try:
            async with asyncio.timeout(seconds):
                transport = await self._loop.start_tls(
                    self._transport, self, ssl_context, server_hostname=host
                )
        except TimeoutError as error:
            raise httpcore.ConnectTimeout from error
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error
        if transport is None:
            raise httpcore.ConnectError("the connection was closed during the TLS handshake")
        self._transport = transport
        return self

    def get_extra_info(self, info: str) -> Any:
        if info != "is_readable":
            return self._transport.get_extra_info(info)
        return bool(self._received) or self._is_closed

"""Network backend for sync calls: httpcore's own, with waits that end at the deadline of the call.

The deadline also covers the lookup of the host name and the TLS handshake. Writes are buffered
until the next read, so that the head and body of a request are sent together.
"""

import re
import select
import socket
import ssl
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from errno import ETIMEDOUT
from time import monotonic
from typing import Any, TypeVar

import httpcore
from typing_extensions import override

from orq_router_integrations._http.chunked_encoding import ChunkJoiner
from orq_router_integrations._http.deadline import MIN_TIMEOUT_SECONDS, Deadline
from orq_router_integrations._http.dialing import connect, set_socket_options

T = TypeVar("T")

WRITE_BUFFER_BYTES = 64 * 1024
"""Bytes to buffer before they are written."""

MIN_WRITE_BYTES = 16 * 1024
"""Bytes that any writable socket accepts without blocking."""

POLL_INTERVAL_SECONDS = 0.25
"""Seconds between two checks for a cancellation during a wait."""

EARLY_RESPONSE = "the router responded before it had read the request"

_INFORMATIONAL_RESPONSES = re.compile(rb"(?:HTTP/1\.\d 1[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)*")
"""Responses that precede the final one, such as 100 Continue and 103 Early Hints."""


def starts_final_response(data: bytes | bytearray) -> bool:
    """Check whether data contains the start of a final response, after any 1xx responses."""
    match = _INFORMATIONAL_RESPONSES.match(data)
    final = data[match.end() if match else 0 :]
    return len(final) >= len("HTTP/1.1 2") and not final.startswith(b"HTTP/1.1 1")


def is_readable(sock: Any) -> bool:
    """Check whether a read would return immediately, as on a connection that the server closed."""
    return sock.fileno() < 0 or _poll(sock, 0, writing=False)[0]


def _poll(sock: Any, seconds: float, *, writing: bool) -> tuple[bool, bool]:
    """Wait until a socket is readable, or writable if requested; returns which it is."""
    if not hasattr(select, "poll"):
        readable, writable, _ = select.select([sock], [sock] if writing else [], [], seconds)
        return bool(readable), bool(writable)
    poll = select.poll()
    poll.register(sock, select.POLLIN | (select.POLLOUT if writing else 0))
    events = poll.poll(seconds * 1000)
    event = events[0][1] if events else 0
    return bool(event & ~select.POLLOUT), bool(event & select.POLLOUT)


def _get_write_size(sock: Any) -> int:
    """Return how many bytes the socket accepts without blocking if it is writable.

    Linux reports a socket as writable when a third of its buffer is free. With such large writes,
    an upload takes half of the CPU time.
    """
    if sys.platform != "linux" or sock is None or sock.fileno() < 0:
        return 0
    size: int = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    return size // 4


class CallState:
    """State of the call that a connection currently serves.

    Each connection has its own backend, which holds this state for its streams.

    Attributes:
        deadline: When to give up.
        stream: The stream of the connection, with TLS once it is encrypted.
        tls_host: Host of the last TLS handshake, which is the proxy or the server.
        first_byte: The first byte that has arrived during the call, or ``b""``.
    """

    deadline = Deadline(timeout=float("inf"), idle_timeout=float("inf"))
    stream: Any = None
    tls_host: str | None = None
    first_byte = b""

    def start_call(self, deadline: Deadline) -> None:
        """Apply the deadline of the next call."""
        self.deadline, self.first_byte, self._joiner = deadline, b"", ChunkJoiner()

    def process_received(self, data: bytes) -> bytes:
        """Record received data, and join its chunks; the result is empty if more is needed."""
        self.first_byte = self.first_byte or data[:1]
        return self._joiner.feed(data)

    def start_tls(self, host: str | None) -> str | None:
        """Store the host of a TLS handshake, and return it as the certificate has it."""
        self.tls_host = host
        return host and host.strip("[]")

    def attach(self, stream: T) -> T:
        """Store the current stream."""
        self.stream, self._joiner = stream, ChunkJoiner()
        return stream


class WriteBuffer:
    """Collects data to be written together, without copying large pieces."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> bool:
        """Add data; returns whether the buffer is full."""
        self._pieces.append(data)
        self._size += len(data)
        return self._size >= WRITE_BUFFER_BYTES

    @property
    def size(self) -> int:
        """Number of bytes in the buffer."""
        return self._size

    def iter_chunks(self, size: int) -> Iterator[bytes | memoryview]:
        """Remove all data and yield it in chunks of at most a size."""
        pieces, is_large = self._pieces, self._size > 2 * WRITE_BUFFER_BYTES
        self._pieces, self._size = [], 0
        for piece in pieces if is_large else [b"".join(pieces)]:
            if 0 < len(piece) <= size:
                yield piece
                continue
            for start in range(0, len(piece), size):
                yield memoryview(piece)[start : start + size]


class DeadlineBackend(CallState, httpcore.NetworkBackend):
    """Opens connections for sync calls."""

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        def connect_to(address: str, seconds: float) -> httpcore.NetworkStream:
            return httpcore.SyncBackend().connect_tcp(address, port, seconds)

        stream = connect(host, connect_to, self.deadline.cap(timeout))
        set_socket_options(stream.get_extra_info("socket"))
        return self.attach(DeadlineStream(stream, self))


class DeadlineStream(httpcore.NetworkStream):
    """A stream of httpcore whose waits end at the deadline of the call."""

    def __init__(self, stream: httpcore.NetworkStream, state: CallState) -> None:
        self._stream = stream
        self._state = state
        self._write_buffer = WriteBuffer()
        self._received = b""
        self._is_writing = False

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Write the buffered data, then read."""
        if self._write_buffer.size:
            with suppress(httpcore.WriteError):  # the router may already have responded
                self._flush(timeout)
        self._is_writing = False
        while True:
            data, self._received = self._received or self._receive(max_bytes, timeout), b""
            if (joined := self._state.process_received(data)) or not data:
                return joined

    def _receive(self, max_bytes: int, timeout: float | None) -> bytes:
        """Wait for data, with interruptions if the call can be cancelled."""
        deadline = self._state.deadline
        end = monotonic() + deadline.cap(timeout)
        interval = POLL_INTERVAL_SECONDS if deadline.is_cancelled else None
        while True:
            remaining = max(end - monotonic(), MIN_TIMEOUT_SECONDS)
            try:
                return self._stream.read(max_bytes, min(deadline.cap(interval), remaining))
            except httpcore.ReadTimeout as error:
                _raise_if_lost(error, httpcore.ReadError)
                if monotonic() >= end:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Buffer data; write it if the buffer is full."""
        if self._write_buffer.add(buffer):
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        size = MIN_WRITE_BYTES
        if self._write_buffer.size > size:
            size = max(size, _get_write_size(self._stream.get_extra_info("socket")))
        for chunk in self._write_buffer.iter_chunks(size):
            if self._is_writing:  # the start of a request fits into the buffer of the socket
                self._wait_until_writable(timeout)
            self._is_writing = True
            seconds = self._state.deadline.cap(timeout)
            try:
                self._stream.write(bytes(chunk), seconds)
            except httpcore.WriteTimeout as error:
                _raise_if_lost(error, httpcore.WriteError)
                raise

    def _wait_until_writable(self, timeout: float | None) -> None:
        """Wait until data can be written; raises if the router has already responded."""
        sock, deadline = self._stream.get_extra_info("socket"), self._state.deadline
        end, writable = monotonic() + deadline.cap(timeout), False
        while not writable:
            seconds = min(deadline.cap(POLL_INTERVAL_SECONDS), max(end - monotonic(), 0))
            readable, writable = _poll(sock, seconds, writing=True)
            if readable:
                self._check_early_response()
            if not writable and monotonic() >= end:
                raise httpcore.WriteTimeout("timed out")

    def _check_early_response(self) -> None:
        try:
            data = self._stream.read(WRITE_BUFFER_BYTES, MIN_TIMEOUT_SECONDS)
        except httpcore.ReadTimeout:  # TLS has received something else, such as a session ticket
            return
        except httpcore.ReadError as error:
            raise httpcore.WriteError(str(error)) from error
        self._received += data
        if not data or starts_final_response(self._received):
            raise httpcore.WriteError(EARLY_RESPONSE)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return an encrypted stream over the same socket. Unread plain data is dropped."""
        seconds = self._state.deadline.cap(timeout)
        host = self._state.start_tls(server_hostname)
        stream = self._stream.start_tls(ssl_context, host, seconds)
        return self._state.attach(DeadlineStream(stream, self._state))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable" and self._received:
            return True
        return self._stream.get_extra_info(info)


def _raise_if_lost(error: Exception, error_class: type[Exception]) -> None:
    """Raise ``error_class`` for ETIMEDOUT, a lost connection that Python treats as a timeout."""
    if isinstance(error.__cause__, OSError) and error.__cause__.errno == ETIMEDOUT:
        raise error_class(str(error)) from error.__cause__

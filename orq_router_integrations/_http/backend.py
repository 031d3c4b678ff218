"""Connections for sync calls: httpcore's own, with waits that end at the deadline of the call.

The deadline also covers the lookup of the host name and the TLS handshake. Writes are buffered
until the next read, so that the head and body of a request are sent together.
"""

import re
import select
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from math import inf
from ssl import SSLContext
from time import monotonic
from typing import Any

import httpcore

from orq_router_integrations._http.deadline import MIN_TIMEOUT_SECONDS, Deadline
from orq_router_integrations._http.dialing import connect, set_socket_options

WRITE_BUFFER_BYTES = 64 * 1024  # bytes to buffer before they are written
MIN_WRITE_BYTES = 16 * 1024  # bytes that any writable socket accepts without blocking
POLL_INTERVAL_SECONDS = 0.25  # seconds between two checks for a cancellation during a wait
Route = tuple[bytes, bytes, int | None, str | None]
"""Scheme, host and port of a URL, and the proxy for it."""

EARLY_RESPONSE = "the router responded before it had read the request"

FINAL_RESPONSE = re.compile(rb"(?:\A|\n\r?\n)HTTP/1\.\d [2-9]")
"""The start of a final response. Interim responses such as 103 Early Hints may precede it."""

_CHUNKED_HEAD = re.compile(
    rb"HTTP/1\.1 200 (?:.+\r\n)+?transfer-encoding:[ \t]*chunked[ \t]*\r\n(?:.+\r\n)*\r\n",
    re.IGNORECASE,
)
_SIZE_LINE = re.compile(rb"0*([1-9a-fA-F][0-9a-fA-F]{0,7})\r\n")


def _poll(sock: Any, seconds: float) -> tuple[bool, bool]:
    """Wait until a socket is readable or writable; returns which it is."""
    if not hasattr(select, "poll"):
        readable, writable, _ = select.select([sock], [sock], [], seconds)
        return bool(readable), bool(writable)
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLOUT)
    event = next((event for _, event in poll.poll(seconds * 1000)), 0)
    return bool(event & ~select.POLLOUT), bool(event & select.POLLOUT)


class ChunkJoiner:
    """Joins the chunks of a response that arrive together, before httpcore parses them.

    Servers send each event of a stream as a chunk. httpcore takes about 8 microseconds per chunk,
    as long as this package takes to decode the event. Joining takes less than one.

    All bytes are passed on immediately. Incomplete chunks stay unchanged, and so does everything
    after the last chunk or after something unusual, such as an error or half of a size line. So
    httpcore still checks the response and finds its end.
    """

    def __init__(self) -> None:
        # Bytes to pass on unchanged: the head, the rest of a chunk, or everything (infinity).
        # Unknown until the head arrives.
        self._unchanged: float | None = None

    def feed(self, data: bytes) -> bytes:
        """Rewrite the next bytes of a response."""
        if self._unchanged is None:
            head = _CHUNKED_HEAD.match(data)
            self._unchanged = head.end() if head else inf
        start = position = int(min(self._unchanged, len(data)))
        self._unchanged -= start
        pieces = []
        while size_line := _SIZE_LINE.match(data, position):
            end = size_line.end() + int(size_line[1], 16)
            if data[end : end + 2] != b"\r\n":
                break
            pieces.append(data[size_line.end() : end])
            position = end + 2
        if position < len(data):
            missing = end + 2 - len(data) if size_line else 0
            self._unchanged = missing if missing > 0 else inf
        if len(pieces) < 2:
            return data
        content = b"".join(pieces)
        return b"%b%x\r\n%b\r\n%b" % (data[:start], len(content), content, data[position:])


class ConnectionBackend:
    """Network backend of one connection, and state of the call that it currently serves.

    The backend is also the stream of its connection, so that all waits end at the same deadline.

    Attributes:
        http: The httpcore connection that uses this backend.
        route: Origin that the connection leads to, and its proxy.
        is_reused: Whether the connection has served another call.
        deadline: Deadline of the current call; unlimited between calls.
        tls_host: Host of the last TLS handshake, which is the proxy or the server.
        first_byte: The first byte that has arrived during the call, or ``b""``.
    """

    http: Any
    route: Route
    is_reused = False
    deadline = Deadline(timeout=inf, idle_timeout=inf)
    tls_host: str | None = None
    first_byte = b""

    def __init__(self) -> None:
        self._unwritten: list[bytes] = []
        self._unwritten_size = 0
        self._joiner = ChunkJoiner()

    def start_call(self, deadline: Deadline) -> None:
        """Apply the deadline of the next call."""
        self.deadline = deadline
        self.first_byte, self._joiner = b"", ChunkJoiner()

    def end_call(self) -> None:
        """Release the deadline, which may keep the caller's objects alive."""
        self.is_reused = True
        del self.deadline

    def _process_received(self, data: bytes) -> bytes:
        """Record received data, and join its chunks."""
        self.first_byte = self.first_byte or data[:1]
        return self._joiner.feed(data)

    def _start_handshake(self, host: str | None) -> str | None:
        """Store the host of a TLS handshake, and return it as certificates spell it."""
        self.tls_host, self._joiner = host, ChunkJoiner()
        return host and host.strip("[]")

    def _buffer(self, data: bytes) -> bool:
        """Add data to be written together; returns whether the buffer is full."""
        self._unwritten.append(data)
        self._unwritten_size += len(data)
        return self._unwritten_size >= WRITE_BUFFER_BYTES

    def _take_unwritten(self, chunk_size: int) -> Iterator[bytes | memoryview]:
        """Remove the buffered data, and yield it in chunks, without copying large pieces."""
        pieces, is_large = self._unwritten, self._unwritten_size > 2 * WRITE_BUFFER_BYTES
        self._unwritten, self._unwritten_size = [], 0
        for piece in pieces if is_large else [b"".join(pieces)]:
            for start in range(0, len(piece), chunk_size):
                yield memoryview(piece)[start : start + chunk_size]


class DeadlineBackend(ConnectionBackend, httpcore.NetworkBackend, httpcore.NetworkStream):
    """A sync connection."""

    _stream: httpcore.NetworkStream
    _received = b""
    _is_writing = False

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, *_: Any, **__: Any
    ) -> httpcore.NetworkStream:
        def connect_to(address: str, seconds: float) -> httpcore.NetworkStream:
            return httpcore.SyncBackend().connect_tcp(address, port, seconds)

        self._stream = connect(host, connect_to, self.deadline.cap(timeout))
        set_socket_options(self._stream.get_extra_info("socket"))
        return self

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Write the buffered data, then read."""
        if self._unwritten:
            with suppress(httpcore.WriteError):  # the router may already have responded
                self._flush(timeout)
        self._is_writing = False
        data = self._received or self._receive(max_bytes, timeout)
        self._received = b""
        return self._process_received(data)

    def _receive(self, max_bytes: int, timeout: float | None) -> bytes:
        """Wait for data, with interruptions if the call can be cancelled.

        Python also raises a timeout if the connection ends because the peer does not acknowledge
        data. The next read then fails or returns an empty result.
        """
        interval = POLL_INTERVAL_SECONDS if self.deadline.is_cancelled else None
        end = monotonic() + self.deadline.cap(timeout)
        while True:
            seconds = min(self.deadline.cap(interval), max(end - monotonic(), MIN_TIMEOUT_SECONDS))
            try:
                return self._stream.read(max_bytes, seconds)
            except httpcore.ReadTimeout:
                if monotonic() >= end:
                    raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Buffer data; write it if the buffer is full."""
        if self._buffer(buffer):
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        for chunk in self._take_unwritten(self._get_write_size()):
            if self._is_writing:  # the start of a request fits into the buffer of the socket
                self._wait_until_writable(timeout)
            self._is_writing = True
            self._stream.write(bytes(chunk), self.deadline.cap(timeout))

    def _get_write_size(self) -> int:
        """Return how many bytes the socket accepts without blocking if it is writable.

        Linux reports a socket as writable when a third of its buffer is free. Using a quarter
        instead of ``MIN_WRITE_BYTES`` halves the CPU time of an upload.
        """
        size = 0
        if self._unwritten_size > MIN_WRITE_BYTES and sys.platform == "linux":
            sock = self.get_extra_info("socket")
            size = sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) // 4
        return max(size, MIN_WRITE_BYTES)

    def _wait_until_writable(self, timeout: float | None) -> None:
        """Wait until data can be written; raises if the router has already responded."""
        end = monotonic() + self.deadline.cap(timeout)
        writable, sock = False, self.get_extra_info("socket")
        while not writable:
            readable, writable = _poll(sock, self.deadline.cap(POLL_INTERVAL_SECONDS))
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
        if not data or FINAL_RESPONSE.search(self._received):
            raise httpcore.WriteError(EARLY_RESPONSE)

    def close(self) -> None:
        with suppress(AttributeError):  # it was never connected
            self._stream.close()

    def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Encrypt the connection. Unread plain data is dropped."""
        host = self._start_handshake(server_hostname)
        self._stream = self._stream.start_tls(ssl_context, host, self.deadline.cap(timeout))
        self._received = b""
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)

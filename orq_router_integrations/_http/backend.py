"""Network backend for sync calls, whose waits end at the deadline of the call.

The deadline also covers the lookup of the host name and the TLS handshake. Writes are buffered
until the next read, so that the head and body of a request are sent together.
"""

import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any, TypeVar

import httpcore
from typing_extensions import override

from orq_router_integrations._http.deadline import MIN_TIMEOUT_SECONDS, Deadline

A = TypeVar("A")
T = TypeVar("T")

WRITE_BUFFER_BYTES = 64 * 1024
"""Bytes to buffer before they are written."""

POLL_INTERVAL_SECONDS = 0.25
"""Seconds between two checks for an early response or a cancellation during a wait."""

EARLY_RESPONSE = "the router responded before it had read the request"

_INFORMATIONAL_RESPONSES = re.compile(rb"(?:HTTP/1\.\d 1[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)*")
"""Responses that precede the final one, such as 100 Continue and 103 Early Hints."""


def starts_final_response(data: bytes | bytearray) -> bool:
    """Check whether data contains the start of a final response, after any 1xx responses."""
    match = _INFORMATIONAL_RESPONSES.match(data)
    final = data[match.end() if match else 0 :]
    return len(final) >= len("HTTP/1.1 2") and not final.startswith(b"HTTP/1.1 1")


class DeadlineMixin:
    """Holds the deadline of the call that a connection currently serves.

    Each connection has its own backend, and its stream reads the deadline from there.
    """

    deadline = Deadline(timeout=float("inf"), idle_timeout=float("inf"))


class WriteBuffer:
    """Collects data to be written together."""

    def __init__(self) -> None:
        self._chunks: list[bytes] = []
        self._size = 0

    def add(self, data: bytes) -> bool:
        """Add data; returns whether the buffer is full."""
        self._chunks.append(data)
        self._size += len(data)
        return self._size >= WRITE_BUFFER_BYTES

    def take_all(self) -> bytes:
        """Remove and return all data."""
        data, self._chunks, self._size = b"".join(self._chunks), [], 0
        return data


def is_readable(sock: socket.socket) -> bool:
    """Check whether a read would return immediately, as on a connection that the server closed."""
    if sock.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([sock], [], [], 0)[0])
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class DeadlineBackend(DeadlineMixin, httpcore.NetworkBackend):
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
        """Connect to the first address of a host that accepts.

        Raises:
            httpcore.ConnectError: every address refuses, or the host is unknown.
            httpcore.ConnectTimeout: no address accepts in time.
        """
        end = monotonic() + self.deadline.cap(timeout)
        addresses = _resolve_host(host, port, remaining_seconds(end))
        while True:
            try:
                with map_socket_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
                    seconds = remaining_seconds(end) / len(addresses)
                    sock = socket.create_connection((addresses.pop(0), port), seconds)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise
            else:
                break
        for option in (*(socket_options or ()), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)):
            sock.setsockopt(*option)
        return DeadlineStream(sock, self)


def remaining_seconds(end: float) -> float:
    """Return the seconds until a time of the monotonic clock, at least the shortest timeout."""
    return max(end - monotonic(), MIN_TIMEOUT_SECONDS)


def parse_ip_address(host: str, port: int) -> list[str]:
    """Return the address if the host is an IP address, or else an empty list."""
    try:
        return unique_addresses(socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST))
    except OSError:
        return []


def unique_addresses(results: Iterable[tuple[Any, ...]]) -> list[str]:
    """Return the distinct addresses in results of ``getaddrinfo``, in their order."""
    return list(dict.fromkeys(str(address[0]) for *_, address in results))


def _resolve_host(host: str, port: int, seconds: float) -> list[str]:
    """Look up the addresses of a host in a daemon thread, because the resolver has no timeout."""
    if addresses := parse_ip_address(host, port):
        return addresses
    results: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            results.put(unique_addresses(socket.getaddrinfo(host, port)))
        except OSError as error:
            results.put(error)

    threading.Thread(target=look_up, name="orq-resolver", daemon=True).start()
    try:
        result = results.get(timeout=seconds)
    except Empty:
        raise httpcore.ConnectTimeout(f"the lookup of host {host} timed out") from None
    if isinstance(result, OSError):
        raise httpcore.ConnectError(str(result)) from result
    return result


@contextmanager
def map_socket_errors(
    timeout_class: type[Exception], error_class: type[Exception]
) -> Iterator[None]:
    """Map socket errors to httpcore errors."""
    try:
        yield
    except TimeoutError as error:
        raise timeout_class(str(error)) from error
    except OSError as error:
        raise error_class(str(error)) from error


class DeadlineStream(httpcore.NetworkStream):
    """A blocking socket whose waits end at the deadline of the call.

    Args:
        sock: a connected socket.
        backend: holds the deadline.
    """

    def __init__(self, sock: socket.socket, backend: DeadlineMixin) -> None:
        self._socket = sock
        self._backend = backend
        self._write_buffer = WriteBuffer()
        self._received = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Write the buffered data, then read.

        A failed write is ignored, because the router may already have responded.
        """
        with suppress(httpcore.WriteError):
            self._flush(timeout)
        if self._received:
            data, self._received = self._received[:max_bytes], self._received[max_bytes:]
            return data
        try:
            return self._wait_for(self._socket.recv, max_bytes, timeout)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Buffer data; write it if the buffer is full."""
        if self._write_buffer.add(buffer):
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        data = memoryview(self._write_buffer.take_all())
        with map_socket_errors(httpcore.WriteTimeout, httpcore.WriteError):
            while data:
                sent = self._wait_for(self._socket.send, data, timeout, self._check_early_response)
                data = data[sent:]

    def _wait_for(
        self,
        operation: Callable[[A], T],
        argument: A,
        timeout: float | None,
        check: Callable[[], None] | None = None,
    ) -> T:
        """Run a socket operation until the timeout or the deadline.

        If the call can be cancelled, or with a check, the wait is interrupted at regular intervals.
        """
        deadline = self._backend.deadline
        end = monotonic() + deadline.cap(timeout)
        interval = POLL_INTERVAL_SECONDS if check or deadline.is_cancelled else None
        while True:
            self._socket.settimeout(min(deadline.cap(interval), remaining_seconds(end)))
            try:
                return operation(argument)
            except TimeoutError:
                if check:
                    check()
                if monotonic() >= end:
                    raise

    def _check_early_response(self) -> None:
        """Read the available data, without waiting.

        Raises:
            httpcore.WriteError: the router has already sent a final response.
        """
        self._socket.settimeout(0)
        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._received += self._socket.recv(WRITE_BUFFER_BYTES)
        if starts_final_response(self._received):
            raise httpcore.WriteError(EARLY_RESPONSE)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Return an encrypted stream over the same socket."""
        try:
            with map_socket_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._socket.settimeout(self._backend.deadline.cap(timeout))
                sock = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        return DeadlineStream(sock, self._backend)

    def get_extra_info(self, info: str) -> Any:
        """Return information about the socket; see httpcore."""
        match info:
            case "is_readable":
                return bool(self._received) or is_readable(self._socket)
            case "socket":
                return self._socket
            case "ssl_object":
                return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
            case "client_addr":
                return self._socket.getsockname()
            case "server_addr":
                return self._socket.getpeername()
        return None

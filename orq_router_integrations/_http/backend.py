"""The sockets beneath our connections: how they are opened, read and written, and for how long.

A line knows the clock of the call that it serves, so that no wait for a name, a handshake or a byte
is longer than that call may take. What is written is held until something is read or much has
gathered: head and body of a request leave together.
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

HELD = 64 * 1024
"""Bytes that are held before they are written."""

LOOK = 0.25
"""Seconds between two looks at what else may end a wait."""

EARLY_RESPONSE = "the router answers before it has read the request"

_FORERUNNERS = re.compile(rb"(?:HTTP/1\.\d 1[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)*")
"""Heads that only say that an answer will come: 100 Continue, 103 Early Hints."""


def starts_final_response(come: bytes | bytearray) -> bool:
    """Whether an answer begins in these bytes: then nobody reads on what is being sent."""
    found = _FORERUNNERS.match(come)
    begun = come[found.end() if found else 0 :]
    return len(begun) >= len("HTTP/1.1 2") and not begun.startswith(b"HTTP/1.1 1")


class DeadlineMixin:
    """Opens the line of a connection, and knows the clock of the call that it serves now."""

    deadline = Deadline(timeout=float("inf"), idle_timeout=float("inf"))


class WriteBuffer:
    """What is to be written, until it is worth it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def add(self, piece: bytes) -> bool:
        """Take a piece; says whether much has gathered."""
        self._pieces.append(piece)
        self._size += len(piece)
        return self._size >= HELD

    def take_all(self) -> bytes:
        """All of it."""
        whole, self._pieces, self._size = b"".join(self._pieces), [], 0
        return whole


def is_readable(found: socket.socket) -> bool:
    """Whether a read would not wait; of an idle connection, whether the server has closed it."""
    if found.fileno() < 0:
        return True
    if not hasattr(select, "poll"):
        return bool(select.select([found], [], [], 0)[0])
    poll = select.poll()
    poll.register(found, select.POLLIN)
    return bool(poll.poll(0))


class DeadlineBackend(DeadlineMixin, httpcore.NetworkBackend):
    """Opens lines that block."""

    @override
    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address of the host that answers; its name is looked up in time too.

        Raises:
            httpcore.ConnectError: none answers.
            httpcore.ConnectTimeout: none answers in time.
        """
        end = monotonic() + self.deadline.cap(timeout)
        addresses = _addresses(host, port, remaining_seconds(end))
        while True:
            try:
                with map_socket_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
                    share = remaining_seconds(end) / len(addresses)
                    found = socket.create_connection((addresses.pop(0), port), share)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise
            else:
                break
        for option in (*(socket_options or ()), (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)):
            found.setsockopt(*option)
        return DeadlineStream(found, self)


def remaining_seconds(end: float) -> float:
    """Seconds until then."""
    return max(end - monotonic(), MIN_TIMEOUT_SECONDS)


def parse_ip_address(host: str, port: int) -> list[str]:
    """The address that a host's name is, if it is one."""
    try:
        return unique_addresses(socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST))
    except OSError:
        return []


def unique_addresses(found: Iterable[tuple[Any, ...]]) -> list[str]:
    """The addresses that a resolver found, each once, in its order."""
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def _addresses(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a host; a resolver that does not answer is left behind in its thread."""
    if known := parse_ip_address(host, port):
        return known
    found: SimpleQueue[list[str] | OSError] = SimpleQueue()

    def look_up() -> None:
        try:
            found.put(unique_addresses(socket.getaddrinfo(host, port)))
        except OSError as error:
            found.put(error)

    threading.Thread(target=look_up, name="orq-resolver", daemon=True).start()
    try:
        answer = found.get(timeout=seconds)
    except Empty:
        raise httpcore.ConnectTimeout(f"the name {host} was not looked up in time") from None
    if isinstance(answer, OSError):
        raise httpcore.ConnectError(str(answer)) from answer
    return answer


@contextmanager
def map_socket_errors(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Tell errors of sockets as httpcore does."""
    try:
        yield
    except TimeoutError as error:
        raise late(str(error)) from error
    except OSError as error:
        raise broken(str(error)) from error


class DeadlineStream(httpcore.NetworkStream):
    """A socket that blocks, but never longer than the clock of the call allows."""

    def __init__(self, found: socket.socket, caller: DeadlineMixin) -> None:
        self._socket = found
        self._caller = caller
        self._held = WriteBuffer()
        self._come = b""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Write what is held, then read what is there, or comes in time.

        That it cannot be written is no reason not to read: the router may have answered already.
        """
        with suppress(httpcore.WriteError):
            self._flush(timeout)
        if self._come:
            come, self._come = self._come[:max_bytes], self._come[max_bytes:]
            return come
        try:
            return self._waited(self._socket.recv, max_bytes, timeout)
        except TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write, or hold for a moment."""
        if self._held.add(buffer):
            self._flush(timeout)

    def _flush(self, timeout: float | None) -> None:
        rest = memoryview(self._held.take_all())
        with map_socket_errors(httpcore.WriteTimeout, httpcore.WriteError):
            while rest:
                rest = rest[self._sent(rest, timeout) :]

    def _sent(self, data: memoryview, timeout: float | None) -> int:
        """How much of it was written; while nothing can be, an answer is looked for."""
        return self._waited(self._socket.send, data, timeout, self._look)

    def _waited(
        self,
        work: Callable[[A], T],
        given: A,
        timeout: float | None,
        meanwhile: Callable[[], None] | None = None,
    ) -> T:
        """What some work gives in time; now and then it is looked whether that is still wanted."""
        clock = self._caller.deadline
        end = monotonic() + clock.cap(timeout)
        while True:
            seconds = clock.cap(LOOK if meanwhile or clock.is_cancelled else None)
            self._socket.settimeout(min(seconds, remaining_seconds(end)))
            try:
                return work(given)
            except TimeoutError:
                if meanwhile:
                    meanwhile()
                if monotonic() >= end:
                    raise

    def _look(self) -> None:
        """Read what has come, without waiting.

        Raises:
            httpcore.WriteError: an answer begins there.
        """
        self._socket.settimeout(0)
        with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            self._come += self._socket.recv(HELD)
        if starts_final_response(self._come):
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
        """The same line, encrypted."""
        try:
            with map_socket_errors(httpcore.ConnectTimeout, httpcore.ConnectError):
                self._socket.settimeout(self._caller.deadline.cap(timeout))
                found = ssl_context.wrap_socket(self._socket, server_hostname=server_hostname)
        except BaseException:
            self.close()
            raise
        return DeadlineStream(found, self._caller)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore and callers want to know of a socket."""
        match info:
            case "is_readable":
                return bool(self._come) or is_readable(self._socket)
            case "socket":
                return self._socket
            case "ssl_object":
                return self._socket if isinstance(self._socket, ssl.SSLSocket) else None
            case "client_addr":
                return self._socket.getsockname()
            case "server_addr":
                return self._socket.getpeername()
        return None

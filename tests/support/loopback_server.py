"""A raw HTTP server on this machine, for behavior that only real sockets show."""

import asyncio
import re
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from typing import Self

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
_TCP_INFO = getattr(socket, "TCP_INFO", 0)  # 0 if the system does not have it
ESTABLISHED = 1
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def complete_response(body: bytes, *headers: str) -> Answer:
    """Answer with this JSON body and keep the connection open."""
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json", *headers]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode()

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head + body)

    return answer


def open_ended_response(body: bytes, *, then_close: bool = False) -> Answer:
    """Start an event stream without an end; the socket stays open or is closed."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    piece = b"%x\r\n%s\r\n" % (len(body), body)

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head + piece)
        await writer.drain()
        if then_close:
            writer.close()
        else:
            await asyncio.Event().wait()

    return answer


async def send_nothing(_: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


class Loopback:
    """Serve in a thread while the ``with`` block runs, and record the request headers."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self._answer = answer
        self._tls = tls
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()))
        self._connections: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.requests: list[bytes] = []
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(5)

    @property
    def accepted(self) -> int:
        """Number of accepted connections."""
        return len(self._connections)

    @property
    def open(self) -> int:
        """Number of accepted connections that are still open."""
        return sum(not _is_closed(*connection) for connection in self._connections)

    async def _main(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        scheme = "https" if self._tls else "http"
        self.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        for _ in range(3):  # a server that is closed loses sockets it has just accepted
            await asyncio.sleep(0)
        server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for _ in range(3):  # let the closed connections end
            await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.append((reader, writer))
        self._tasks.add(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while not writer.is_closing():
                head = await reader.readuntil(b"\r\n\r\n")
                length = _LENGTH.search(head)
                await reader.readexactly(int(length[1]) if length else 0)
                self.requests.append(head)
                await self._answer(writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def _is_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Return whether a connection is closed, even if unread bytes precede the end."""
    if reader.at_eof() or reader.exception() or writer.is_closing():
        return True
    if not _TCP_INFO:
        return False
    state = writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)
    return bool(state[0] != ESTABLISHED)

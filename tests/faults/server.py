"""A router on raw sockets that fails by script: what is sent is written out, byte for byte."""

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import httpx
from support.loopback_server import Loopback, whole

from faults.certificate import create_untrusted_context
from orq_router_integrations import OfflineRouter

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_NO_WAITING = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class ServerRequest:
    """One request, and the connection to answer it on."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    head: bytes
    router: OfflineRouter
    body: bytes = b""
    content_length: int = 0

    async def read_body(self) -> None:
        """Read the rest of the request."""
        self.body = await self.reader.readexactly(self.content_length)

    def create_response(self) -> httpx.Response:
        """What a router that is well would answer."""
        first, *lines = self.head.decode().strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = [line.split(": ", 1) for line in lines]
        url = f"https://offline.invalid{path}"
        reply = self.router.handle(httpx.Request(method, url, headers=headers, content=self.body))
        reply.read()
        return reply

    async def send(self, *pieces: bytes) -> None:
        """Send pieces, each on its own."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    def reset(self) -> None:
        """End the connection so that the peer's next read fails."""
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _NO_WAITING
        )
        self.writer.transport.abort()


Step = Callable[[ServerRequest], Awaitable[None]]
"""What happens to one request."""

READS_NO_BODY = "early"
"""An attribute of steps that answer before the body of the request was read."""


async def respond_normally(wire: ServerRequest) -> None:
    """Answers as a router does that is well."""
    reply = wire.create_response()
    await wire.send(build_response(reply.content, content_type=reply.headers["content-type"]))


def build_response(
    body: bytes, *header_lines: str, status: int = 200, content_type: str = "application/json"
) -> bytes:
    """A reply with its length."""
    head = [f"HTTP/1.1 {status} Said", f"Content-Type: {content_type}", *header_lines]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def build_chunked_response(
    *chunks: bytes, content_type: str = "text/event-stream", is_complete: bool = True
) -> bytes:
    """A reply in chunks."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in chunks if piece)
    return head.encode() + chunks + (b"0\r\n\r\n" if is_complete else b"")


class FaultServer(Loopback):
    """Does to each request what its next step says, and goes on with the last."""

    def __init__(self, *steps: Step, tls: bool = False) -> None:
        super().__init__(whole(b""), create_untrusted_context() if tls else None)
        self._steps = steps
        self._taken = 0
        self._router = OfflineRouter()

    def recover(self) -> None:
        """From now on every request is answered well."""
        self._steps, self._taken = (respond_normally,), 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lost = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError)
        with closing(writer.transport), suppress(*lost):
            while not writer.is_closing():
                wire = ServerRequest(
                    reader, writer, await reader.readuntil(b"\r\n\r\n"), self._router
                )
                self.requests.append(wire.head)
                length = _LENGTH.search(wire.head)
                wire.content_length = int(length[1]) if length else 0
                step = self._steps[min(self._taken, len(self._steps) - 1)]
                self._taken += 1
                if not getattr(step, READS_NO_BODY, False):
                    await wire.read_body()
                await step(wire)


def get_refusing_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: Any = free.getsockname()[1]
    return int(port)

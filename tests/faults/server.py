"""A router on raw sockets that fails as scripted, byte for byte."""

import asyncio
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import httpx
from support.loopback_server import Loopback, complete_response

from faults.certificate import create_untrusted_context
from orq_router_integrations import OfflineRouter

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class ServerRequest:
    """A request, and the connection to respond on."""

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
        """Create the response of a router without faults."""
        first, *lines = self.head.decode().strip().split("\r\n")
        method, path, _ = first.split(" ")
        headers = [line.split(": ", 1) for line in lines]
        url = f"https://offline.invalid{path}"
        response = self.router.handle(
            httpx.Request(method, url, headers=headers, content=self.body)
        )
        response.read()
        return response

    async def send(self, *chunks: bytes) -> None:
        """Send chunks one by one."""
        for chunk in chunks:
            self.writer.write(chunk)
            await self.writer.drain()

    def reset(self) -> None:
        """Reset the connection, so that the next read of the client fails."""
        self.writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER
        )
        self.writer.transport.abort()


Step = Callable[[ServerRequest], Awaitable[None]]
"""What the server does with one request."""

READS_NO_BODY = "reads_no_body"
"""Attribute of steps that respond before the body of the request was read."""


async def respond_normally(request: ServerRequest) -> None:
    """Respond like a router without faults."""
    response = request.create_response()
    await request.send(
        build_response(response.content, content_type=response.headers["content-type"])
    )


def build_response(
    body: bytes, *header_lines: str, status: int = 200, content_type: str = "application/json"
) -> bytes:
    """Build a response with a content length."""
    head = [f"HTTP/1.1 {status} Reason", f"Content-Type: {content_type}", *header_lines]
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode() + body


def build_chunked_response(
    *chunks: bytes, content_type: str = "text/event-stream", is_complete: bool = True
) -> bytes:
    """Build a response with chunked encoding."""
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks if chunk)
    return head.encode() + body + (b"0\r\n\r\n" if is_complete else b"")


class FaultServer(Loopback):
    """Runs the next step for each request, and repeats the last one."""

    def __init__(self, *steps: Step, tls: bool = False) -> None:
        super().__init__(complete_response(b""), create_untrusted_context() if tls else None)
        self._steps = steps
        self._step = 0
        self._router = OfflineRouter()

    def recover(self) -> None:
        """Respond normally from now on."""
        self._steps, self._step = (respond_normally,), 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ignored = (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError)
        with closing(writer.transport), suppress(*ignored):
            while not writer.is_closing():
                request = ServerRequest(
                    reader, writer, await reader.readuntil(b"\r\n\r\n"), self._router
                )
                self.requests.append(request.head)
                length = _LENGTH.search(request.head)
                request.content_length = int(length[1]) if length else 0
                step = self._steps[min(self._step, len(self._steps) - 1)]
                self._step += 1
                if not getattr(step, READS_NO_BODY, False):
                    await request.read_body()
                await step(request)


def get_refusing_port() -> int:
    """Return a port that refuses connections."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: Any = sock.getsockname()[1]
    return int(port)

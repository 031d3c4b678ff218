"""Proxies on this machine: HTTP with CONNECT and forwarding, and SOCKS5."""

import asyncio
import base64
import ssl
from contextlib import suppress
from urllib.parse import urlsplit

from support.loopback_server import Loopback, complete_response

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy(Loopback):
    """Connects clients to other servers on this machine, whatever host they ask for.

    Args:
        status: respond with this status line and close instead of opening a tunnel.
        credentials: "user:password" to require.
        tls: TLS context of the proxy itself.

    Attributes:
        requests: heads of HTTP requests, or hosts that SOCKS clients ask for.
    """

    def __init__(
        self, status: str = "", credentials: str = "", tls: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(complete_response(b""), tls)
        self._status, self._credentials = status, credentials

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                await self._handle(reader, writer)
        finally:
            await close(writer)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        expected = b"Basic " + base64.b64encode(self._credentials.encode())
        status = self._status
        if self._credentials and expected not in head:
            status = "407 Proxy Authentication Required"
        if status:
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
            return
        method, target, _ = head.split(b" ", 2)
        if method == b"CONNECT":
            port = int(target.rpartition(b":")[2])
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await relay((reader, writer), await asyncio.open_connection("127.0.0.1", port))
        else:
            port = urlsplit(target.decode()).port or 80
            server = await asyncio.open_connection("127.0.0.1", port)
            server[1].write(head)
            await relay((reader, writer), server)


class SocksProxy(Proxy):
    """A SOCKS5 proxy, which rejects all tunnels if it has a status."""

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        is_refused = self._credentials and methods[:1] != b"\x02"
        writer.write(b"\x05" + (b"\xff" if is_refused else methods[:1]))
        if methods[:1] == b"\x02":
            _, length = await reader.readexactly(2)
            user = await reader.readexactly(length)
            password = await reader.readexactly((await reader.readexactly(1))[0])
            is_valid = user + b":" + password == self._credentials.encode()
            writer.write(b"\x01\x00" if is_valid else b"\x01\x01")
        _, _, _, kind = await reader.readexactly(4)
        length = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        self.requests.append(await reader.readexactly(length))
        port = int.from_bytes(await reader.readexactly(2), "big")
        reply = b"\x05" if self._status else b"\x00"
        writer.write(b"\x05" + reply + b"\x00\x01" + bytes(6))
        if not self._status:
            await relay((reader, writer), await asyncio.open_connection("127.0.0.1", port))


async def relay(client: Streams, server: Streams) -> None:
    """Pass on data in both directions until one side is closed."""

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    tasks = [
        asyncio.ensure_future(copy(client[0], server[1])),
        asyncio.ensure_future(copy(server[0], client[1])),
    ]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await close(server[1])


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()

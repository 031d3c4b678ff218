"""What may happen to a request, as steps of a server's script."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

from faults.server import (
    READS_NO_BODY,
    Step,
    ServerRequest,
    build_chunked_response,
    build_response,
    respond_normally,
)

MB = 1024 * 1024
DRIP_INTERVAL_SECONDS = 0.05


def respond_with(
    status: int, body: Any = b"", *header_lines: str, content_type: str = "application/json"
) -> Step:
    """A whole reply; what is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def step(wire: ServerRequest) -> None:
        await wire.send(
            build_response(content, *header_lines, status=status, content_type=content_type)
        )

    return step


def send_raw(*chunks: bytes, ending: str = "close") -> Step:
    """Bytes as they are, and what becomes of the connection: close, reset, hang or stay."""

    async def step(wire: ServerRequest) -> None:
        await wire.send(*chunks)
        await end_connection(wire, ending)

    return step


async def end_connection(wire: ServerRequest, how: str) -> None:
    """What becomes of a connection."""
    if how == "close":
        wire.writer.close()
    elif how == "reset":
        await asyncio.sleep(0.01)  # for the peer to read what was sent
        wire.reset()
    elif how == "hang":
        await asyncio.Event().wait()


def drip(start: bytes, data: bytes) -> Step:
    """Begins at once, then sends a little now and then, for ever."""

    async def step(wire: ServerRequest) -> None:
        await wire.send(start)
        while not wire.writer.is_closing():
            await asyncio.sleep(DRIP_INTERVAL_SECONDS)
            await wire.send(data)

    return step


def without_reading(step: Step) -> Step:
    """The step, before the body of the request was read."""

    async def before(wire: ServerRequest) -> None:
        await step(wire)

    setattr(before, READS_NO_BODY, True)
    return before


def respond_then_read(step: Step) -> Step:
    """An early answer of a server that lets the client finish before it closes."""

    async def before(wire: ServerRequest) -> None:
        await step(wire)
        await wire.read_body()
        wire.writer.close()

    return without_reading(before)


def respond_then_reset(step: Step) -> Step:
    """An early answer of a server that then cuts the client short."""

    async def before(wire: ServerRequest) -> None:
        await step(wire)
        await end_connection(wire, "reset")

    return without_reading(before)


def respond_modified(modify: Callable[[bytes], list[bytes]], *, ending: str = "stay") -> Step:
    """What a healthy router answers, in other bytes; streams in chunks."""

    async def step(wire: ServerRequest) -> None:
        reply = wire.create_response()
        kind = reply.headers["content-type"]
        pieces = modify(reply.content)
        if kind.startswith("text/event-stream"):
            await wire.send(
                build_chunked_response(*pieces, content_type=kind, is_complete=ending == "stay")
            )
        else:
            await wire.send(build_response(b"".join(pieces), content_type=kind))
        await end_connection(wire, ending)

    return step


def respond_half(*, ending: str, is_chunked: bool = False) -> Step:
    """The first half of what a healthy router answers, in the framing of the whole."""

    async def step(wire: ServerRequest) -> None:
        reply = wire.create_response()
        kind, body = reply.headers["content-type"], reply.content
        if is_chunked or kind.startswith("text/event-stream"):
            data = build_chunked_response(
                body[: len(body) // 2], content_type=kind, is_complete=False
            )
        else:
            data = build_response(body, content_type=kind)[: -(len(body) // 2)]
        await wire.send(data)
        await end_connection(wire, ending)

    return step


def stall_after_half(data: bytes) -> Step:
    """The first half of a healthy stream, and then little more than nothing, for ever."""

    async def step(wire: ServerRequest) -> None:
        reply = wire.create_response()
        cut = reply.content.index(b"\n\n", len(reply.content) // 2) + 2
        start = build_chunked_response(
            reply.content[:cut], content_type=reply.headers["content-type"], is_complete=False
        )
        await drip(start, b"%x\r\n%s\r\n" % (len(data), data))(wire)

    return step


async def respond_compressed(wire: ServerRequest) -> None:
    """What a healthy router answers, compressed."""
    reply = wire.create_response()
    kind, body = reply.headers["content-type"], gzip.compress(reply.content)
    await wire.send(build_response(body, "Content-Encoding: gzip", content_type=kind))


async def respond_without_length(wire: ServerRequest) -> None:
    """A healthy answer whose end is the end of the connection (HTTP/1.0)."""
    reply = wire.create_response()
    head = f"HTTP/1.0 200 OK\r\nContent-Type: {reply.headers['content-type']}\r\n\r\n"
    await wire.send(head.encode() + reply.content)
    wire.writer.close()


async def respond_after_continue(wire: ServerRequest) -> None:
    """Two informational replies, then a healthy one."""
    await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n")
    await respond_normally(wire)


async def respond_and_close(wire: ServerRequest) -> None:
    """A healthy answer, and the connection is closed without a word of it."""
    await respond_normally(wire)
    wire.writer.close()


async def refuse_cookies(wire: ServerRequest) -> None:
    """Refuses whoever keeps a cookie."""
    kept = b"\ncookie:" in wire.head.lower()
    await (
        respond_with(400, {"error": {"message": "a cookie was kept"}}) if kept else respond_normally
    )(wire)


async def require_retry_count(wire: ServerRequest) -> None:
    """Refuses a repeated request that is not counted as one."""
    counted = b"\nx-retry-count: 0" not in wire.head.lower()
    await (
        respond_normally if counted else respond_with(400, {"error": {"message": "no retry count"}})
    )(wire)


def create_gzip_bomb(size: int) -> bytes:
    """Many zeros in few bytes."""
    return gzip.compress(bytes(size), 6)

"""What may happen to a request, as steps of a server's script."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

from faults.server import EARLY, Step, Wire, chunked, framed, well

MB = 1024 * 1024
DROP_SECONDS = 0.05


def says(status: int, body: Any = b"", *lines: str, kind: str = "application/json") -> Step:
    """A whole reply; what is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def step(wire: Wire) -> None:
        await wire.send(framed(content, *lines, status=status, kind=kind))

    return step


def sends(*pieces: bytes, then: str = "close") -> Step:
    """Bytes as they are, and what becomes of the connection: close, reset, hang or stay."""

    async def step(wire: Wire) -> None:
        await wire.send(*pieces)
        await end(wire, then)

    return step


async def end(wire: Wire, how: str) -> None:
    """What becomes of a connection."""
    if how == "close":
        wire.writer.close()
    elif how == "reset":
        await asyncio.sleep(0.01)  # for the peer to read what was sent
        wire.reset()
    elif how == "hang":
        await asyncio.Event().wait()


def drips(start: bytes, drop: bytes) -> Step:
    """Begins at once, then sends a little now and then, for ever."""

    async def step(wire: Wire) -> None:
        await wire.send(start)
        while not wire.writer.is_closing():
            await asyncio.sleep(DROP_SECONDS)
            await wire.send(drop)

    return step


def early(step: Step) -> Step:
    """The step, before the body of the request was read."""

    async def before(wire: Wire) -> None:
        await step(wire)

    setattr(before, EARLY, True)
    return before


def lingering(step: Step) -> Step:
    """An early answer of a server that lets the client finish before it closes."""

    async def before(wire: Wire) -> None:
        await step(wire)
        await wire.take_body()
        wire.writer.close()

    return early(before)


def abrupt(step: Step) -> Step:
    """An early answer of a server that then cuts the client short."""

    async def before(wire: Wire) -> None:
        await step(wire)
        await end(wire, "reset")

    return early(before)


def changed(change: Callable[[bytes], list[bytes]], *, then: str = "stay") -> Step:
    """What a healthy router answers, in other bytes; streams in chunks."""

    async def step(wire: Wire) -> None:
        reply = wire.healthy()
        kind = reply.headers["content-type"]
        pieces = change(reply.content)
        if kind.startswith("text/event-stream"):
            await wire.send(chunked(*pieces, kind=kind, end=then == "stay"))
        else:
            await wire.send(framed(b"".join(pieces), kind=kind))
        await end(wire, then)

    return step


def half(*, then: str, chunks: bool = False) -> Step:
    """The first half of what a healthy router answers, in the framing of the whole."""

    async def step(wire: Wire) -> None:
        reply = wire.healthy()
        kind, body = reply.headers["content-type"], reply.content
        if chunks or kind.startswith("text/event-stream"):
            data = chunked(body[: len(body) // 2], kind=kind, end=False)
        else:
            data = framed(body, kind=kind)[: -(len(body) // 2)]
        await wire.send(data)
        await end(wire, then)

    return step


def drops_of_half(drop: bytes) -> Step:
    """The first half of a healthy stream, and then little more than nothing, for ever."""

    async def step(wire: Wire) -> None:
        reply = wire.healthy()
        cut = reply.content.index(b"\n\n", len(reply.content) // 2) + 2
        start = chunked(reply.content[:cut], kind=reply.headers["content-type"], end=False)
        await drips(start, b"%x\r\n%s\r\n" % (len(drop), drop))(wire)

    return step


async def packed(wire: Wire) -> None:
    """What a healthy router answers, compressed."""
    reply = wire.healthy()
    kind, body = reply.headers["content-type"], gzip.compress(reply.content)
    await wire.send(framed(body, "Content-Encoding: gzip", kind=kind))


async def without_length(wire: Wire) -> None:
    """A healthy answer whose end is the end of the connection (HTTP/1.0)."""
    reply = wire.healthy()
    head = f"HTTP/1.0 200 OK\r\nContent-Type: {reply.headers['content-type']}\r\n\r\n"
    await wire.send(head.encode() + reply.content)
    wire.writer.close()


async def after_continue(wire: Wire) -> None:
    """Two informational replies, then a healthy one."""
    await wire.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n")
    await well(wire)


async def closes_behind(wire: Wire) -> None:
    """A healthy answer, and the connection is closed without a word of it."""
    await well(wire)
    wire.writer.close()


async def well_without_cookies(wire: Wire) -> None:
    """Refuses whoever keeps a cookie."""
    kept = b"\ncookie:" in wire.head.lower()
    await (says(400, {"error": {"message": "a cookie was kept"}}) if kept else well)(wire)


async def well_with_same_key(wire: Wire) -> None:
    """Refuses a repeated request that is not counted as one."""
    counted = b"\nx-retry-count: 0" not in wire.head.lower()
    await (well if counted else says(400, {"error": {"message": "no retry count"}}))(wire)


def bomb(size: int) -> bytes:
    """Many zeros in few bytes."""
    return gzip.compress(bytes(size), 6)

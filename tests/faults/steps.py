"""Steps of a server's script: what it does with a request."""

import asyncio
import gzip
import json
from collections.abc import Callable
from typing import Any

from faults.server import (
    READS_NO_BODY,
    ServerRequest,
    Step,
    build_chunked_response,
    build_response,
    respond_normally,
)

MB = 1024 * 1024
DRIP_INTERVAL_SECONDS = 0.05


def respond_with(
    status: int, body: Any = b"", *header_lines: str, content_type: str = "application/json"
) -> Step:
    """Send a complete response; a body that is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def step(request: ServerRequest) -> None:
        await request.send(
            build_response(content, *header_lines, status=status, content_type=content_type)
        )

    return step


def send_raw(*chunks: bytes, ending: str = "close") -> Step:
    """Send bytes unchanged, then let the connection ``close``, ``reset``, ``hang`` or ``stay``."""

    async def step(request: ServerRequest) -> None:
        await request.send(*chunks)
        await end_connection(request, ending)

    return step


async def end_connection(request: ServerRequest, ending: str) -> None:
    """Close, reset or block a connection, or leave it open."""
    if ending == "close":
        request.writer.close()
    elif ending == "reset":
        await asyncio.sleep(0.01)  # so that the client reads what was sent
        request.reset()
    elif ending == "hang":
        await asyncio.Event().wait()


def drip(start: bytes, data: bytes) -> Step:
    """Send the start, then a little data repeatedly, without an end."""

    async def step(request: ServerRequest) -> None:
        await request.send(start)
        while not request.writer.is_closing():
            await asyncio.sleep(DRIP_INTERVAL_SECONDS)
            await request.send(data)

    return step


def without_reading(step: Step) -> Step:
    """Run a step before the body of the request is read."""

    async def run_early(request: ServerRequest) -> None:
        await step(request)

    setattr(run_early, READS_NO_BODY, True)
    return run_early


def respond_then_read(step: Step) -> Step:
    """Respond early, but read the request before closing."""

    async def run_early(request: ServerRequest) -> None:
        await step(request)
        await request.read_body()
        request.writer.close()

    return without_reading(run_early)


def respond_then_reset(step: Step) -> Step:
    """Respond early, then reset the connection."""

    async def run_early(request: ServerRequest) -> None:
        await step(request)
        await end_connection(request, "reset")

    return without_reading(run_early)


def respond_modified(modify: Callable[[bytes], list[bytes]], *, ending: str = "stay") -> Step:
    """Send a normal response with modified bytes; streams are sent in chunks."""

    async def step(request: ServerRequest) -> None:
        response = request.create_response()
        content_type = response.headers["content-type"]
        chunks = modify(response.content)
        if content_type.startswith("text/event-stream"):
            await request.send(
                build_chunked_response(
                    *chunks, content_type=content_type, is_complete=ending == "stay"
                )
            )
        else:
            await request.send(build_response(b"".join(chunks), content_type=content_type))
        await end_connection(request, ending)

    return step


def respond_half(*, ending: str, is_chunked: bool = False) -> Step:
    """Send the first half of a normal response, with the length of the complete one."""

    async def step(request: ServerRequest) -> None:
        response = request.create_response()
        content_type, body = response.headers["content-type"], response.content
        if is_chunked or content_type.startswith("text/event-stream"):
            data = build_chunked_response(
                body[: len(body) // 2], content_type=content_type, is_complete=False
            )
        else:
            data = build_response(body, content_type=content_type)[: -(len(body) // 2)]
        await request.send(data)
        await end_connection(request, ending)

    return step


def stall_after_half(data: bytes) -> Step:
    """Send the first half of a normal stream, then a little data repeatedly, without an end."""

    async def step(request: ServerRequest) -> None:
        response = request.create_response()
        cut = response.content.index(b"\n\n", len(response.content) // 2) + 2
        start = build_chunked_response(
            response.content[:cut], content_type=response.headers["content-type"], is_complete=False
        )
        await drip(start, b"%x\r\n%s\r\n" % (len(data), data))(request)

    return step


async def respond_compressed(request: ServerRequest) -> None:
    """Send a normal response, compressed."""
    response = request.create_response()
    content_type, body = response.headers["content-type"], gzip.compress(response.content)
    await request.send(build_response(body, "Content-Encoding: gzip", content_type=content_type))


async def respond_without_length(request: ServerRequest) -> None:
    """Send a normal response that ends with the connection (HTTP/1.0)."""
    response = request.create_response()
    head = f"HTTP/1.0 200 OK\r\nContent-Type: {response.headers['content-type']}\r\n\r\n"
    await request.send(head.encode() + response.content)
    request.writer.close()


async def respond_after_continue(request: ServerRequest) -> None:
    """Send two informational responses, then a normal one."""
    await request.send(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n")
    await respond_normally(request)


async def respond_and_close(request: ServerRequest) -> None:
    """Send a normal response, then close the connection without announcing it."""
    await respond_normally(request)
    request.writer.close()


async def refuse_cookies(request: ServerRequest) -> None:
    """Respond with an error if the client stored a cookie."""
    has_cookie = b"\ncookie:" in request.head.lower()
    refuse = respond_with(400, {"error": {"message": "the client sent a cookie"}})
    await (refuse if has_cookie else respond_normally)(request)


async def require_retry_count(request: ServerRequest) -> None:
    """Respond with an error if the request does not count as a retry."""
    is_retry = b"\nx-retry-count: 0" not in request.head.lower()
    refuse = respond_with(400, {"error": {"message": "the retry count is missing"}})
    await (respond_normally if is_retry else refuse)(request)


def create_gzip_bomb(size: int) -> bytes:
    """Compress zeros to a small fraction of their size."""
    return gzip.compress(bytes(size), 6)

"""ASGI app that serves an offline router over HTTP."""

from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import httpx

from orq_router_integrations.testing.router import OfflineRouter
from orq_router_integrations.testing.routing.http_adapter import Delay
from orq_router_integrations.testing.routing.request_log import RecordedRequest
from orq_router_integrations.testing.serialization import encode_json

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Event, Receive, Send], Awaitable[None]]


def create_asgi_app(router: OfflineRouter, *, record: Path | None = None) -> App:
    """Create an ASGI 3 app that sends the router's responses, streams event by event.

    Args:
        router: The offline router.
        record: File to which each request is appended as a line of JSON.
    """

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _run_lifespan(receive, send)
        elif scope["type"] == "http":
            request = await _read_request(scope, receive)
            response = router.handle(request)
            if record is not None:
                _append_record(record, router.requests[-1], response.status_code)
            await Delay(router.latency, request).wait_async()
            await _send_response(response, send)
        else:
            raise ValueError(f"The offline router serves HTTP only, not {scope['type']}.")

    return app


def _append_record(path: Path, request: RecordedRequest, status: int) -> None:
    with path.open("ab") as file:
        file.write(encode_json({**asdict(request), "status": status}) + b"\n")


async def _run_lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def _read_request(scope: Event, receive: Receive) -> httpx.Request:
    chunks: list[bytes] = []
    more_body = True
    while more_body:
        event = await receive()
        chunks.append(event.get("body", b""))
        more_body = event.get("more_body", False)
    url = httpx.URL(scheme="http", host="offline", raw_path=_get_raw_path(scope))
    return httpx.Request(
        scope["method"], url, headers=list(scope["headers"]), content=b"".join(chunks)
    )


def _get_raw_path(scope: Event) -> bytes:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    return path + (b"?" + query if query else b"")


async def _send_response(response: httpx.Response, send: Send) -> None:
    start = {"type": "http.response.start", "status": response.status_code}
    await send(start | {"headers": response.headers.raw})
    stream = cast("httpx.AsyncByteStream", response.stream)  # also an AsyncByteStream
    try:
        async for chunk in stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except httpx.RemoteProtocolError:
        return  # without a final event, the server breaks the connection
    await send({"type": "http.response.body", "body": b"", "more_body": False})

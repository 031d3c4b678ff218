"""Serve the offline router over HTTP: an ASGI app, and a server on a loopback port."""

import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import httpx

from orq_router_integrations.testing.router import OfflineRouter
from orq_router_integrations.testing.routing.http_adapter import OfflineTransport
from orq_router_integrations.testing.routing.response import encode_json

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Event, Receive, Send], Awaitable[None]]

MAX_RECORDS = 1000  # requests and calls that ``serve`` keeps in the logs of its router


def serve(
    port: int = 8080, router: OfflineRouter | None = None, *, record: str | Path | None = None
) -> None:
    """Serve an offline router on 127.0.0.1 until interrupted, and print how to connect to it.

    Args:
        port: Port to listen on; 0 picks a free port.
        router: Router to serve; a new one by default.
        record: File to which each request is appended, as one line of JSON without the API key.

    Raises:
        ValueError: ``port`` is not an int from 0 to 65535, or ``router`` not an ``OfflineRouter``.
        ImportError: ``uvicorn`` is not installed (extra ``serve``).
        OSError: The port cannot be opened, for example because it is in use, or ``record`` cannot
            be written.
    """
    if not (isinstance(port, int) and 0 <= port <= 65535):
        raise ValueError(f"port: must be an int from 0 to 65535, not {port!r:.80}")
    if not isinstance(router, OfflineRouter | None):
        raise ValueError(f"router: must be an OfflineRouter, not {router!r:.80}")
    try:
        import uvicorn  # noqa: PLC0415 - optional dependency
    except ImportError:
        raise ImportError("Serving needs uvicorn. Install it with pip install uvicorn.") from None
    if record is not None:
        Path(record).open("ab").close()  # raises an error if it cannot be written
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        hint = "Choose another port with --port (port= in Python); 0 picks a free port."
        raise OSError(error.errno, f"{error.strerror}. {hint}") from None
    app = create_asgi_app(router or OfflineRouter(), record=record, max_records=MAX_RECORDS)
    with listener, suppress(KeyboardInterrupt):
        base_url = f"http://127.0.0.1:{listener.getsockname()[1]}/v3/router"
        api_key = "..." if router and router.api_keys else "any"
        print(f"To connect, set ORQ_BASE_URL={base_url} ORQ_API_KEY={api_key}", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def create_asgi_app(
    router: OfflineRouter, *, record: str | Path | None = None, max_records: int | None = None
) -> App:
    """Create an ASGI 3 app that sends the router's responses, streams event by event.

    Each request is appended to the file ``record``, if there is one, as a line of JSON.
    """

    def handle(request: httpx.Request) -> httpx.Response:
        position = len(router.requests)  # scripted functions may add further requests
        response = router.handle(request)
        if record is not None:
            line = {**asdict(router.requests[position]), "status": response.status_code}
            with Path(record).open("ab") as file:
                file.write(encode_json(line) + b"\n")
        if max_records is not None:
            del router.requests[:-max_records], router.log[:-max_records]
        return response

    transport = OfflineTransport(handle, router.latency)

    async def app(scope: Event, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{stage}.complete"})
            return
        if scope["type"] != "http":
            raise ValueError(f"The offline router serves HTTP only, not {scope['type']}.")
        request = await _read_request(scope, receive)
        await _send_response(await transport.handle_async_request(request), send)

    return app


async def _read_request(scope: Event, receive: Receive) -> httpx.Request:
    content = bytearray()
    event: Event = {"more_body": True}
    while event.get("more_body", False):
        event = await receive()
        content += event.get("body", b"")
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope.get("query_string", b"")
    url = httpx.URL(scheme="http", host="offline", raw_path=path + (query and b"?" + query))
    return httpx.Request(
        scope["method"], url, headers=list(scope["headers"]), content=bytes(content)
    )


async def _send_response(response: httpx.Response, send: Send) -> None:
    start = {"type": "http.response.start", "status": response.status_code}
    await send(start | {"headers": response.headers.raw})
    stream = cast("httpx.AsyncByteStream", response.stream)  # httpx declares a sync one
    try:
        async for chunk in stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except httpx.RemoteProtocolError:
        return  # without a final event, the server breaks the connection
    await send({"type": "http.response.body", "body": b"", "more_body": False})

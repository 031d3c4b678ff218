"""Convert between httpx requests and responses and the router's own types."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson

from orq_router_integrations.testing.routing.endpoint import Chunks, RouterResponse
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.multipart_parsing import describe_files, parse_form
from orq_router_integrations.testing.routing.request_log import RecordedRequest
from orq_router_integrations.testing.serialization import encode_json, encode_text
from orq_router_integrations.wire.endpoints import Endpoint

MAX_DEPTH = 100
"""Maximum nesting depth of a request body (a limit of the offline router)."""

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Delay:
    """A real delay before data arrives. It ends early with the read timeout of the request."""

    seconds: float
    request: httpx.Request = field(repr=False)

    def wait(self) -> None:
        time.sleep(self._duration)
        self._check_timeout()

    async def wait_async(self) -> None:
        await asyncio.sleep(self._duration)  # also without a delay: lets other streams continue
        self._check_timeout()

    @property
    def _timeout(self) -> float:
        """Read timeout of the request. The client may change it between two chunks."""
        seconds = self.request.extensions.get("timeout", {}).get("read")
        return self.seconds if seconds is None else float(seconds)

    @property
    def _duration(self) -> float:
        return min(self.seconds, self._timeout)

    def _check_timeout(self) -> None:
        if self.seconds > self._timeout:
            raise httpx.ReadTimeout("The offline router was slower than the timeout.")


@dataclass(frozen=True, slots=True)
class ChunkedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Response body that arrives in chunks, for sync and async clients."""

    chunks: tuple[bytes, ...] = field(repr=False)
    delay: Delay
    is_truncated: bool = False

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.chunks:
            self.delay.wait()
            yield chunk
        self._check_complete()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            await self.delay.wait_async()
            yield chunk
        self._check_complete()

    def _check_complete(self) -> None:
        if self.is_truncated:
            raise httpx.RemoteProtocolError("peer closed connection (incomplete chunked read)")


class OfflineTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Transport of sync and async httpx clients that opens no socket."""

    def __init__(self, handle: Callable[[httpx.Request], httpx.Response], latency: float) -> None:
        self._handle = handle
        self._latency = latency

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        response = self._handle(request)
        Delay(self._latency, request).wait()
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        response = self._handle(request)
        await Delay(self._latency, request).wait_async()
        return response


def record_request(request: httpx.Request) -> RecordedRequest:
    """Describe a request for ``OfflineRouter.requests``, with the API key redacted."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    if "authorization" in headers:
        headers["authorization"] = "[redacted]"
    try:
        body = _describe_body(request) if request.content else None
    except (orjson.JSONDecodeError, HTTPError):
        body = None
    return RecordedRequest(method=request.method, path=request.url.path, headers=headers, body=body)


def _describe_body(request: httpx.Request) -> Any:
    content_type = request.headers.get("content-type", "")
    if content_type.startswith("multipart/"):
        return describe_files(parse_form(content_type, request.content))
    return orjson.loads(request.content)


def check_api_key(request: httpx.Request, keys: Collection[str] | None) -> None:
    """Check the bearer token of a request."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "API key missing. Send the header 'Authorization: Bearer <key>'."
        raise HTTPError(401, message, "authentication_required")
    if keys is not None and key.strip() not in keys:
        raise HTTPError(401, "the API key is not valid for this workspace")


def parse_request_body(request: httpx.Request, endpoint: Endpoint) -> dict[str, Any]:
    """Parse a request body as a form or as JSON, as the endpoint requires."""
    if endpoint.multipart:
        body: Any = parse_form(request.headers.get("content-type", ""), request.content)
    else:
        try:
            body = orjson.loads(request.content)
        except orjson.JSONDecodeError as error:
            raise HTTPError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise HTTPError(400, "the body must be a JSON object")
    _check_depth(body)
    return body


def _check_depth(body: dict[str, Any]) -> None:
    level: list[Any] = [body]
    for _ in range(MAX_DEPTH):
        children: list[Any] = []
        for item in level:
            children.extend(item.values() if isinstance(item, dict) else item)
        level = [item for item in children if isinstance(item, dict | list)]
    if level:
        raise HTTPError(400, f"the body is nested too deeply: more than {MAX_DEPTH} levels")


def create_response(
    response: RouterResponse, headers: Mapping[str, str], chunk_delay: Delay
) -> httpx.Response:
    """Convert a router response to an httpx response."""
    if response.chunks is None:
        body, content_type = _encode_body(response.body)
        content: dict[str, Any] = {"content": body}
    else:
        stream, content_type = _create_stream(response, response.chunks, chunk_delay)
        content = {"stream": stream}
    extra_headers = {name.lower(): value for name, value in response.headers.items()}
    all_headers = {"content-type": content_type, **extra_headers, **headers}
    return httpx.Response(response.status, headers=all_headers, **content)


def _encode_body(body: Any) -> tuple[bytes, str]:
    if isinstance(body, str):
        return encode_text(body), "text/plain; charset=utf-8"
    if isinstance(body, bytes):
        return body, "text/plain; charset=utf-8"
    return encode_json(body), "application/json"


def _create_stream(
    response: RouterResponse, chunks: Chunks, delay: Delay
) -> tuple[ChunkedBody, str]:
    """Return a stream and its content type. Raw bytes have no end marker."""
    if chunks and isinstance(chunks[0], bytes):
        body = ChunkedBody(chunks, delay, is_truncated=not response.is_complete)
        return body, "application/octet-stream"
    events = tuple(_format_event(chunk, with_name=response.has_event_names) for chunk in chunks)
    end = (DONE,) if response.is_complete else ()
    return ChunkedBody(events + end, delay), "text/event-stream; charset=utf-8"


def _format_event(chunk: Any, *, with_name: bool) -> bytes:
    data = b"data: " + encode_json(chunk) + b"\n\n"
    if with_name and isinstance(chunk, Mapping) and "type" in chunk:
        return b"event: " + str(chunk["type"]).encode() + b"\n" + data
    return data

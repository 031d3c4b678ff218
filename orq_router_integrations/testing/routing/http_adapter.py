"""Convert between httpx requests and responses and the router's own types."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from orq_router_integrations.testing.routing.multipart_parsing import parse_form, summarize_files
from orq_router_integrations.testing.routing.response import HTTPError, RouterResponse, encode_json


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """Record of one request received by the router. Files are summarized, not stored."""

    method: str
    path: str
    headers: Mapping[str, str]  # with lower-case names; the API key is redacted
    body: Any  # JSON or form fields; None if it cannot be parsed


def delay_chunks(
    chunks: Iterable[bytes], seconds: float, request: httpx.Request
) -> Iterator[tuple[float, bytes]]:
    """Yield each chunk with its delay, but not longer than the read timeout of the request."""
    for chunk in chunks:
        # The client may change the timeout between two chunks
        timeout = request.extensions.get("timeout", {}).get("read")
        if timeout is not None and timeout < seconds:
            yield float(timeout), b""
            raise httpx.ReadTimeout("The offline router was slower than the timeout")
        yield seconds, chunk


@dataclass(frozen=True, slots=True)
class DelayedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Response body that arrives in chunks, for sync and async clients."""

    chunks: Iterator[tuple[float, bytes]]

    def __iter__(self) -> Iterator[bytes]:
        for seconds, chunk in self.chunks:
            time.sleep(seconds)
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for seconds, chunk in self.chunks:
            await asyncio.sleep(seconds)  # also without a delay: lets other streams continue
            yield chunk


class OfflineTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Transport of sync and async httpx clients that opens no socket, but waits for ``latency``."""

    def __init__(self, handle: Callable[[httpx.Request], httpx.Response], latency: float) -> None:
        self._handle, self._latency = handle, latency

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = self._handle(request)
        for seconds, _ in delay_chunks([b""], self._latency, request):
            time.sleep(seconds)
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        response = self._handle(request)
        for seconds, _ in delay_chunks([b""], self._latency, request):
            await asyncio.sleep(seconds)
        return response


def parse_request_body(request: httpx.Request) -> dict[str, Any] | HTTPError:
    """Parse a form or JSON, or return the error of an invalid body."""
    content_type = request.headers.get("content-type", "")
    try:
        if content_type.lower().startswith("multipart/"):
            return parse_form(content_type, request.content)
        body = orjson.loads(request.content)
    except HTTPError as error:
        return error
    except orjson.JSONDecodeError as error:
        return HTTPError(400, f"the body is neither JSON nor a multipart form: {error}")
    return body if isinstance(body, dict) else HTTPError(400, "the body must be a JSON object")


def record_request(request: httpx.Request, body: dict[str, Any] | HTTPError) -> RecordedRequest:
    """Describe a request for ``OfflineRouter.requests``, with the API key redacted."""
    headers = dict(request.headers)
    if "authorization" in headers:
        headers["authorization"] = "[redacted]"
    fields = None
    if not isinstance(body, HTTPError):
        fields = {name: summarize_files(value) for name, value in body.items()}
    path = request.url.path
    return RecordedRequest(method=request.method, path=path, headers=headers, body=fields)


def create_response(
    request: httpx.Request, response: RouterResponse, headers: Mapping[str, str], delay: float
) -> httpx.Response:
    """Convert a router response to an httpx response, with a delay before each chunk."""
    body, stream = response.body, None
    if response.chunks is not None:
        content_type = "text/event-stream; charset=utf-8"
        stream = DelayedBody(delay_chunks(_iter_bytes(response), delay, request))
    elif isinstance(body, str | bytes):
        content_type = "text/plain; charset=utf-8"
        body = body.encode("utf-8", "replace") if isinstance(body, str) else body
    else:
        content_type = "application/json"
        body = encode_json(body)
    own_headers = {name.lower(): value for name, value in response.headers.items()}
    all_headers = {"content-type": content_type, **own_headers, **headers}
    return httpx.Response(response.status, headers=all_headers, content=body, stream=stream)


def _iter_bytes(response: RouterResponse) -> Iterator[bytes]:
    """Yield the events of a stream, or its raw bytes, which have no end marker."""
    chunks = response.chunks or ()
    if all(isinstance(chunk, bytes) for chunk in chunks):  # or cut audio without chunks
        yield from chunks
        if not response.is_complete:
            raise httpx.RemoteProtocolError("peer closed connection (incomplete chunked read)")
        return
    for chunk in chunks:
        name = f"event: {chunk['type']}\n" if isinstance(chunk, dict) and "type" in chunk else ""
        yield name.encode() + b"data: " + encode_json(chunk) + b"\n\n"
    if response.is_complete:
        yield b"data: [DONE]\n\n"

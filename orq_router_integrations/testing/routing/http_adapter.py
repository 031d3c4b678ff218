"""Convert between httpx requests and responses and the router's own types."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from orq_router_integrations.testing.routing.endpoint import RouterResponse
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.multipart_parsing import describe_files, parse_form
from orq_router_integrations.testing.routing.request_log import RecordedRequest
from orq_router_integrations.testing.serialization import encode_json

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Delay:
    """A real delay before data arrives. It ends early with the read timeout of the request."""

    seconds: float
    request: httpx.Request

    def wait(self) -> None:
        time.sleep(self._get_duration())
        self._check_timeout()

    async def wait_async(self) -> None:
        await asyncio.sleep(self._get_duration())  # also without a delay: lets others continue
        self._check_timeout()

    def _get_duration(self) -> float:
        """Return the delay up to the timeout, which the client may change between two chunks."""
        timeout = self.request.extensions.get("timeout", {}).get("read")
        return self.seconds if timeout is None else min(self.seconds, float(timeout))

    def _check_timeout(self) -> None:
        if self._get_duration() < self.seconds:
            raise httpx.ReadTimeout("The offline router was slower than the timeout.")


@dataclass(frozen=True, slots=True)
class ChunkedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Response body that arrives in chunks, for sync and async clients."""

    chunks: tuple[bytes, ...]
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
        self._handle, self._latency = handle, latency

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
    is_form = headers.get("content-type", "").startswith("multipart/")
    try:
        body = describe_files(parse_request_body(request, is_form=is_form))
    except HTTPError:  # the response explains it
        body = None
    return RecordedRequest(method=request.method, path=request.url.path, headers=headers, body=body)


def parse_request_body(request: httpx.Request, *, is_form: bool = False) -> dict[str, Any]:
    """Parse a request body as a form or as JSON."""
    if is_form:
        return parse_form(request.headers.get("content-type", ""), request.content)
    try:
        body = orjson.loads(request.content)
    except orjson.JSONDecodeError as error:
        raise HTTPError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise HTTPError(400, "the body must be a JSON object")
    return body


def create_response(
    response: RouterResponse, headers: Mapping[str, str], chunk_delay: Delay
) -> httpx.Response:
    """Convert a router response to an httpx response. Raw bytes are sent without an end marker."""
    content_type, arguments = "application/json", {"content": response.body}
    if response.chunks is not None:
        content_type = "text/event-stream; charset=utf-8"
        arguments = {"stream": _create_stream(response, chunk_delay)}
    elif isinstance(response.body, str):
        content_type = "text/plain; charset=utf-8"
        arguments = {"content": response.body.encode("utf-8", "replace")}
    elif not isinstance(response.body, bytes):
        arguments = {"content": encode_json(response.body)}
    own_headers = {name.lower(): value for name, value in response.headers.items()}
    all_headers = {"content-type": content_type, **own_headers, **headers}
    return httpx.Response(response.status, headers=all_headers, **arguments)


def _create_stream(response: RouterResponse, delay: Delay) -> ChunkedBody:
    chunks = response.chunks or ()
    if isinstance(chunks[0], bytes):
        return ChunkedBody(chunks, delay, is_truncated=not response.is_complete)
    events = [*map(_format_event, chunks), *([DONE] if response.is_complete else [])]
    return ChunkedBody(tuple(events), delay)


def _format_event(chunk: Any) -> bytes:
    """Format one event, with its type as its name if it has one."""
    name = f"event: {chunk['type']}\n" if isinstance(chunk, dict) and "type" in chunk else ""
    return name.encode() + b"data: " + encode_json(chunk) + b"\n\n"

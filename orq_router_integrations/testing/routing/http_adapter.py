"""Convert between httpx requests and responses and the router's own types."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping
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
class ChunkedBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Response body that arrives in chunks, for sync and async clients.

    Attributes:
        chunks: the chunks to send.
        is_truncated: whether the connection breaks after the last chunk.
    """

    chunks: tuple[bytes, ...] = field(repr=False)
    is_truncated: bool = False

    def __iter__(self) -> Iterator[bytes]:
        yield from self.chunks
        if self.is_truncated:
            raise httpx.RemoteProtocolError("peer closed connection (incomplete chunked read)")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self:
            await asyncio.sleep(0)  # lets other streams continue, as a socket would
            yield chunk


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
    """Check the bearer token of a request.

    Raises:
        HTTPError: 401, the token is missing or not in ``keys``.
    """
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise HTTPError(
            401,
            "API key missing. Send the header 'Authorization: Bearer <key>'.",
            "authentication_required",
        )
    if keys is not None and key.strip() not in keys:
        raise HTTPError(401, "the API key is not valid for this workspace")


def parse_request_body(request: httpx.Request, endpoint: Endpoint) -> dict[str, Any]:
    """Parse a request body as a form or as JSON, as the endpoint requires.

    Raises:
        HTTPError: 400, the body has the wrong type or is nested too deeply.
    """
    if not endpoint.multipart:
        return parse_json_object(request)
    fields = parse_form(request.headers.get("content-type", ""), request.content)
    return _check_depth(fields)


def parse_json_object(request: httpx.Request) -> dict[str, Any]:
    """Parse a JSON object.

    Raises:
        HTTPError: 400, the body is not a JSON object or is nested too deeply.
    """
    try:
        body = orjson.loads(request.content)
    except orjson.JSONDecodeError as error:
        raise HTTPError(400, f"the body is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise HTTPError(400, "the body must be a JSON object")
    return _check_depth(body)


def _check_depth(body: dict[str, Any]) -> dict[str, Any]:
    if _exceeds_depth(body, MAX_DEPTH):
        raise HTTPError(400, f"the body is nested too deeply: more than {MAX_DEPTH} levels")
    return body


def _exceeds_depth(body: dict[str, Any], levels: int) -> bool:
    level: list[Any] = [body]
    for _ in range(levels):
        children: list[Any] = []
        for item in level:
            children.extend(item.values() if isinstance(item, dict) else item)
        level = [item for item in children if isinstance(item, dict | list)]
        if not level:
            return False
    return True


def create_response(outcome: RouterResponse, headers: Mapping[str, str]) -> httpx.Response:
    """Convert a router response to an httpx response."""
    extra_headers = {name.lower(): value for name, value in outcome.headers.items()}
    if outcome.chunks is not None:
        stream, content_type = _create_stream(outcome, outcome.chunks)
        all_headers = {"content-type": content_type, **extra_headers, **headers}
        return httpx.Response(outcome.status, headers=all_headers, stream=stream)
    body, content_type = outcome.body, "text/plain; charset=utf-8"
    if isinstance(body, str):
        body = encode_text(body)
    elif not isinstance(body, bytes):
        body, content_type = encode_json(body), "application/json"
    all_headers = {"content-type": content_type, **extra_headers, **headers}
    return httpx.Response(outcome.status, headers=all_headers, content=body)


def _create_stream(outcome: RouterResponse, chunks: Chunks) -> tuple[ChunkedBody, str]:
    """Return a stream body and its content type. Raw bytes have no end marker."""
    if chunks and isinstance(chunks[0], bytes):
        return ChunkedBody(chunks, is_truncated=not outcome.is_complete), "application/octet-stream"
    events = tuple(_format_event(chunk, with_name=outcome.has_event_names) for chunk in chunks)
    end = (DONE,) if outcome.is_complete else ()
    return ChunkedBody(events + end), "text/event-stream; charset=utf-8"


def _format_event(chunk: Any, *, with_name: bool) -> bytes:
    data = b"data: " + encode_json(chunk) + b"\n\n"
    if with_name and isinstance(chunk, Mapping) and "type" in chunk:
        return b"event: " + str(chunk["type"]).encode() + b"\n" + data
    return data

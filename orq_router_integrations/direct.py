"""What the client's verbs need of an httpx client, and no more: straight to a transport.

Around every request httpx's client merges headers and looks for cookies, credentials, redirects:
about as much work as the transport has, for what a router does not have.
"""

from collections.abc import AsyncIterable, Iterable, Mapping
from typing import Any

import httpx


def _built(
    method: str,
    url: httpx.URL,
    *,
    headers: Mapping[str, str],
    content: bytes | Iterable[bytes] | AsyncIterable[bytes],
    timeout: httpx.Timeout,
    extensions: Mapping[str, Any] | None = None,
) -> httpx.Request:
    """A request with these headers, and those that say where to and how long."""
    given = {**(extensions or {}), "timeout": timeout.as_dict()}
    named = {"host": url.netloc.decode("ascii"), **headers}
    if not isinstance(content, bytes):
        return httpx.Request(method, url, headers=named, content=content, extensions=given)
    if content:
        named["content-length"] = str(len(content))
    body = httpx.ByteStream(content)
    return httpx.Request(method, url, headers=named, stream=body, extensions=given)


class Direct:
    """Builds and sends requests as ``httpx.Client`` does, without what it adds to them."""

    build_request = staticmethod(_built)

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    def send(self, request: httpx.Request, **_: bool) -> httpx.Response:
        """Send a request; the response is not read yet, and redirects are not followed."""
        response = self._transport.handle_request(request)
        response.request = request
        return response

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()


class AsyncDirect:
    """The same for async requests."""

    build_request = staticmethod(_built)

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def send(self, request: httpx.Request, **_: bool) -> httpx.Response:
        """Send a request; the response is not read yet, and redirects are not followed."""
        response = await self._transport.handle_async_request(request)
        response.request = request
        return response

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()

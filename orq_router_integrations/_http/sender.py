"""Send calls over the package's own connection pools.

Around each request, httpx's client merges headers and looks for cookies, credentials and
redirects. That costs about as much as the transport itself, and the router uses none of it. So
these senders call the transport directly. The connections observe the deadline of the call.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from typing import Any

import httpx

from orq_router_integrations._http.deadline import DEADLINE_EXTENSION, DRAIN_SECONDS, Deadline
from orq_router_integrations._http.exchange import Exchange, RequestArgs, RequestContent


class PooledSender:
    """Sends sync calls.

    Args:
        transport: an httpx transport whose connections observe the deadline in the extensions of
            a request.
    """

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    @contextmanager
    def send(self, exchange: Exchange[Any]) -> Iterator[Iterator[bytes]]:
        """Send the next attempt of a call and yield the chunks of its response.

        If the response is complete before its body has ended, the end is awaited for a moment so
        that the connection can be reused.
        """
        args = exchange.start_attempt()
        request = _build_request(args, exchange.content, exchange.deadline)
        with closing(self._transport.handle_request(request)) as response:
            chunks = exchange.iter_response(response)
            yield chunks
            if exchange.done:
                exchange.deadline.resume(DRAIN_SECONDS)
                with suppress(Exception):
                    next(chunks, None)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class AsyncPooledSender:
    """Sends async calls; see `PooledSender`."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def send(self, exchange: Exchange[Any]) -> "_AsyncAttempt":
        """Send the next attempt of a call and yield the chunks of its response."""
        return _AsyncAttempt(self._transport, exchange)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


class _AsyncAttempt:
    """Context manager of an async attempt.

    It is not a generator, because asyncio would close a generator when its event loop ends.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, exchange: Exchange[Any]) -> None:
        self._transport = transport
        self._exchange = exchange

    async def __aenter__(self) -> AsyncIterator[bytes]:
        exchange = self._exchange
        args = await exchange.astart_attempt()
        request = _build_request(args, exchange.async_content, exchange.deadline)
        self._response = await self._transport.handle_async_request(request)
        try:
            self._chunks = exchange.aiter_response(self._response)
        except BaseException:
            await self._response.aclose()
            raise
        return self._chunks

    async def __aexit__(self, exc_type: object, *_: object) -> None:
        async with aclosing(self._response):
            if exc_type is None and self._exchange.done:
                self._exchange.deadline.resume(DRAIN_SECONDS)
                with suppress(Exception):
                    await anext(self._chunks, None)


def _build_request(args: RequestArgs, content: RequestContent, deadline: Deadline) -> httpx.Request:
    """Build a request, including the headers that httpx's client would otherwise add."""
    url = args["url"]
    headers = {"host": url.netloc.decode("ascii"), **args["headers"]}
    extensions = {"timeout": args["timeout"].as_dict(), DEADLINE_EXTENSION: deadline}
    body: dict[str, Any] = {"content": content}
    if isinstance(content, bytes):
        if content:
            headers["content-length"] = str(len(content))
        body = {"stream": httpx.ByteStream(content)}
    return httpx.Request(args["method"], url, headers=headers, extensions=extensions, **body)

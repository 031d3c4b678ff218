"""How a call travels over our own connections: straight to their stack.

Around every request httpx's client merges headers and looks for cookies, credentials, redirects:
about as much work as the transport has, for what a router does not have. How long to wait for it,
the lines beneath the connections know.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from typing import Any

import httpx

from orq_router_integrations._http.deadline import DEADLINE_EXTENSION, DRAIN_SECONDS, Deadline
from orq_router_integrations._http.exchange import Exchange, RequestArgs, RequestContent


class PooledSender:
    """Carries sync calls.

    Args:
        transport: of httpx, with connections that mind the clock in a request's extensions.
    """

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport

    @contextmanager
    def send(self, exchange: Exchange[Any]) -> Iterator[Iterator[bytes]]:
        """Send the next attempt of a call; yields the pieces of its reply, unpacked.

        When the call is done before they have ended, their end is waited for a moment: then the
        connection can be kept.
        """
        request = _request(exchange.start_attempt(), exchange.content, exchange.deadline)
        response = self._transport.handle_request(request)
        with closing(response):
            pieces = exchange.iter_response(response)
            yield pieces
            if exchange.done:
                exchange.deadline.resume(DRAIN_SECONDS)
                with suppress(Exception):
                    next(pieces, None)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()


class AsyncPooledSender:
    """The same for async calls."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    def send(self, exchange: Exchange[Any]) -> "_Carried":
        """Send the next attempt of a call; see ``Direct.carry``."""
        return _Carried(self._transport, exchange)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()


class _Carried:
    """An async attempt under way.

    No generator, for asyncio would close that too when its loop ends, and trip over its owner.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, exchange: Exchange[Any]) -> None:
        self._transport = transport
        self._exchange = exchange

    async def __aenter__(self) -> AsyncIterator[bytes]:
        exchange = self._exchange
        request = _request(
            await exchange.astart_attempt(), exchange.async_content, exchange.deadline
        )
        self._response = await self._transport.handle_async_request(request)
        try:
            self._pieces = exchange.aiter_response(self._response)
        except BaseException:
            await self._response.aclose()
            raise
        return self._pieces

    async def __aexit__(self, kind: object, *_: object) -> None:
        async with aclosing(self._response):
            if kind is None and self._exchange.done:
                self._exchange.deadline.resume(DRAIN_SECONDS)
                with suppress(Exception):
                    await anext(self._pieces, None)


def _request(outgoing: RequestArgs, content: RequestContent, clock: Deadline) -> httpx.Request:
    """A request with the headers of the call, and those that say where to and how much."""
    url = outgoing["url"]
    headers = {"host": url.netloc.decode("ascii"), **outgoing["headers"]}
    extensions = {"timeout": outgoing["timeout"].as_dict(), DEADLINE_EXTENSION: clock}
    given: dict[str, Any] = {"extensions": extensions}
    if isinstance(content, bytes):
        if content:
            headers["content-length"] = str(len(content))
        given["stream"] = httpx.ByteStream(content)
    else:
        given["content"] = content
    return httpx.Request(outgoing["method"], url, headers=headers, **given)

"""Send calls over the package's own connection pools.

httpx's client merges headers and looks for cookies, credentials and redirects around each request.
That costs about as much as sending it, and the router does not need it. So these senders pass
requests to httpcore. The connections observe the deadline of the call.
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

import httpcore

from orq_router_integrations._http.deadline import DRAIN_SECONDS
from orq_router_integrations._http.exchange import Exchange, RequestArgs
from orq_router_integrations._http.pool import AsyncConnectionPool, ConnectionPool

AnyPool = TypeVar("AnyPool", ConnectionPool, AsyncConnectionPool)


class _Sender(Generic[AnyPool]):
    """A pool, and the ids of the open clients that have used it."""

    def __init__(self, pool: AnyPool) -> None:
        self._pool: AnyPool = pool
        self._clients: WeakValueDictionary[int, object] = WeakValueDictionary()

    def add_client(self, client: object) -> None:
        if id(client) not in self._clients:
            self._clients[id(client)] = client

    def is_needed_after(self, client: object) -> bool:
        """Remove a client, and return whether others remain."""
        self._clients.pop(id(client), None)
        return bool(self._clients)

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()


class PooledSender(_Sender[ConnectionPool]):
    """Sends sync calls."""

    @contextmanager
    def send(self, exchange: Exchange[Any]) -> Iterator[Iterator[bytes]]:
        """Send the next attempt of a call and yield the chunks of its response.

        If the response is complete before its body has ended, this waits briefly for the end, so
        that the connection can be reused.
        """
        args, proxy = exchange.start_attempt(), _select_proxy(exchange)
        request = _build_request(args, exchange.content, proxy)
        with closing(self._pool.send(request, exchange.deadline, proxy)) as response:
            chunks = exchange.iter_response(response)
            yield chunks
            if exchange.done:
                exchange.deadline.resume(DRAIN_SECONDS)
                with suppress(Exception):
                    next(chunks, None)


class AsyncPooledSender(_Sender[AsyncConnectionPool]):
    """Sends async calls; see `PooledSender`."""

    def send(self, exchange: Exchange[Any]) -> "_AsyncAttempt":
        """Send the next attempt of a call and yield the chunks of its response."""
        return _AsyncAttempt(self._pool, exchange)


class _AsyncAttempt:
    """Context manager of an async attempt.

    It is not a generator, because asyncio would close a generator when its event loop ends.
    """

    def __init__(self, pool: AsyncConnectionPool, exchange: Exchange[Any]) -> None:
        self._pool = pool
        self._exchange = exchange

    async def __aenter__(self) -> AsyncIterator[bytes]:
        exchange = self._exchange
        args, proxy = await exchange.astart_attempt(), _select_proxy(exchange)
        request = _build_request(args, exchange.async_content, proxy)
        self._response = await self._pool.send(request, exchange.deadline, proxy)
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


def _select_proxy(exchange: Exchange[Any]) -> str | None:
    proxies = exchange.proxies
    return proxies.select(exchange.url) if proxies.urls else None


def _build_request(
    args: RequestArgs,
    content: bytes | Iterable[bytes] | AsyncIterable[bytes],
    proxy: str | None,
) -> httpcore.Request:
    """Build a request, including the headers that httpx's client would otherwise add."""
    url, headers = args["url"], {"host": args["url"].netloc.decode("ascii"), **args["headers"]}
    host = url.raw_host
    if b":" in host and proxy and proxy.startswith("http"):
        host = b"[%b]" % host  # httpcore puts it into the request to the proxy as it is
    if content and isinstance(content, bytes):
        headers["content-length"] = str(len(content))
    return httpcore.Request(
        args["method"],
        httpcore.URL(scheme=url.raw_scheme, host=host, port=url.port, target=url.raw_path),
        headers=[(name.encode("ascii"), headers[name].encode("ascii")) for name in headers],
        content=content,
        extensions={"timeout": args["timeout"].as_dict()},
    )

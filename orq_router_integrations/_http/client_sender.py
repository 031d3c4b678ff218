"""How a call travels over an httpx client: one of the caller's, or one that knows the proxies.

It minds no clock of ours, so a ``Watch`` or a ``Pump`` ends what takes too long.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, closing, contextmanager
from typing import Any

import httpx

from orq_router_integrations._http.background_reader import Gate, Pump
from orq_router_integrations._http.deadline import SHORTEST, TICK, Clock, Watch
from orq_router_integrations._http.exchange import Exchange, Outgoing


class Borrowed:
    """Carries sync calls.

    Args:
        http: an open client of httpx.
    """

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    @contextmanager
    def carry(self, exchange: Exchange[Any]) -> Iterator[Iterator[bytes]]:
        """Send the next attempt of a call; yields the pieces of its reply, unpacked."""
        with Watch(exchange.clock) as watch:
            outgoing = _hurried(exchange.begin(), exchange.clock)
            request = self.http.build_request(
                **outgoing, content=exchange.body, extensions={"trace": watch.trace}
            )
            request.headers.pop("cookie", None)  # the client may have kept some
            watch.follow(request.extensions)
            with closing(self.http.send(request, **_PLAIN)) as response:
                watch.follow(response.extensions)
                with closing(watch):  # before another call is given the connection
                    pieces = exchange.pieces(response)
                    _prolong(response, exchange)
                    yield watch.checked(pieces)
                    if exchange.done:
                        watch.drain(pieces)

    def close(self) -> None:
        """Close the client."""
        self.http.close()


class AsyncBorrowed:
    """The same for async calls.

    Args:
        http: an open client of httpx.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    def carry(self, exchange: Exchange[Any]) -> Pump:
        """Send the next attempt of a call; yields the pieces of its reply, unpacked."""
        gate = Gate(self.http)
        return Pump(self._pieces(exchange, gate), exchange.clock, gate, lambda: exchange.done)

    async def _pieces(self, exchange: Exchange[Any], gate: Gate) -> AsyncGenerator[bytes]:
        outgoing = _hurried(await exchange.abegin(), exchange.clock)
        request = self.http.build_request(
            **outgoing, content=exchange.async_body, extensions=gate.extensions
        )
        request.headers.pop("cookie", None)
        async with aclosing(await self.http.send(request, **_PLAIN)) as response:
            pieces = exchange.apieces(response)
            _prolong(response, exchange)
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        """Close the client."""
        await self.http.aclose()


_PLAIN: dict[str, Any] = {"stream": True, "follow_redirects": False}


def _hurried(outgoing: Outgoing, clock: Clock) -> Outgoing:
    """The same with a timeout no longer than what is left of the deadline."""
    left = max(clock.left, SHORTEST)
    parts = outgoing["timeout"].as_dict()
    if all(seconds is None or seconds <= left + TICK for seconds in parts.values()):
        return outgoing
    short = httpx.Timeout(**{name: min(part or left, left) for name, part in parts.items()})
    return {**outgoing, "timeout": short}


def _prolong(response: httpx.Response, exchange: Exchange[Any]) -> None:
    """Let a stream that has begun last as long as it will."""
    if exchange.decoder:
        response.request.extensions["timeout"] = exchange.timeout.as_dict()

"""How a call travels over an httpx client: one of the caller's, or one that knows the proxies.

It minds no clock of ours, so a ``Watch`` or a ``Pump`` ends what takes too long.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, closing, contextmanager
from typing import Any

import httpx

from orq_router_integrations._http.background_reader import BackgroundReader, CancelGuard
from orq_router_integrations._http.deadline import (
    MIN_TIMEOUT_SECONDS,
    WATCHDOG_INTERVAL_SECONDS,
    Deadline,
    SocketWatchdog,
)
from orq_router_integrations._http.exchange import Exchange, RequestArgs


class ClientSender:
    """Carries sync calls.

    Args:
        http: an open client of httpx.
    """

    def __init__(self, http: httpx.Client) -> None:
        self.client = http

    @contextmanager
    def send(self, exchange: Exchange[Any]) -> Iterator[Iterator[bytes]]:
        """Send the next attempt of a call; yields the pieces of its reply, unpacked."""
        with SocketWatchdog(exchange.deadline) as watch:
            outgoing = _hurried(exchange.start_attempt(), exchange.deadline)
            request = self.client.build_request(
                **outgoing, content=exchange.content, extensions={"trace": watch.trace}
            )
            request.headers.pop("cookie", None)  # the client may have kept some
            watch.watch_extensions(request.extensions)
            with closing(self.client.send(request, **_PLAIN)) as response:
                watch.watch_extensions(response.extensions)
                with closing(watch):  # before another call is given the connection
                    pieces = exchange.iter_response(response)
                    _prolong(response, exchange)
                    yield watch.iter_checked(pieces)
                    if exchange.done:
                        watch.drain(pieces)

    def close(self) -> None:
        """Close the client."""
        self.client.close()


class AsyncClientSender:
    """The same for async calls.

    Args:
        http: an open client of httpx.
    """

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.client = http

    def send(self, exchange: Exchange[Any]) -> BackgroundReader:
        """Send the next attempt of a call; yields the pieces of its reply, unpacked."""
        gate = CancelGuard(self.client)
        return BackgroundReader(
            self._pieces(exchange, gate), exchange.deadline, gate, lambda: exchange.done
        )

    async def _pieces(self, exchange: Exchange[Any], gate: CancelGuard) -> AsyncGenerator[bytes]:
        outgoing = _hurried(await exchange.astart_attempt(), exchange.deadline)
        request = self.client.build_request(
            **outgoing, content=exchange.async_content, extensions=gate.extensions
        )
        request.headers.pop("cookie", None)
        async with aclosing(await self.client.send(request, **_PLAIN)) as response:
            pieces = exchange.aiter_response(response)
            _prolong(response, exchange)
            async for piece in pieces:
                yield piece

    async def aclose(self) -> None:
        """Close the client."""
        await self.client.aclose()


_PLAIN: dict[str, Any] = {"stream": True, "follow_redirects": False}


def _hurried(outgoing: RequestArgs, clock: Deadline) -> RequestArgs:
    """The same with a timeout no longer than what is left of the deadline."""
    left = max(clock.remaining, MIN_TIMEOUT_SECONDS)
    parts = outgoing["timeout"].as_dict()
    if all(
        seconds is None or seconds <= left + WATCHDOG_INTERVAL_SECONDS for seconds in parts.values()
    ):
        return outgoing
    short = httpx.Timeout(**{name: min(part or left, left) for name, part in parts.items()})
    return {**outgoing, "timeout": short}


def _prolong(response: httpx.Response, exchange: Exchange[Any]) -> None:
    """Let a stream that has begun last as long as it will."""
    if exchange.decoder:
        response.request.extensions["timeout"] = exchange.timeout.as_dict()

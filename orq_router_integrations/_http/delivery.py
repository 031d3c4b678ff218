"""How a client's call gets to the router and back; loaded by the first call."""

from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

from typing_extensions import AsyncGenerator, Generator

from orq_router_integrations._http.async_generators import ScopedAsyncGenerator
from orq_router_integrations._http.exchange import Exchange
from orq_router_integrations._http.registry import (
    SENDER_REGISTRY,
    AnyHttpxClient,
    AsyncSender,
    Sender,
    wrap_async_client,
    wrap_client,
)
from orq_router_integrations._http.retry import RetryPolicy
from orq_router_integrations._http.timeouts import create_deadline, resolve_timeout
from orq_router_integrations._version import __version__
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.validation import to_input_error, warn_caller
from orq_router_integrations.wire.call import Call, StreamCall
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.request_encoding import encode_request

if TYPE_CHECKING:
    from orq_router_integrations.client import RouterClient

T = TypeVar("T")
Begun = tuple[Generator[T], tuple[T, ...]]
ABegun = tuple[ScopedAsyncGenerator[T], tuple[T, ...]]


class CallExecution(Generic[T]):
    """One call of a client, on its way until it needs no retry; a stream, until its first item.

    Args:
        client: whose call it is.
        call: the call.

    Raises:
        RouterInputError: it cannot be sent as it is.
    """

    def __init__(self, client: "RouterClient", call: Call[T] | StreamCall[T]) -> None:
        self._http, self._async_http = client.http_client, client.http_async_client
        self._exchange: Exchange[T] = _exchange(client, call)

    def send(self) -> T:
        """The answer."""
        return self._exchange.policy.run(self._once, self._exchange)

    async def asend(self) -> T:
        """The answer, of an async call."""
        return await self._exchange.policy.arun(self._aonce, self._exchange)

    def open_stream(self) -> Begun[T]:
        """A stream that has begun: what is to come, and the first item."""
        return self._exchange.policy.run(self._begun, self._exchange)

    async def aopen_stream(self) -> ABegun[T]:
        """The same, of an async call."""
        return await self._exchange.policy.arun(self._abegun, self._exchange)

    def _once(self, exchange: Exchange[T]) -> T:
        (answer,) = self._items(exchange)
        return answer

    async def _aonce(self, exchange: Exchange[T]) -> T:
        (answer,) = [item async for item in self._aitems(exchange)]
        return answer

    def _begun(self, exchange: Exchange[T]) -> Begun[T]:
        items = self._items(exchange)
        return items, tuple(islice(items, 1))

    async def _abegun(self, exchange: Exchange[T]) -> ABegun[T]:
        items = ScopedAsyncGenerator(self._aitems(exchange))
        async for item in items:
            return items, (item,)
        return items, ()

    def _items(self, exchange: Exchange[T]) -> Generator[T]:
        with (
            exchange.map_errors(),
            self._carrier() as carrier,
            carrier.send(exchange) as pieces,
        ):
            for data in pieces:
                yield from exchange.feed(data)
                if exchange.done:
                    return
            yield from exchange.finish()

    async def _aitems(self, exchange: Exchange[T]) -> AsyncGenerator[T]:
        with exchange.map_errors():
            async with self._acarrier() as carrier, carrier.send(exchange) as pieces:
                async for data in pieces:
                    for item in exchange.feed(data):
                        yield item
                    if exchange.done:
                        return
                for item in exchange.finish():
                    yield item

    def _carrier(self) -> AbstractContextManager[Sender]:
        if self._http:
            return nullcontext(wrap_client(_open(self._http)))
        _refuse_half(self._async_http, "http_client", "sync")
        return SENDER_REGISTRY.lease()

    def _acarrier(self) -> AbstractAsyncContextManager[AsyncSender]:
        if self._async_http:
            return nullcontext(wrap_async_client(_open(self._async_http)))
        _refuse_half(self._http, "http_async_client", "async")
        return SENDER_REGISTRY.alease()


def _exchange(client: "RouterClient", call: Call[T] | StreamCall[T]) -> Exchange[T]:
    try:
        encoded = encode_request(call, client.dialect, client.controls)
    except ValueError as error:
        raise to_input_error(error, endpoint=call.endpoint.path) from None
    _warn_of_circles(call.body.get("model"), encoded.controls)
    timeout = resolve_timeout(client, call.timeout, encoded.controls)
    clock = create_deadline(client, timeout, encoded.controls)
    return Exchange(
        call=call,
        encoded=encoded,
        policy=RetryPolicy(
            max_retries=client.max_retries,
            router_retries=encoded.controls.has_router_retries,
            repeatable=call.retry_ambiguous,
            deadline=clock,
            budget=client.retry_budget,
        ),
        url=client.build_url(encoded.path),
        headers=_headers(client),
        api_key=client.api_key,
        timeout=timeout,
        deadline=clock,
    )


def _headers(client: "RouterClient") -> dict[str, str]:
    own = {"user-agent": f"orq-router-integrations/{__version__}", "accept": "*/*"}
    return {**own, **{name.lower(): value for name, value in client.default_headers.items()}}


def _refuse_half(other: object, missing: str, verbs: str) -> None:
    """Who injects one client means all calls to go through it; the network is no stand-in."""
    if other is not None:
        raise RouterInputError(f"{missing}: needed for {verbs} calls, since the other was given")


def _open(http: AnyHttpxClient) -> AnyHttpxClient:
    if http.is_closed:
        raise RouterInputError("http_client: the httpx client given is closed; give an open one")
    return http


def _warn_of_circles(model: object, controls: RouterControls) -> None:
    if any(fallback.model == model for fallback in controls.fallbacks or ()):
        warn_caller(f"fallbacks: {model} falls back to itself; use retry to ask a model again")

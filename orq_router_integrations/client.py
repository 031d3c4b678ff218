"""The only door to the network: four verbs over one set of settings."""

import warnings
from collections.abc import Coroutine, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    closing,
    nullcontext,
)
from inspect import isawaitable
from itertools import islice
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, TypeVar

import httpx
from pydantic import ConfigDict, Field, model_validator
from typing_extensions import AsyncGenerator, Generator, Self, TypedDict, Unpack

from orq_router_integrations._version import __version__
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.exchange import Exchange
from orq_router_integrations.retry import RetryPolicy
from orq_router_integrations.settings import (
    LONGEST_TIMEOUT,
    ApiKey,
    RouterSettings,
    checked_key,
)
from orq_router_integrations.transport import SHARED, AnyClient
from orq_router_integrations.validation import input_error
from orq_router_integrations.wire.call import Call, StreamCall
from orq_router_integrations.wire.controls import ControlValues, RouterControls
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.names import refuse_unknown
from orq_router_integrations.wire.request import encode

T = TypeVar("T")
Begun = tuple[Generator[T], tuple[T, ...]]
ABegun = tuple[AsyncGenerator[T], tuple[T, ...]]

CONNECT_SECONDS = 10.0
DEFAULT_SECONDS = 600.0
MARGIN_SECONDS = 30.0


class RouterClient(RouterSettings):
    """Sends calls to the AI Router and hands back what they parse to.

    Immutable, cheap to make, safe to share between threads, event loops and (forked) processes.
    Nothing is opened before the first call, and all clients of a process share their connections.
    Pickles carry no key and no headers; a client with injected httpx clients refuses to be
    pickled.

    Attributes:
        controls: defaults for every call, applied where the call's endpoint takes them.
        http_client: an httpx client of yours for the sync calls, for its proxies, TLS or
            transport. You close it.
        http_async_client: the same for the async calls, which need it if ``http_client`` is given.

    Raises:
        pydantic.ValidationError: a setting is wrong, or there is no API key.

    >>> client = RouterClient(api_key="sk-orq-example", controls={"retry": {"count": 1}})
    >>> client.base_url
    'https://api.orq.ai/v3/router'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    controls: RouterControls = RouterControls()
    http_client: httpx.Client | None = Field(default=None, repr=False, exclude=True)
    http_async_client: httpx.AsyncClient | None = Field(default=None, repr=False, exclude=True)

    if TYPE_CHECKING:  # the validators accept more than the fields hold

        def __init__(self, **values: Unpack["ClientValues"]) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _known_keywords(cls, data: Any) -> Any:
        return refuse_unknown(cls, data)

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if self.api_key is None:
            checked_key("")
        try:
            _ = httpx.URL(self.base_url).host
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ValueError(f"base_url: {error}") from None
        try:
            httpx.URL(self.base_url, params=dict(self.default_query) or None)
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ValueError(f"default_query: {error}") from None
        return self

    def send(self, call: Call[T]) -> T:
        """Send a call and return its parsed answer.

        Raises:
            RouterError: see ``errors`` for the tree.
        """
        exchange = self._exchange(call)
        answer: T = exchange.policy.retrying()(self._once, exchange)
        return answer

    async def asend(self, call: Call[T]) -> T:
        """Send a call and return its parsed answer; see ``send``."""
        exchange = self._exchange(call)
        return await exchange.policy.aretrying()(self._aonce, exchange)

    def stream(self, call: StreamCall[T]) -> Generator[T]:
        """Send a call and yield its items as they arrive.

        Repeated only as long as no item has arrived. Close the iterator to stop early.

        Raises:
            RouterError: see ``errors``; ``partial`` has the text received of a broken stream,
                ``received`` says how many bytes arrived.
        """
        exchange = self._exchange(call)
        begun: Begun[T] = exchange.policy.retrying()(self._begun, exchange)
        items, first = begun
        with closing(items):
            yield from first
            yield from items

    async def astream(self, call: StreamCall[T]) -> AsyncGenerator[T]:
        """Send a call and yield its items as they arrive; see ``stream``."""
        exchange = self._exchange(call)
        begun: ABegun[T] = await exchange.policy.aretrying()(self._abegun, exchange)
        items, first = begun
        async with aclosing(items):
            for item in first:
                yield item
            async for item in items:
                yield item

    def close(self) -> None:
        """Close the process's shared connections for sync calls, once no call uses them.

        The next call opens new ones. Injected clients are yours to close.
        """
        SHARED.close()

    async def aclose(self) -> None:
        """Close the running event loop's shared connections; see ``close``."""
        await SHARED.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self  # nothing in it can change

    def __getstate__(self) -> dict[Any, Any]:
        """Pickles settings without secrets; an injected client would be lost, so it refuses."""
        if self.http_client or self.http_async_client:
            raise PicklingError("a client with an injected httpx client cannot be pickled")
        return super().__getstate__()

    @property
    def dialect(self) -> Dialect:
        """Where this base URL wants its controls."""
        return Dialect.of(self.base_url)

    def _exchange(self, call: Call[T] | StreamCall[T]) -> Exchange[T]:
        try:
            encoded = encode(call, self.dialect, self.controls)
        except ValueError as error:
            raise input_error(error, endpoint=call.endpoint.path) from None
        _warn_of_circles(call.body.get("model"), encoded.controls)
        return Exchange(
            call=call,
            encoded=encoded,
            policy=RetryPolicy(
                max_retries=self.max_retries,
                router_retries=encoded.controls.router_retries,
                repeatable=call.repeatable,
            ),
            url=httpx.URL(self.base_url + encoded.path, params=dict(self.default_query) or None),
            headers={
                "user-agent": f"orq-router-integrations/{__version__}",
                "accept": "*/*",
                **{name.lower(): value for name, value in self.default_headers.items()},
            },
            timeout=self._timeout(call.timeout, encoded.controls),
        )

    def _timeout(self, wanted: float | None, controls: RouterControls) -> httpx.Timeout:
        worst = controls.worst_case_seconds
        seconds = self.timeout if wanted is None else wanted
        if seconds is None:
            seconds = DEFAULT_SECONDS if worst is None else worst + MARGIN_SECONDS
            seconds = min(seconds, LONGEST_TIMEOUT)
        elif not 0 < seconds <= LONGEST_TIMEOUT:
            raise RouterInputError(f"timeout: 0 to {LONGEST_TIMEOUT} seconds, not {seconds}")
        elif worst is not None and seconds < worst:
            warnings.warn(
                f"timeout={seconds:g} is shorter than the router may take by its controls "
                f"({worst:g} seconds for every model, retry and pause): the client would hang up "
                "on a fallback that is still working",
                stacklevel=5,
            )
        return httpx.Timeout(seconds, connect=min(seconds, CONNECT_SECONDS))

    def _once(self, exchange: Exchange[T]) -> T:
        with exchange.translated(), self._http() as http:
            request = http.build_request(**exchange.begin(self._key()), content=exchange.body)
            return exchange.answer(http.send(request, follow_redirects=False))

    async def _aonce(self, exchange: Exchange[T]) -> T:
        with exchange.translated():
            async with self._ahttp() as http:
                request = http.build_request(
                    **exchange.begin(await self._akey()), content=exchange.async_body
                )
                return exchange.answer(await http.send(request, follow_redirects=False))

    def _begun(self, exchange: Exchange[T]) -> Begun[T]:
        """A stream, read as far as its first item."""
        items = self._items(exchange)
        return items, tuple(islice(items, 1))

    async def _abegun(self, exchange: Exchange[T]) -> ABegun[T]:
        items = self._aitems(exchange)
        async for item in items:
            return items, (item,)
        return items, ()

    def _items(self, exchange: Exchange[T]) -> Generator[T]:
        with exchange.translated(), self._http() as http:
            request = http.build_request(**exchange.begin(self._key()), content=exchange.body)
            with closing(http.send(request, stream=True, follow_redirects=False)) as response:
                if not exchange.head(response):
                    response.read()
                    exchange.answer(response)
                decoder = exchange.decode()
                for data in response.iter_bytes():
                    yield from exchange.feed(data)
                    if decoder.done:
                        return
                yield from decoder.finish()

    async def _aitems(self, exchange: Exchange[T]) -> AsyncGenerator[T]:
        with exchange.translated():
            async with self._ahttp() as http:
                request = http.build_request(
                    **exchange.begin(await self._akey()), content=exchange.async_body
                )
                response = await http.send(request, stream=True, follow_redirects=False)
                async with aclosing(response):
                    if not exchange.head(response):
                        await response.aread()
                        exchange.answer(response)
                    decoder = exchange.decode()
                    async for data in response.aiter_bytes():
                        for item in exchange.feed(data):
                            yield item
                        if decoder.done:
                            return
                    for item in decoder.finish():
                        yield item

    def _http(self) -> AbstractContextManager[httpx.Client]:
        if self.http_client:
            return nullcontext(_open(self.http_client))
        _refuse_half(self.http_async_client, "http_client", "sync")
        return SHARED.client()

    def _ahttp(self) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        if self.http_async_client:
            return nullcontext(_open(self.http_async_client))
        _refuse_half(self.http_client, "http_async_client", "async")
        return SHARED.async_client()

    def _key(self) -> str:
        key = self._given_key()
        if not isawaitable(key):
            return _checked(key)
        if isinstance(key, Coroutine):
            key.close()
        raise RouterInputError("api_key: an async function cannot serve sync calls; use ainvoke")

    async def _akey(self) -> str:
        key = self._given_key()
        return _checked(await key if isawaitable(key) else key)

    def _given_key(self) -> object:
        if callable(self.api_key):
            return self.api_key()
        return self.api_key.get_secret_value() if self.api_key else ""


class ClientValues(TypedDict, total=False):
    """What ``RouterClient`` accepts: the key also as plain text, the controls as a dict."""

    api_key: str | ApiKey | None
    base_url: str
    allow_insecure: bool
    timeout: float | None
    max_retries: int
    default_headers: Mapping[str, str]
    default_query: Mapping[str, str]
    controls: RouterControls | ControlValues
    http_client: httpx.Client | None
    http_async_client: httpx.AsyncClient | None


def _refuse_half(other: object, missing: str, verbs: str) -> None:
    """Who injects one client means all calls to go through it; the network is no stand-in."""
    if other is not None:
        raise RouterInputError(f"{missing}: needed for {verbs} calls, since the other was given")


def _open(http: AnyClient) -> AnyClient:
    if http.is_closed:
        raise RouterInputError("http_client: the httpx client given is closed; give an open one")
    return http


def _warn_of_circles(model: object, controls: RouterControls) -> None:
    if any(fallback.model == model for fallback in controls.fallbacks or ()):
        warnings.warn(
            f"fallbacks: {model} falls back to itself; use retry to ask a model again",
            stacklevel=6,
        )


def _checked(key: object) -> str:
    """A key fit for a header; also those from functions and from the environment of a pickle."""
    try:
        return checked_key(key)
    except ValueError as error:
        raise input_error(error) from None

"""`RouterClient`, through which all integrations send their calls to the router."""

from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import islice
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx
from pydantic import ConfigDict, Field, InstanceOf, PrivateAttr, model_validator
from typing_extensions import AsyncGenerator, Generator

from orq_router_integrations._http.async_generators import ScopedAsyncGenerator
from orq_router_integrations._http.auth import get_account_id
from orq_router_integrations._http.client_state import ClientState
from orq_router_integrations._http.http_clients import AsyncHttpClient, SyncHttpClient
from orq_router_integrations._http.pace import Pace
from orq_router_integrations.errors import RouterInputError, raise_input_errors, to_input_error
from orq_router_integrations.settings import RouterSettings, validate_api_key
from orq_router_integrations.wire.controls import RouterControls, RouterControlsDict
from orq_router_integrations.wire.deferred_model import CoercedField, optional
from orq_router_integrations.wire.endpoints import MODEL_CATALOG, Dialect, get_root_url

if TYPE_CHECKING:  # imported by the first call
    from orq_router_integrations._http.exchange import Exchange
    from orq_router_integrations._http.retry import RetryPolicy
    from orq_router_integrations.wire.call import Call, Query, StreamCall
    from orq_router_integrations.wire.models import CatalogModel, EnabledModel

T = TypeVar("T")


class RouterClient(RouterSettings):
    """Sends calls to the AI Router and returns the parsed responses.

    A client is immutable, cheap to create, and safe to share between threads, event loops and
    forked processes. It opens no connection before the first call. All clients of a process share
    their connections.

    Use it as a context manager (``with`` or ``async with``), or call ``close`` or ``aclose``, to
    close these connections when no other client needs them. This is optional: they are also closed
    when the process or the event loop ends. Calls in progress finish first, and a closed client can
    still be used; its next call opens new connections. Your own httpx clients are never closed.

    A pickled client contains neither the API key nor the default headers and query. A client with
    its own httpx clients cannot be pickled.

    Raises:
        pydantic.ValidationError: A setting is invalid, or the API key is missing.

    >>> client = RouterClient(api_key="sk-orq-example", controls={"retry": {"count": 1}})
    >>> client.base_url
    'https://api.orq.ai/v3/router'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    controls: CoercedField[RouterControls | RouterControlsDict, RouterControls] = Field(
        default_factory=RouterControls,  # type: ignore[arg-type] # see CoercedField
        description="Router controls (such as retries and fallbacks) for every call. A "
        "control that an endpoint does not support is omitted there, except `guardrails` and "
        "`plugins`, which raise an error.",
    )
    http_client: SyncHttpClient = optional(
        "Your own `httpx.Client` or `httpx2.Client` for sync calls, to set proxies, TLS or a "
        "transport. You have to close it. By default, the package's own connections are used.",
        repr=False,
        exclude=True,
    )
    http_async_client: AsyncHttpClient = optional(
        "Your own `httpx.AsyncClient` or `httpx2.AsyncClient` for the async calls of one event "
        "loop. If only one of the two clients is given, calls of the other kind raise an error.",
        repr=False,
        exclude=True,
    )
    trace_calls: bool = Field(
        default=False,
        description="Record each call and its attempts as OpenTelemetry spans, without prompts and "
        "answers. Requires the extra `otel`",
    )
    pace: InstanceOf[Pace] | None = optional(
        "Maximum rate of requests, such as `Pace(600, per=60)`. Without it, calls only wait "
        "after a response that says when to retry",
        exclude=True,
    )

    _state: ClientState = PrivateAttr(default_factory=ClientState)
    _rate_limiter: Any = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _validate_settings(self) -> Self:
        if self.api_key is None:
            validate_api_key("")
        try:
            _ = self._build_url("").host
        except (httpx.InvalidURL, UnicodeError) as error:
            message = f"base_url and default_query do not form a valid URL: {error}"
            raise ValueError(message) from None
        return self

    def send(self, call: "Call[T]") -> T:
        """Send a call and return its parsed response.

        Args:
            call: The call to send.

        Raises:
            RouterError: The call failed; see ``errors`` for the subclasses.
        """
        (result,) = self._iter_results(call)  # also runs the generator to its end
        return result

    async def asend(self, call: "Call[T]") -> T:
        """Send a call and return its parsed response; see ``send``."""
        (result,) = [result async for result in self._aiter_results(call)]
        return result

    def stream(self, call: "StreamCall[T]") -> Generator[T]:
        """Send a call and yield its items as they arrive.

        The call is retried only until its first item has arrived. Close the iterator to stop
        early.

        Args:
            call: The call to send.

        Raises:
            RouterError: The call failed. If the stream was interrupted, ``partial`` contains the
                text received and ``received`` the number of bytes.
        """
        return self._iter_results(call)

    def astream(self, call: "StreamCall[T]") -> AsyncGenerator[T]:
        """Send a call and yield its items as they arrive; see ``stream``."""
        return self._aiter_results(call)

    def list_models(self) -> "list[EnabledModel]":
        """List the models that are enabled in the workspace, without their capabilities.

        Raises:
            RouterError: The call failed.

        >>> from orq_router_integrations.testing import OfflineRouter
        >>> [model.id for model in OfflineRouter(models=["openai/gpt-4o"]).client().list_models()]
        ['openai/gpt-4o']
        """
        from orq_router_integrations.wire.models import build_list_call  # noqa: PLC0415

        return self.send(build_list_call())

    async def alist_models(self) -> "list[EnabledModel]":
        """List the models that are enabled in the workspace; see ``list_models``."""
        from orq_router_integrations.wire.models import build_list_call  # noqa: PLC0415

        return await self.asend(build_list_call())

    def list_catalog_models(self, **filters: str | Sequence[str]) -> "list[CatalogModel]":
        """List the models of the catalog: their modalities, features, context size and prices.

        The catalog contains all models that the platform offers. ``list_models`` returns those that
        are enabled in the workspace.

        Args:
            filters: Return only entries that match: ``provider``, ``endpoint``,
                ``input_modality``, ``output_modality``, ``feature``, ``supported_parameter``,
                ``location``, ``tier``, ``offering_of`` or ``search``. A list matches entries with
                any of its values.

        Raises:
            RouterInputError: A filter is unknown, or neither a str nor a list of str.
            RouterError: A call failed.

        >>> from orq_router_integrations.testing import OfflineRouter
        >>> [model] = OfflineRouter().client().list_catalog_models(search="gpt-4o-mini")
        >>> model.context_window, model.supports("tool_calling")
        (128000, True)
        """
        return self.send(_build_catalog_call(filters))

    async def alist_catalog_models(self, **filters: str | Sequence[str]) -> "list[CatalogModel]":
        """List the models of the catalog; see ``list_catalog_models``."""
        return await self.asend(_build_catalog_call(filters))

    def fingerprint(self) -> str:
        """Return a digest of everything that can make the responses of two clients differ.

        It is meant for cache keys and covers the URL of the router, the account, the default
        headers and query, and the controls. A sync ``api_key`` function is called. An async one
        cannot be called here, so the fingerprint is different each time.

        Raises:
            RouterInputError: The ``api_key`` function returns an invalid key.
        """
        headers = sorted((name.lower(), value) for name, value in self.default_headers.items())
        query = sorted(self.default_query.items())
        controls = self.controls.model_dump_json(exclude_none=True)
        parts = (self.base_url, get_account_id(self.api_key), headers, query, controls)
        return blake2b(repr(parts).encode(), digest_size=32).hexdigest()

    def close(self) -> None:
        """Close the connections for sync calls, unless another open client has used them.

        Connections in use are closed when their call ends. The next call opens new ones.
        """
        from orq_router_integrations._http.pool import POOL_REGISTRY  # noqa: PLC0415

        POOL_REGISTRY.close(self)

    async def aclose(self) -> None:
        """Close the connections of the running event loop; see ``close``."""
        from orq_router_integrations._http.pool import POOL_REGISTRY  # noqa: PLC0415

        await POOL_REGISTRY.aclose(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self  # a client is immutable

    def __getstate__(self) -> dict[Any, Any]:
        if self.http_client or self.http_async_client:
            raise PicklingError(
                "A RouterClient with http_client or http_async_client cannot be pickled. "
                "Create the client in the process that uses it."
            )
        return super().__getstate__()

    @property
    def dialect(self) -> Dialect:
        """API version in ``base_url``, which determines where the router reads controls."""
        return Dialect.from_base_url(self.base_url)

    def _build_url(
        self, path: str, *, below_root: bool = False, query: "Query | None" = None
    ) -> httpx.URL:
        """Build the URL of a path, which starts at ``base_url`` or at the root of the platform."""
        base_url = get_root_url(self.base_url) if below_root else self.base_url
        return _create_url(base_url + path, (*self.default_query.items(), *(query or {}).items()))

    def _start_call(self, call: "Call[T] | StreamCall[T]") -> "RetryPolicy":
        """Encode a call, start its deadline, and return the policy that runs its attempts."""
        from orq_router_integrations._http.exchange import Exchange  # noqa: PLC0415
        from orq_router_integrations._http.retry import RetryPolicy  # noqa: PLC0415
        from orq_router_integrations.wire.request_encoding import encode_request  # noqa: PLC0415

        endpoint = call.endpoint
        try:
            encoded = encode_request(call, self.dialect, self.controls)
        except ValueError as error:
            raise to_input_error(error, endpoint=endpoint.path) from None
        exchange = Exchange(
            call=call,
            encoded=encoded,
            url=self._build_url(encoded.path, below_root=endpoint.below_root, query=call.query),
            settings=self,
            state=self._get_private("_state"),
            pace=self.pace,
        )
        if self.trace_calls:
            from orq_router_integrations._http.telemetry import CallSpan  # noqa: PLC0415

            exchange.span = CallSpan(exchange.url, endpoint, call.body)
        return RetryPolicy(exchange)

    def _get_private(self, name: str) -> Any:
        # Reading the private attribute itself takes 3 microseconds longer.
        return (self.__pydantic_private__ or {})[name]

    def with_rate_limiter(self, rate_limiter: Any) -> Self:
        """Return a copy that waits for a LangChain rate limiter before every call."""
        client = self.model_copy()
        client._rate_limiter = rate_limiter  # noqa: SLF001 - of the same class
        return client

    def _iter_results(self, call: "Call[T] | StreamCall[T]") -> Generator[T]:
        """Yield the items of a stream, or the single result of any other call."""
        if rate_limiter := self._get_private("_rate_limiter"):
            rate_limiter.acquire(blocking=True)
        policy = self._start_call(call)
        with policy.exchange.span or nullcontext():
            first, items = policy.run(self._open)  # retries until the first item has arrived
            with closing(items):
                yield from first
                yield from items

    async def _aiter_results(self, call: "Call[T] | StreamCall[T]") -> AsyncGenerator[T]:
        if rate_limiter := self._get_private("_rate_limiter"):
            await rate_limiter.aacquire(blocking=True)
        policy = self._start_call(call)
        with policy.exchange.span or nullcontext():
            first, items = await policy.arun(self._aopen)
            async with items:
                for item in first:
                    yield item
                async for item in items:
                    yield item

    def _open(self, exchange: "Exchange[T]") -> tuple[tuple[T, ...], Generator[T]]:
        """Start an attempt; return a tuple with its first item (empty if none), and the others."""
        items = self._iter_items(exchange)
        return tuple(islice(items, 1)), items

    async def _aopen(
        self, exchange: "Exchange[T]"
    ) -> tuple[tuple[T, ...], ScopedAsyncGenerator[T]]:
        items = ScopedAsyncGenerator(self._aiter_items(exchange))
        async for item in items:
            return (item,), items
        return (), items

    def _iter_items(self, exchange: "Exchange[T]") -> Generator[T]:
        with exchange:
            try:
                if self.pace or exchange.state.pacer:
                    exchange.pacer.wait_for_turn(exchange.deadline)
                with self._get_sender(is_async=False)(exchange) as chunks:
                    for chunk in chunks:
                        yield from exchange.feed(chunk)
                        if exchange.done:
                            return
                    yield from exchange.finish()
            except Exception as error:
                from orq_router_integrations._http import error_mapping  # noqa: PLC0415

                error_mapping.raise_router_error(error, exchange)
                raise

    async def _aiter_items(self, exchange: "Exchange[T]") -> AsyncGenerator[T]:
        with exchange:
            try:
                if self.pace or exchange.state.pacer:
                    await exchange.pacer.await_turn(exchange.deadline)
                async with self._get_sender(is_async=True)(exchange) as chunks:
                    async for chunk in chunks:
                        for item in exchange.feed(chunk):
                            yield item
                        if exchange.done:
                            return
                    for item in exchange.finish():
                        yield item
            except Exception as error:
                from orq_router_integrations._http import error_mapping  # noqa: PLC0415

                error_mapping.raise_router_error(error, exchange)
                raise

    def _get_sender(self, *, is_async: bool) -> Any:
        """Return the function that sends a request, which uses the caller's httpx client if set."""
        names = ("http_async_client", "http_client")
        name, other_name = names if is_async else reversed(names)
        if client := getattr(self, name):
            from orq_router_integrations._http import client_sender  # noqa: PLC0415

            if client.is_closed:
                raise RouterInputError(f"{name} is closed. Pass an open httpx client.")
            send = client_sender.BackgroundReader if is_async else client_sender.send_over_client
            return partial(send, client)
        if getattr(self, other_name):
            message = f"This call needs {name}, but only {other_name} was passed. Pass both."
            raise RouterInputError(message)
        from orq_router_integrations._http.pool import POOL_REGISTRY  # noqa: PLC0415

        return POOL_REGISTRY.get_pool(self, is_async=is_async).send


def _build_catalog_call(filters: Mapping[str, str | Sequence[str]]) -> "Call[list[CatalogModel]]":
    from orq_router_integrations.wire.models import build_catalog_call  # noqa: PLC0415

    with raise_input_errors(MODEL_CATALOG.path):
        return build_catalog_call(filters)


@lru_cache(maxsize=64)
def _create_url(url: str, query: tuple[tuple[str, str | tuple[str, ...]], ...]) -> httpx.URL:
    return httpx.URL(url, params=dict(query) or None)

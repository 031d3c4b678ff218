"""The only door to the network: four verbs over one set of settings."""

from collections.abc import Mapping
from contextlib import closing
from functools import lru_cache
from hashlib import blake2b
from pickle import PicklingError
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx
from pydantic import ConfigDict, Field, PrivateAttr, model_validator
from typing_extensions import AsyncGenerator, Generator, TypedDict, Unpack

from orq_router_integrations._http.auth import get_account_id
from orq_router_integrations._http.lazily import LazyModule
from orq_router_integrations._http.retry import RetryBudget
from orq_router_integrations.settings import ApiKey, RouterSettings, validate_api_key
from orq_router_integrations.wire.controls import RouterControls, RouterControlsDict
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.suggestions import reject_unknown_fields

if TYPE_CHECKING:
    from orq_router_integrations._http import delivery
    from orq_router_integrations._http import registry as shared
    from orq_router_integrations.wire.call import Call, StreamCall
else:
    delivery = LazyModule("orq_router_integrations._http.delivery")
    shared = LazyModule("orq_router_integrations._http.registry")

T = TypeVar("T")


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

    controls: RouterControls = Field(default_factory=RouterControls)
    http_client: httpx.Client | None = Field(default=None, repr=False, exclude=True)
    http_async_client: httpx.AsyncClient | None = Field(default=None, repr=False, exclude=True)

    _quota: RetryBudget = PrivateAttr(default_factory=RetryBudget)

    if TYPE_CHECKING:  # the validators accept more than the fields hold

        def __init__(self, **values: Unpack["ClientValues"]) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _known_keywords(cls, data: Any) -> Any:
        return reject_unknown_fields(cls, data)

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if self.api_key is None:
            validate_api_key("")
        try:
            _ = _address(self.base_url, ()).host
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ValueError(f"base_url: {error}") from None
        try:
            self.build_url("")
        except (httpx.InvalidURL, UnicodeError) as error:
            raise ValueError(f"default_query: {error}") from None
        return self

    def send(self, call: "Call[T]") -> T:
        """Send a call and return its parsed answer.

        Raises:
            RouterError: see ``errors`` for the tree.
        """
        return self._delivery(call).send()

    async def asend(self, call: "Call[T]") -> T:
        """Send a call and return its parsed answer; see ``send``."""
        return await self._delivery(call).asend()

    def stream(self, call: "StreamCall[T]") -> Generator[T]:
        """Send a call and yield its items as they arrive.

        Repeated only as long as no item has arrived. Close the iterator to stop early.

        Raises:
            RouterError: see ``errors``; ``partial`` has the text received of a broken stream,
                ``received`` says how many bytes arrived.
        """
        items, first = self._delivery(call).open_stream()
        with closing(items):
            yield from first
            yield from items

    async def astream(self, call: "StreamCall[T]") -> AsyncGenerator[T]:
        """Send a call and yield its items as they arrive; see ``stream``."""
        items, first = await self._delivery(call).aopen_stream()
        async with items:
            for item in first:
                yield item
            async for item in items:
                yield item

    def fingerprint(self) -> str:
        """What tells clients apart whose answers may differ, for keys of caches.

        A digest of the router's URL, the account, the headers and query of every request, and the
        controls. A function for a key is called. An async one cannot be: with it the fingerprint
        is another one each time, so that nothing is shared by accident.

        Raises:
            RouterInputError: the function gives no key that fits into a header.
        """
        headers = sorted((name.lower(), value) for name, value in self.default_headers.items())
        query = sorted(self.default_query.items())
        controls = self.controls.model_dump_json(exclude_none=True)
        told = (self.base_url, get_account_id(self.api_key), headers, query, controls)
        return blake2b(repr(told).encode(), digest_size=32).hexdigest()

    def close(self) -> None:
        """Close the process's shared connections for sync calls, once no call uses them.

        The next call opens new ones. Injected clients are yours to close.
        """
        shared.SENDER_REGISTRY.close()

    async def aclose(self) -> None:
        """Close the running event loop's shared connections; see ``close``."""
        await shared.SENDER_REGISTRY.aclose()

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
        return Dialect.from_base_url(self.base_url)

    @property
    def retry_budget(self) -> RetryBudget:
        """What the retries of all calls may cost together."""
        private = self.__pydantic_private__ or {}  # ``self._quota`` takes pydantic 2 us to find
        found: RetryBudget = private["_quota"]
        return found

    def build_url(self, path: str) -> httpx.URL:
        """Where an endpoint is."""
        return _address(self.base_url + path, tuple(self.default_query.items()))

    def _delivery(self, call: "Call[T] | StreamCall[T]") -> "delivery.CallExecution[T]":
        return delivery.CallExecution(self, call)


@lru_cache(maxsize=64)
def _address(url: str, query: tuple[tuple[str, str], ...]) -> httpx.URL:
    return httpx.URL(url, params=dict(query) or None)


class ClientValues(TypedDict, total=False):
    """What ``RouterClient`` accepts: the key also as plain text, the controls as a dict."""

    api_key: str | ApiKey | None
    base_url: str
    allow_insecure: bool
    timeout: float | None
    deadline: float | None
    stream_chunk_timeout: float
    max_retries: int
    default_headers: Mapping[str, str]
    default_query: Mapping[str, str]
    controls: RouterControls | RouterControlsDict
    http_client: httpx.Client | None
    http_async_client: httpx.AsyncClient | None

"""The base class of everything that calls the router."""

from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from functools import cache
from operator import attrgetter
from pickle import PicklingError
from typing import Any, ClassVar, Self

from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter
from pydantic import ConfigDict, PrivateAttr, ValidationError, field_validator, model_validator

from orq_router_integrations.client import RouterClient
from orq_router_integrations.errors import format_validation_error
from orq_router_integrations.settings import CONNECTION_HINTS, RouterSettings
from orq_router_integrations.wire.call import IDEMPOTENCY_SEED
from orq_router_integrations.wire.controls import RouterControls, RouterControlsDict
from orq_router_integrations.wire.deferred_model import CoercedField, optional
from orq_router_integrations.wire.model_names import ModelCandidates

ARGUMENT_HINTS = {
    **CONNECTION_HINTS,
    "model_name": "model",
    **{
        name: f"client=RouterClient({name}=...)"
        for name in ("http_client", "http_async_client", "pace", "trace_calls")
    },
}
"""Replacements for arguments that all integrations reject."""

INTEGRATION_CONFIG = ConfigDict(
    arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True
)
"""Set by every integration, because LangChain's base classes override it."""

_get_empty_controls = cache(RouterControls)  # immutable, so that one instance is enough
_get_settings = attrgetter(*RouterSettings.model_fields)


class CacheClaims:
    """Keys that cache lookups have claimed during one call; leaving the block releases them.

    A lookup in a ``ResultStore`` that finds nothing claims the key, so that other workers wait for
    the answer instead of requesting it too.

    Attributes:
        releases: For each claimed key, the function that releases it.
    """

    def __init__(self) -> None:
        self.releases: dict[str, Callable[[], None]] = {}
        self._is_open = True

    def add(self, key: str, release: Callable[[], None]) -> None:
        """Add a claim, or release it right away if the call has ended."""
        self.releases[key] = release
        if not self._is_open:
            release()

    def __enter__(self) -> None:
        seed = IDEMPOTENCY_SEED.get()
        self._tokens = CACHE_CLAIMS.set(self), IDEMPOTENCY_SEED.set(seed)  # a lookup may change it

    def __exit__(self, *_: object) -> None:
        CACHE_CLAIMS.reset(self._tokens[0])
        IDEMPOTENCY_SEED.reset(self._tokens[1])
        self._is_open = False
        for release in list(self.releases.values()):  # a thread may still add one
            release()


CACHE_CLAIMS: ContextVar[CacheClaims | None] = ContextVar("cache_claims", default=None)
"""The claims of the current call of a chat model."""


def merge_extra_body(
    body: Mapping[str, Any], extra_body: Mapping[str, Any], *, reserved: Iterable[str] = ()
) -> dict[str, Any]:
    """Add fields to a request body; raise ``ValueError`` for fields that are set another way.

    ``reserved`` names fields that are added to the body later.
    """
    if conflicts := {*body, *reserved, "orq", *RouterControls.model_fields} & extra_body.keys():
        raise ValueError(
            f"'extra_body' must not contain {min(conflicts)!r}, which is set elsewhere. "
            "Remove it, or use its own argument ('controls' for router controls)."
        )
    return {**body, **extra_body}


class RouterIntegration(RouterSettings):
    """Base of the LangChain components that call the router."""

    argument_hints: ClassVar[Mapping[str, str]] = ARGUMENT_HINTS
    waits_for_rate_limiter: ClassVar[bool] = True
    """Whether this package applies ``rate_limiter``, rather than a base class from LangChain."""

    controls: CoercedField[RouterControls | RouterControlsDict | None, RouterControls | None] = (
        optional(
            "Router controls for every call: `RouterControls`, or a dict such as `{'fallbacks': "
            "[...]}`. Controls passed to a single call take precedence, field by field"
        )
    )
    client: RouterClient | None = optional(
        "A `RouterClient` to send the calls with. Its settings replace `api_key`, `base_url` and "
        "the other connection settings",
        exclude=True,
        repr=False,
    )
    rate_limiter: BaseRateLimiter | None = optional(
        "A LangChain rate limiter that every call of this object waits for, but not its retries",
        exclude=True,
        repr=False,
    )

    _own_client: RouterClient | None = PrivateAttr(default=None)

    @field_validator("client", mode="before")
    @classmethod
    def _reject_other_clients(cls, value: Any) -> Any:
        if isinstance(value, RouterClient | dict | None):
            return value
        raise ValueError(
            f"Expected a RouterClient, got {type(value).__name__}. Pass the .client() of an "
            "OfflineRouter, or RouterClient(http_client=...) to use an httpx client."
        )

    @model_validator(mode="after")
    def _apply_client_settings(self) -> Self:
        if self.client is not None:
            settings = self.client.get_settings()
            for name in self.model_fields_set & settings.keys():
                if getattr(self, name) not in (None, settings[name]):
                    raise ValueError(
                        f"{name!r} conflicts with client=. Set it on the RouterClient, "
                        "or leave out client=."
                    )
            vars(self).update(settings)
        _ = self.resolved_client  # reports invalid settings now instead of at the first call
        return self

    @classmethod
    def _coerce_assigned(cls, name: str, value: Any) -> Any:
        if name == "controls" and value is not None:
            return RouterControls.model_validate(value)
        return super()._coerce_assigned(name, value)

    @property
    def resolved_client(self) -> RouterClient:
        """The client that sends the calls: the one passed as ``client``, or a new one."""
        # Reading the private attribute itself takes 3 microseconds longer.
        own_client = (self.__pydantic_private__ or {}).get("_own_client")
        if own_client and _get_settings(own_client) != _get_settings(self):
            own_client = None  # fields were assigned
        client = self.client or own_client
        if client is None:
            client = self._own_client = RouterClient(**self.get_settings())
        if self.rate_limiter is not None and self.waits_for_rate_limiter:
            return client.with_rate_limiter(self.rate_limiter)
        return client

    def __getstate__(self) -> dict[Any, Any]:
        if isinstance(self.rate_limiter, InMemoryRateLimiter):
            raise PicklingError(
                "InMemoryRateLimiter counts the requests of one process and cannot be pickled. "
                "Pickle model_copy(update={'rate_limiter': None}), and set one in each process."
            )
        state = super().__getstate__()
        private = {**(state["__pydantic_private__"] or {}), "_own_client": None}
        return {**state, "__pydantic_private__": private}

    def _describe_omitted_settings(self) -> list[str]:
        return [] if self.client is not None else super()._describe_omitted_settings()

    def __setstate__(self, state: dict[Any, Any]) -> None:
        client = state["__dict__"]["client"]
        if client is not None:  # an offline client is pickled with its key, this object without
            state = {**state, "__dict__": {**state["__dict__"], **client.get_settings()}}
        super().__setstate__(state)
        _ = self.resolved_client  # creates a client again, because none is pickled

    def merge_controls(self, overrides: Any = None) -> RouterControls:
        """Merge the controls of a single call into those of this object, field by field.

        Raises ``ValueError`` if a control is unknown or out of range.
        """
        controls = self.controls or _get_empty_controls()
        if overrides is None:
            return controls
        try:
            return controls.merge(RouterControls.model_validate(overrides))
        except ValidationError as error:
            raise ValueError(format_validation_error(error, prefix="controls.")) from None

    def collect_candidates(self, model: str, controls: RouterControls) -> ModelCandidates:
        """Collect the models that may answer a call, also according to the client's controls."""
        return ModelCandidates.from_controls(model, self.resolved_client.controls.merge(controls))

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        """Show the arguments that were passed and differ from their defaults, ``model`` first."""
        names = self.model_fields_set - {"profile", "metadata"}  # LangChain fills these in
        shown = [item for item in super().__repr_args__() if item[0] in names]
        return sorted(shown, key=lambda item: item[0] != "model")

"""The router's controls as typed values: what the router does on its side of a call.

Every limit is the contract's (section 4). Where a control goes on the wire is not known here:
see ``placement``.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict, Unpack

from orq_router_integrations.wire import json
from orq_router_integrations.wire.deferred_model import DeferredModel
from orq_router_integrations.wire.suggestions import reject_unknown_nested_fields

DEFAULT_RETRY_STATUSES = (408, 429, 500, 502, 503, 504, 529)
"""Statuses that the router retries and falls back on when it is not told otherwise."""


def _no_text(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(f"give a list of models, such as [{value!r:.60}]")
    return value


def _provider_model(value: str) -> str:
    provider, slash, name = value.partition("/")
    if not (provider and slash and name) or " " in value or not value.isprintable():
        raise ValueError(f"must be 'provider/model', such as 'openai/gpt-4o', not {value!r}")
    return value


def _at_least_one(models: tuple[Any, ...]) -> tuple[Any, ...]:
    if not models:
        raise ValueError("names no model")
    return models


def _unique(codes: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(codes)) != len(codes):
        raise ValueError("names a status twice")
    return codes


def _json(value: dict[str, Any]) -> dict[str, Any]:
    json.dumps(value)
    return value


def _as(member: str) -> BeforeValidator:
    """Accept a bare string for an object that needs only ``member``."""
    return BeforeValidator(lambda value: {member: value} if isinstance(value, str) else value)


ModelId = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_provider_model)]
"""A model id as the router wants it: the provider, a slash, the provider's name of the model."""

JsonMapping = Mapping[str, Any]
JsonObject = Annotated[dict[str, Any], AfterValidator(_json)]
NonEmptyStr = Annotated[str, StringConstraints(min_length=1)]
RetriedStatus = Annotated[int, Field(strict=True, ge=100, le=599)]
FailedStatus = Annotated[int, Field(strict=True, ge=400, le=599)]
Share = Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MetadataValue = Annotated[str, StringConstraints(strict=True, max_length=512)]


class Control(DeferredModel):
    """Base of all controls: immutable, and nothing in it that the router does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    example: ClassVar[str] = "{'model': 'openai/gpt-4o'}"
    """What may be given, shown to whoever gives something else."""

    @model_validator(mode="before")
    @classmethod
    def _known_members(cls, data: Any) -> Any:
        if not isinstance(data, Mapping | Control):
            told = "give an object such as {example}"
            raise PydanticCustomError("control", told, {"example": cls.example})
        return reject_unknown_nested_fields(cls, data)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [(name, value) for name, value in super().__repr_args__() if value is not None]

    def to_wire(self) -> dict[str, Any]:
        """The members that go on the wire."""
        return self.model_dump(exclude_none=True)


class Fallback(Control):
    """A model to ask when the one before it has failed."""

    model: ModelId


class RouterRetry(Control):
    """How often the router itself asks a model again.

    Attributes:
        count: retries per model. 0 (never) only on the Responses API.
        on_codes: statuses to retry on, sent explicitly because the router's own default differs
            between its endpoints.
    """

    example: ClassVar[str] = "{'count': 2}"

    count: int = Field(default=2, strict=True, ge=0, le=5)
    on_codes: tuple[RetriedStatus, ...] = Field(default=DEFAULT_RETRY_STATUSES, min_length=1)


class WeightedModel(Control):
    """A model in a load balancer; weights are relative and need not sum to 1."""

    model: ModelId
    weight: float = Field(default=0.5, strict=True, ge=0.001, le=1, allow_inf_nan=False)


class LoadBalancer(Control):
    """Models to spread requests over. The router then ignores the request's own model.

    Attributes:
        type: other values than ``weight_based`` only on the Responses API.
        models: at least one.
    """

    example: ClassVar[str] = "{'models': ['openai/gpt-4o', 'anthropic/claude-sonnet-4-5']}"

    type: Literal["weight_based", "round_robin", "latency_based"] = "weight_based"
    models: Annotated[
        tuple[Annotated[WeightedModel, _as("model")], ...], AfterValidator(_at_least_one)
    ]


class RouterCache(Control):
    """Exact-match cache in the router; any difference in the request is another entry.

    Attributes:
        ttl: seconds to keep an answer, up to three days.
    """

    example: ClassVar[str] = "{'ttl': 3600}"

    type: Literal["exact_match"] = "exact_match"
    ttl: int = Field(default=3600, strict=True, ge=1, le=259_200)


class RouterTimeout(Control):
    """How long the router waits for a provider.

    Attributes:
        call_timeout: milliseconds for one provider call; each retry and fallback has its own.
    """

    example: ClassVar[str] = "{'call_timeout': 30_000}"

    call_timeout: int = Field(strict=True, ge=1)


class Identity(Control):
    """On whose behalf a request is made; created by the router if it does not exist."""

    example: ClassVar[str] = "{'id': 'user-17'}"

    id: NonEmptyStr
    display_name: str | None = None
    email: str | None = None
    metadata: tuple[JsonObject, ...] | None = None
    logo_url: str | None = None
    tags: tuple[str, ...] | None = None

    @field_validator("metadata", mode="before")
    @classmethod
    def _one_object_is_a_list_of_one(cls, value: Any) -> Any:
        return [value] if isinstance(value, Mapping) else value


class Thread(Control):
    """Groups the traces of a conversation; the router stores no messages."""

    example: ClassVar[str] = "{'id': 'conversation-4'}"

    id: NonEmptyStr
    tags: tuple[str, ...] | None = None


class Guardrail(Control):
    """A check on what goes in or comes out; a block is a ``GuardrailError``.

    ``execute_on="both"`` and the members after it exist on the Responses API only, where the
    router was seen to accept guardrails without enforcing them. Output guardrails do not run on
    streams.
    """

    example: ClassVar[str] = "{'id': 'my-guardrail', 'execute_on': 'input'}"

    id: NonEmptyStr
    execute_on: Literal["input", "output", "both"]
    is_guardrail: Annotated[bool, Field(strict=True)] | None = None
    options: JsonObject | None = None
    sample_rate: Share | None = None
    timeout: Annotated[int, Field(strict=True, ge=1000, le=600_000)] | None = None


class PiiRedaction(Control):
    """Replaces personal data before the provider sees it.

    Without ``entities`` and ``regions`` the redaction is the widest there is.
    """

    id: Literal["pii_redaction"] = "pii_redaction"
    language: str | None = None
    regions: tuple[str, ...] | None = None
    entities: tuple[str, ...] | None = None
    entity_thresholds: dict[str, Share] | None = None
    threshold: Share | None = None
    on_failure: Literal["block", "passthrough"] | None = None


class ResponseHealing(Control):
    """Repairs malformed JSON in answers that are not streamed."""

    id: Literal["response_healing"] = "response_healing"


class TraceScrubbing(Control):
    """Keeps parts of the call out of the router's traces."""

    id: Literal["trace_scrubbing"] = "trace_scrubbing"
    mask: tuple[Literal["all", "system", "input", "output", "metadata", "variables"], ...] = Field(
        min_length=1
    )


Plugin = Annotated[PiiRedaction | ResponseHealing | TraceScrubbing, Field(discriminator="id")]


class RouterControls(Control):
    """Everything the router can be asked to do beside answering.

    Plain values are accepted and validated: ``fallbacks=["openai/gpt-4o-mini"]``,
    ``identity="user-17"``, ``retry={"count": 2}``. Not every endpoint takes every control; a
    call that cannot carry one is refused before it is sent.

    Attributes:
        fallbacks: models to ask in turn once the first one, with its retries, has failed.
        fallback_on_codes: statuses that trigger a fallback; empty means the router's default.
        retry: retries in the router, per model.
        load_balancer: models to spread requests over.
        cache: exact-match cache in the router.
        timeout: the router's patience with a provider.
        name: display name of the trace.
        identity: on whose behalf; a header carries the id where the body has no place.
        thread: groups traces.
        metadata: up to 16 pairs of text for the trace; headers carry them where the body has
            no place.
        guardrails: checks on input and output.
        plugins: transforms of the text.
        variables: values for ``{{name}}`` in messages.

    >>> RouterControls(fallbacks=["anthropic/claude-sonnet-4-5"]).fallbacks
    (Fallback(model='anthropic/claude-sonnet-4-5'),)
    >>> RouterControls(retry={"count": 1}, cache={"ttl": 60}, identity="user-17").cache
    RouterCache(type='exact_match', ttl=60)
    """

    example: ClassVar[str] = "{'retry': {'count': 2}}"

    fallbacks: (
        Annotated[tuple[Annotated[Fallback, _as("model")], ...], BeforeValidator(_no_text)] | None
    ) = None
    fallback_on_codes: (
        Annotated[tuple[FailedStatus, ...], AfterValidator(_unique), Field(max_length=20)] | None
    ) = None
    retry: RouterRetry | None = None
    load_balancer: LoadBalancer | None = None
    cache: RouterCache | None = None
    timeout: RouterTimeout | None = None
    name: NonEmptyStr | None = None
    identity: Annotated[Identity, _as("id")] | None = None
    thread: Annotated[Thread, _as("id")] | None = None
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)] | None = None
    guardrails: tuple[Guardrail, ...] | None = None
    plugins: tuple[Annotated[Plugin, _as("id")], ...] | None = None
    variables: JsonObject | None = None

    if TYPE_CHECKING:  # the validators accept more than the fields hold

        def __init__(self, **values: Unpack["RouterControlsDict"]) -> None: ...

    def merge(self, overrides: "RouterControls | None") -> "RouterControls":
        """These controls with the set fields of ``over`` on top; ``None`` there takes one away."""
        if overrides is None or not overrides.model_fields_set:
            return self
        return self.model_copy(
            update={name: getattr(overrides, name) for name in overrides.model_fields_set}
        )

    @property
    def has_router_retries(self) -> bool:
        """Whether the router itself is asked to try more than once."""
        return bool(self.fallbacks or (self.retry and self.retry.count))

    @property
    def worst_case_seconds(self) -> float | None:
        """The longest the router may take: every model, every try, the pauses between tries.

        ``None`` where no ``timeout`` bounds a provider call. The pauses are those the router
        documents: 1, 2, 4, 8, 16 seconds, each a quarter more at worst.
        """
        if self.timeout is None:
            return None
        retries = self.retry.count if self.retry else 2
        pauses = 1.25 * (2.0**retries - 1)
        models = 1 + len(self.fallbacks or ())
        return models * (self.timeout.call_timeout / 1000 * (1 + retries) + pauses)


class RouterControlsDict(TypedDict, total=False):
    """What ``RouterControls`` accepts: also bare model ids, and dicts for its parts."""

    fallbacks: Sequence[str | Fallback | JsonMapping] | None
    fallback_on_codes: Sequence[int] | None
    retry: RouterRetry | JsonMapping | None
    load_balancer: LoadBalancer | JsonMapping | None
    cache: RouterCache | JsonMapping | None
    timeout: RouterTimeout | JsonMapping | None
    name: str | None
    identity: str | Identity | JsonMapping | None
    thread: str | Thread | JsonMapping | None
    metadata: Mapping[str, str] | None
    guardrails: Sequence[Guardrail | JsonMapping] | None
    plugins: Sequence[str | PiiRedaction | ResponseHealing | TraceScrubbing | JsonMapping] | None
    variables: JsonMapping | None

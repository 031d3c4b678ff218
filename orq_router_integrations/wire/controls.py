"""Router controls: typed options for routing a call, such as fallbacks and caching.

``request_encoding`` determines where each control is sent.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints
from typing_extensions import TypedDict, Unpack

from orq_router_integrations.wire import json
from orq_router_integrations.wire.arguments import warn_caller
from orq_router_integrations.wire.deferred_model import DeferredModel, optional

DEFAULT_RETRY_STATUSES = (408, 429, 500, 502, 503, 504, 529)
"""HTTP statuses that are retried, by the client and by the router's own retries and fallbacks."""

_DEFAULT_ROUTER_RETRIES = 2
_MAX_CACHE_SECONDS = 3 * 24 * 60 * 60
_MIN_PLAUSIBLE_CALL_TIMEOUT = 1000  # milliseconds


def _check_model_id(value: str) -> str:
    provider, slash, name = value.partition("/")
    if not (provider and slash and name) or " " in value or not value.isprintable():
        shown = "an API key" if value.startswith("sk-") else f"{value!r:.80}"
        raise ValueError(f"Expected 'provider/model' such as 'openai/gpt-4o', got {shown}.")
    return value


def _check_unique(codes: tuple[int, ...]) -> tuple[int, ...]:
    if len(set(codes)) != len(codes):
        raise ValueError("The list contains a status code twice. Remove the duplicate.")
    return codes


def _check_json(value: dict[str, Any]) -> dict[str, Any]:
    json.dumps(value)
    return value


def _accept_str_as(field: str) -> BeforeValidator:
    """Accept a str instead of an object, and use it as the value of one of its fields."""
    return BeforeValidator(lambda value: {field: value} if isinstance(value, str) else value)


def _convert_to_milliseconds(value: Any) -> Any:
    if isinstance(value, timedelta):
        return round(value / timedelta(milliseconds=1))
    if type(value) is int and 0 < value < _MIN_PLAUSIBLE_CALL_TIMEOUT:
        warn_caller(
            f"call_timeout={value} is less than a second, because the unit is milliseconds. "
            f"For {value} seconds use timedelta(seconds={value}) or {value * 1000}."
        )
    return value


ModelId = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_check_model_id)]
"""A model id: ``provider/model``."""

JsonMapping = Mapping[str, Any]
JsonObject = Annotated[dict[str, Any], AfterValidator(_check_json)]
JsonObjects = Annotated[
    tuple[JsonObject, ...],
    BeforeValidator(lambda value: [value] if isinstance(value, Mapping) else value),
]
NonEmptyStr = Annotated[str, StringConstraints(min_length=1)]
RetryStatus = Annotated[int, Field(strict=True, ge=100, le=599)]
FallbackStatus = Annotated[int, Field(strict=True, ge=400, le=599)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MetadataValue = Annotated[str, StringConstraints(strict=True, max_length=512)]


class Control(DeferredModel):
    """Base class of all controls. Controls are immutable and reject unknown fields."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [(name, value) for name, value in super().__repr_args__() if value is not None]

    def to_wire(self) -> dict[str, Any]:
        """Serialize the fields that are set."""
        return self.model_dump(exclude_none=True)


class Fallback(Control):
    """A model to try if the previous one fails."""

    model: ModelId = Field(description="Id of the model, such as 'openai/gpt-4o-mini'")


class RouterRetry(Control):
    """Retries by the router."""

    count: Annotated[int, Field(strict=True, ge=0, le=5)] = Field(
        default=_DEFAULT_ROUTER_RETRIES,
        description="Number of retries per model, 0 to 5. Only /responses, /embeddings and "
        "/decisions support 0",
    )
    # Always sent, because the router's own default differs between its endpoints
    on_codes: tuple[RetryStatus, ...] = Field(
        default=DEFAULT_RETRY_STATUSES,
        min_length=1,
        description="The provider's HTTP status codes on which to retry",
    )


class WeightedModel(Control):
    """A model of a load balancer."""

    model: ModelId = Field(description="Id of the model, such as 'openai/gpt-4o'")
    weight: Annotated[float, Field(strict=True, ge=0.001, le=1)] = Field(
        default=0.5, description="Share of the requests relative to the other models, 0.001 to 1"
    )


class LoadBalancer(Control):
    """Distribution of requests over several models."""

    type: Literal["weight_based", "round_robin", "latency_based"] = Field(
        default="weight_based",
        description="How a model is selected. Only /responses supports other values than "
        "'weight_based'",
    )
    models: tuple[Annotated[WeightedModel, _accept_str_as("model")], ...] = Field(
        min_length=1,
        description="Models to select from: ids, or dicts with 'model' and 'weight'. They replace "
        "the model of the request",
    )


class RouterCache(Control):
    """Cache of responses in the router. Requests must be identical to share a response."""

    type: Literal["exact_match"] = Field(default="exact_match", description="Kind of cache")
    ttl: Annotated[int, Field(strict=True, ge=1, le=_MAX_CACHE_SECONDS)] = Field(
        default=3600, description="Seconds to keep a response, up to three days"
    )


class RouterTimeout(Control):
    """Maximum duration of a call from the router to a provider."""

    call_timeout: Annotated[int, BeforeValidator(_convert_to_milliseconds)] = Field(
        strict=True,
        ge=1,
        description="Milliseconds, or a timedelta, for one call to a provider. Each retry and "
        "each fallback is a separate call",
    )


class Identity(Control):
    """The user or customer on whose behalf a request is made."""

    id: NonEmptyStr = Field(
        description="Your id for the user. The router creates unknown identities"
    )
    display_name: str | None = optional("Name shown in the dashboard")
    email: str | None = optional("Email address")
    metadata: JsonObjects | None = optional("Additional data: a dict or a list of dicts")
    logo_url: str | None = optional("URL of an image. Not supported by /responses")
    tags: tuple[str, ...] | None = optional("Tags for filtering")


class Thread(Control):
    """A conversation whose traces are grouped. The router does not store its messages."""

    id: NonEmptyStr = Field(description="Your id for the conversation")
    tags: tuple[str, ...] | None = optional("Tags for filtering")


class Guardrail(Control):
    """A check of the input or output. A blocked request raises ``GuardrailError``.

    The router accepts guardrails on ``/responses``, but was observed not to enforce them there. It
    does not check the output of streams.
    """

    id: NonEmptyStr = Field(description="Id of the guardrail")
    execute_on: Literal["input", "output", "both"] = Field(
        description="What to check. Only /responses supports 'both'"
    )
    is_guardrail: Annotated[bool, Field(strict=True)] | None = optional(
        "Whether a failed check blocks the request. Supported by /responses only"
    )
    options: JsonObject | None = optional("Options of the guardrail. Supported by /responses only")
    sample_rate: Share | None = optional(
        "Share of requests to check, 0 to 1. Supported by /responses only"
    )
    timeout: Annotated[int, Field(strict=True, ge=1000, le=600_000)] | None = optional(
        "Milliseconds for the check, 1,000 to 600,000. Supported by /responses only"
    )


class PiiRedaction(Control):
    """Replacement of personal data before the provider receives it.

    Without ``entities`` and ``regions``, every kind of personal data is replaced.
    """

    id: Literal["pii_redaction"] = "pii_redaction"
    language: str | None = optional("Language of the text")
    regions: tuple[str, ...] | None = optional("Regions whose kinds of personal data are replaced")
    entities: tuple[str, ...] | None = optional(
        "Kinds of personal data to replace, such as 'EMAIL'"
    )
    entity_thresholds: dict[str, Share] | None = optional(
        "Minimum confidence by kind of personal data, 0 to 1"
    )
    threshold: Share | None = optional("Minimum confidence, 0 to 1")
    on_failure: Literal["block", "passthrough"] | None = optional(
        "What to do with the request if the redaction fails"
    )


class ResponseHealing(Control):
    """Repair of malformed JSON in answers that are not streamed."""

    id: Literal["response_healing"] = "response_healing"


class TraceScrubbing(Control):
    """Removal of parts of a call from the router's traces."""

    id: Literal["trace_scrubbing"] = "trace_scrubbing"
    mask: tuple[Literal["all", "system", "input", "output", "metadata", "variables"], ...] = Field(
        min_length=1, description="Parts to remove"
    )


Plugin = Annotated[PiiRedaction | ResponseHealing | TraceScrubbing, Field(discriminator="id")]


class RouterControls(Control):
    """Options for routing a call, such as fallbacks, retries and caching.

    Plain values are accepted and validated: ``fallbacks=["openai/gpt-4o-mini"]``,
    ``identity="user-17"``, ``retry={"count": 2}``. If an endpoint does not support a control, the
    call raises an error before it is sent.

    >>> RouterControls(fallbacks=["anthropic/claude-sonnet-4-5"]).fallbacks
    (Fallback(model='anthropic/claude-sonnet-4-5'),)
    >>> RouterControls(retry={"count": 1}, cache={"ttl": 60}, identity="user-17").cache
    RouterCache(type='exact_match', ttl=60)
    """

    fallbacks: tuple[Annotated[Fallback, _accept_str_as("model")], ...] | None = optional(
        "Ids of models to try in order, such as `['openai/gpt-4o-mini']`, if the requested model "
        "fails after its retries"
    )
    fallback_on_codes: (
        Annotated[tuple[FallbackStatus, ...], AfterValidator(_check_unique), Field(max_length=20)]
        | None
    ) = optional(
        "HTTP status codes (400 to 599) of a provider that lead to a fallback, such as "
        "`[429, 503]`. By default, and if empty: 408, 429, 500, 502, 503, 504 and 529"
    )
    retry: RouterRetry | None = optional(
        "How often the router retries each model, such as `{'count': 2, 'on_codes': [429, 503]}`. "
        "By default twice on /responses, /embeddings and /decisions; not documented elsewhere"
    )
    load_balancer: LoadBalancer | None = optional(
        "Models to distribute the requests over, such as `{'models': ['openai/gpt-4o', ...]}`. "
        "They replace the requested model"
    )
    cache: RouterCache | None = optional(
        "Answer identical requests from the router's cache, such as `{'ttl': 3600}` in seconds, "
        "up to three days"
    )
    timeout: RouterTimeout | None = optional(
        "Maximum duration of one call from the router to a provider, such as `{'call_timeout': "
        "30_000}` in milliseconds, or with a `timedelta`"
    )
    name: NonEmptyStr | None = optional("Name of the trace in the dashboard")
    identity: Annotated[Identity, _accept_str_as("id")] | None = optional(
        "The user on whose behalf the call is made: an id, or a dict such as `{'id': 'user-17', "
        "'email': ...}`. Endpoints without this field receive the id as a header"
    )
    thread: Annotated[Thread, _accept_str_as("id")] | None = optional(
        "The conversation by which traces are grouped: an id, or a dict such as `{'id': "
        "'conversation-4', 'tags': [...]}`"
    )
    metadata: Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)] | None = optional(
        "Up to 16 strings for the trace, by name, such as `{'team': 'search'}`. Names have up to "
        "64, strings up to 512 characters. Endpoints without this field receive them as headers"
    )
    guardrails: tuple[Guardrail, ...] | None = optional(
        "Checks of input or output, such as `[{'id': 'orq_pii_detection', 'execute_on': "
        "'input'}]`. Other ids are `orq_secret_detection`, `orq_sexual_moderation`, "
        "`orq_harmful_moderation`, and the ids or keys of your evaluators"
    )
    plugins: tuple[Annotated[Plugin, _accept_str_as("id")], ...] | None = optional(
        "Transformations of the text, such as `['pii_redaction']`: `pii_redaction`, "
        "`response_healing`, `trace_scrubbing`, or dicts with such an id and options"
    )
    variables: JsonObject | None = optional(
        "Values of `{{name}}` placeholders in messages, such as `{'name': 'Ada'}`"
    )

    if TYPE_CHECKING:  # the validators accept more types than the fields store

        def __init__(self, **values: Unpack["RouterControlsDict"]) -> None: ...

    def merge(self, overrides: "RouterControls | None") -> "RouterControls":
        """Return a copy in which the fields that are set in ``overrides`` are replaced.

        A field that is set to ``None`` removes the control.
        """
        if overrides is None or not overrides.model_fields_set:
            return self
        update = {name: getattr(overrides, name) for name in overrides.model_fields_set}
        return self.model_copy(update=update)

    @property
    def has_router_retries(self) -> bool:
        """Whether the router is asked to send more than one request to a provider."""
        return bool(self.fallbacks or (self.retry and self.retry.count))

    @property
    def worst_case_seconds(self) -> float | None:
        """Maximum duration of a call in the router, including retries, fallbacks and pauses.

        ``None`` if no ``timeout`` limits the calls to providers. The router pauses 1, 2, 4, 8 and
        16 seconds between retries, each varied by up to 25%. Without ``retry``, two are assumed.
        """
        if self.timeout is None:
            return None
        retries = self.retry.count if self.retry else _DEFAULT_ROUTER_RETRIES
        pause_seconds = 1.25 * (2.0**retries - 1)
        models = 1 + len(self.fallbacks or ())
        return models * (self.timeout.call_timeout / 1000 * (1 + retries) + pause_seconds)


class RouterControlsDict(TypedDict, total=False):
    """Arguments that ``RouterControls`` accepts, including model ids and dicts."""

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

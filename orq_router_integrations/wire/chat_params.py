"""Parameters of ``POST /chat/completions`` and ``POST /responses``, with their valid ranges."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, BeforeValidator, Field, StrictBool, StrictInt, with_config
from typing_extensions import TypedDict

from orq_router_integrations.wire.deferred_model import optional

StrictNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Penalty = Annotated[StrictNumber, Field(ge=-2, le=2)]
StopSequences = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    Field(max_length=4),
]
ReasoningEffort = Literal["none", "instant", "minimal", "low", "medium", "high", "xhigh", "max"]

_reject_unknown_fields = with_config({"extra": "forbid"})


@_reject_unknown_fields
class Thinking(TypedDict):
    """Disables thinking, enables it, or lets the model decide (some Claude models only).

    The router sets a small budget for models that cannot disable it.
    """

    type: Literal["disabled", "enabled", "adaptive"]
    # Required if thinking is enabled; must be smaller than max_tokens
    budget_tokens: NotRequired[Annotated[StrictInt, Field(ge=1024)]]
    # How much Gemini 3 models think; overrides the budget
    thinking_level: NotRequired[Literal["minimal", "low", "medium", "high"] | None]


@_reject_unknown_fields
class AudioOutput(TypedDict):
    """Voice and format of a spoken answer; ``pcm16`` consists of raw samples."""

    voice: Literal["alloy", "echo", "fable", "onyx", "nova", "shimmer"]
    format: Literal["wav", "mp3", "flac", "opus", "pcm16"]


@_reject_unknown_fields
class CacheControl(TypedDict):
    """Uses the provider's prompt cache (Anthropic only) for 5 minutes or an hour."""

    type: Literal["ephemeral"]
    ttl: NotRequired[Literal["5m", "1h"] | None]


@_reject_unknown_fields
class ReasoningOptions(TypedDict, total=False):
    """Sets how much a model reasons, and how much of its reasoning it returns."""

    effort: ReasoningEffort | None
    context: str | None  # passed on to the provider
    summary: Literal["concise", "detailed", "auto"] | None


@_reject_unknown_fields
class ContextManagement(TypedDict):
    """Sets when the router replaces the start of a long conversation with a compaction item."""

    type: Literal["compaction"]
    compact_threshold: NotRequired[Annotated[StrictInt, Field(ge=1)]]
    provider_native: NotRequired[StrictBool]


class ChatParams(BaseModel, defer_build=True):
    """Parameters of a request other than model, messages and tools."""

    temperature: Annotated[StrictNumber, Field(ge=0, le=2)] | None = optional(
        "Sampling temperature, 0 to 2. The router ignores it, and `top_p`, if `reasoning_effort` "
        "is set."
    )
    top_p: Annotated[StrictNumber, Field(ge=0, le=1)] | None = optional(
        "Nucleus sampling: consider only the most likely tokens whose probabilities add up to this "
        "value, 0 to 1."
    )
    top_k: Annotated[StrictInt | StrictNumber, Field(ge=0)] | None = optional(
        "Consider only this many of the most likely tokens."
    )
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = optional(
        "Maximum number of tokens to generate, including reasoning. Sent as "
        "`max_completion_tokens`, which replaces `max_tokens` in the API."
    )
    frequency_penalty: Penalty | None = optional(
        "Penalize tokens by how often they have been used, -2 to 2."
    )
    presence_penalty: Penalty | None = optional(
        "Penalize tokens that have been used at all, -2 to 2."
    )
    n: Annotated[StrictInt, Field(ge=1)] | None = optional(
        "Number of answers to generate. Streams support only 1."
    )
    logprobs: StrictBool | None = optional("Return the log probabilities of the generated tokens.")
    top_logprobs: Annotated[StrictInt, Field(ge=0, le=20)] | None = optional(
        "Number of alternatives per token to return log probabilities for, 0 to 20. Requires "
        "`logprobs=True`."
    )
    seed: StrictInt | None = optional(
        "Seed for reproducible sampling, if the provider supports it."
    )
    stop: StopSequences | None = optional(
        "Up to 4 strings; generation stops before the first one that occurs."
    )
    modalities: list[Literal["text", "audio"]] | None = optional(
        "Output types: `text`, `audio` or both. Spoken output requires `audio`."
    )
    audio: AudioOutput | None = optional(
        "Voice and format of spoken output, such as `{'voice': 'alloy', 'format': 'wav'}`. "
        "Required if `modalities` contains `audio`."
    )
    reasoning_effort: ReasoningEffort | None = optional(
        "How much a reasoning model thinks before it answers."
    )
    thinking: Thinking | None = optional(
        "Extended thinking of Anthropic and Google models, such as `{'type': 'enabled', "
        "'budget_tokens': 2048}`."
    )
    verbosity: str | None = optional("How detailed the answer is, such as `low` or `high`.")
    cache_control: CacheControl | None = optional(
        "Anthropic's prompt caching, such as `{'type': 'ephemeral'}`."
    )
    prompt_cache_key: str | None = optional(
        "OpenAI's prompt caching: requests with the same key share a cache."
    )

    instructions: Annotated[str, Field(min_length=1)] | None = optional(
        "System prompt of this response. Unlike a system message, it is not part of the stored "
        "conversation that `previous_response_id` continues. Responses API only."
    )
    previous_response_id: Annotated[str, Field(min_length=1)] | None = optional(
        "Continue a stored response: the `id` in its `response_metadata`. Send only the messages "
        "that are new since then. Responses API only."
    )
    store: StrictBool | None = optional(
        "Whether the router stores the response; it does by default. Responses API only."
    )
    background: StrictBool | None = optional(
        "Let the router work in the background; `invoke` polls until the response is ready. "
        "Requires `store`, and does not stream. Responses API only."
    )
    reasoning: ReasoningOptions | None = optional(
        "Reasoning effort, and the kind of summary to return, such as `{'effort': 'low', "
        "'summary': 'auto'}`. Responses API only."
    )
    include: list[str] | None = optional(
        "Additional output to return, such as `reasoning.encrypted_content`. Responses API only."
    )
    context_management: Annotated[list[ContextManagement], Field(min_length=1)] | None = optional(
        "Compact long conversations, such as `[{'type': 'compaction', 'compact_threshold': "
        "200_000}]` in tokens. Answers then contain compaction items, which are sent back with the "
        "conversation. Responses API only."
    )
    max_tool_calls: Annotated[StrictInt, Field(ge=1)] | None = optional(
        "Maximum number of calls of server-side tools. Responses API only."
    )
    service_tier: str | None = optional(
        "The provider's service tier, such as `flex`. Responses API only."
    )

    def build_params(self) -> dict[str, Any]:
        """Return the parameters that are set, under their names in the request body."""
        params = self.model_dump(include=_PARAM_NAMES, exclude_none=True, warnings=False)
        return {WIRE_NAMES.get(name, name): value for name, value in params.items() if value != []}


def check_params(
    params: Mapping[str, Any], extra_body: Mapping[str, Any], *, for_responses: bool
) -> None:
    """Reject parameters that require another one, which may also be in ``extra_body``."""
    body = {**extra_body, **params}
    thinking = params.get("thinking", {})
    budget, limit = thinking.get("budget_tokens", 0), params.get("max_completion_tokens", math.inf)
    # The Responses API has no ``logprobs``, and its budget may be missing or equal to the limit.
    if params.get("top_logprobs") and not (body.get("logprobs") or for_responses):
        raise ValueError("top_logprobs: Requires log probabilities. Set logprobs=True.")
    if "audio" in params.get("modalities", ()) and not body.get("audio"):
        raise ValueError("modalities: Spoken output requires a voice and a format. Set audio.")
    if thinking == {"type": "enabled"} and not for_responses:
        raise ValueError("thinking: The type 'enabled' requires a budget. Set budget_tokens.")
    if budget > limit or (budget == limit and not for_responses):
        raise ValueError("thinking.budget_tokens: Must be less than max_tokens. Reduce it.")
    if params.get("background") and body.get("store") is False:
        raise ValueError("background: Requires a stored response. Remove store=False.")


_PARAM_NAMES = set(ChatParams.model_fields)  # subclasses have other fields

WIRE_NAMES = {"max_tokens": "max_completion_tokens"}
"""Parameters that have another name in the request body."""

RESPONSES_PARAMS = frozenset({
    "instructions", "previous_response_id", "store", "background", "reasoning", "include",
    "context_management", "max_tool_calls", "service_tier",
})  # fmt: skip
"""Parameters that only ``POST /responses`` supports."""

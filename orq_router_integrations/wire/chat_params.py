"""Parameters of ``POST /chat/completions``, checked by the contract's limits (section 2.1)."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from orq_router_integrations.wire.deferred_model import DeferredModel


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


StrictNumber = Annotated[float, Field(strict=True, allow_inf_nan=False)]
StrictInt = Annotated[int, Field(strict=True)]
Penalty = Annotated[StrictNumber, Field(ge=-2, le=2)]
Stops = Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_as_list)]
ReasoningEffort = Literal["none", "instant", "minimal", "low", "medium", "high", "xhigh", "max"]


class WireModel(DeferredModel):
    """Base of small wire objects: nothing in them that the router does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ThinkingDisabled(WireModel):
    """No thinking; models that insist on it get a small budget from the router."""

    type: Literal["disabled"]


class ThinkingEnabled(WireModel):
    """Thinking with a budget, which must be smaller than ``max_tokens``."""

    type: Literal["enabled"]
    budget_tokens: StrictInt = Field(ge=1024)
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None


class AdaptiveThinking(WireModel):
    """The model decides; some Claude models only."""

    type: Literal["adaptive"]


Thinking = Annotated[
    ThinkingDisabled | ThinkingEnabled | AdaptiveThinking, Field(discriminator="type")
]


class AudioOutput(WireModel):
    """The voice and format of a spoken answer."""

    voice: Literal["alloy", "echo", "fable", "onyx", "nova", "shimmer"]
    format: Literal["wav", "mp3", "flac", "opus", "pcm16"]


class CacheControl(WireModel):
    """The provider's own prompt cache (Anthropic only)."""

    type: Literal["ephemeral"] = "ephemeral"
    ttl: Literal["5m", "1h"] | None = None


class ChatParams(DeferredModel):
    """Parameters of a chat completion beside model, messages and tools; sent only when set.

    Attributes:
        temperature: 0 to 2. The router drops it, and ``top_p``, when ``reasoning_effort`` is set.
        top_p: 0 to 1.
        top_k: how many of the likeliest tokens to choose from.
        max_tokens: most tokens to generate, reasoning included; travels as
            ``max_completion_tokens``, which replaces ``max_tokens`` on the wire.
        frequency_penalty: -2 to 2.
        presence_penalty: -2 to 2.
        n: how many answers, 1 or more.
        logprobs: whether to return the log-probabilities of the tokens.
        top_logprobs: 0 to 20 alternatives per token; needs ``logprobs``.
        seed: for answers that can be repeated, as far as the provider can.
        stop: at most 4 texts that end the answer.
        modalities: ``text``, ``audio`` or both.
        audio: voice and format, needed when ``modalities`` has ``audio``.
        reasoning_effort: how much a reasoning model thinks.
        thinking: the same in Anthropic's and Google's terms.
        verbosity: how long an answer gets.
        cache_control: Anthropic's prompt cache.
        prompt_cache_key: OpenAI's prompt cache.
    """

    temperature: Annotated[StrictNumber, Field(ge=0, le=2)] | None = None
    top_p: Annotated[StrictNumber, Field(ge=0, le=1)] | None = None
    top_k: Annotated[StrictInt | StrictNumber, Field(ge=0)] | None = None
    max_tokens: Annotated[StrictInt, Field(ge=1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    n: Annotated[StrictInt, Field(ge=1)] | None = None
    logprobs: Annotated[bool, Field(strict=True)] | None = None
    top_logprobs: Annotated[StrictInt, Field(ge=0, le=20)] | None = None
    seed: StrictInt | None = None
    stop: Annotated[Stops, Field(max_length=4)] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: AudioOutput | None = None
    reasoning_effort: ReasoningEffort | None = None
    thinking: Thinking | None = None
    verbosity: str | None = None
    cache_control: CacheControl | None = None
    prompt_cache_key: str | None = None

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs: needs logprobs=True")
        if self.modalities and "audio" in self.modalities and self.audio is None:
            raise ValueError("audio: needed when modalities has 'audio' (voice and format)")
        budget = self.thinking.budget_tokens if isinstance(self.thinking, ThinkingEnabled) else 0
        if self.max_tokens is not None and budget >= self.max_tokens:
            raise ValueError("thinking.budget_tokens: must be smaller than max_tokens")
        return self

    def build_chat_params(self) -> dict[str, Any]:
        """The parameters that are set, as they go on the wire."""
        members = vars(self)
        found = {name: members[name] for name in CHAT_PARAM_NAMES if members[name] is not None}
        return {
            WIRE_NAMES.get(name, name): _plain(value)
            for name, value in found.items()
            if value != []
        }


CHAT_PARAM_NAMES = tuple(ChatParams.model_fields)
"""The names of the parameters."""

WIRE_NAMES = {"max_tokens": "max_completion_tokens"}
"""Parameters that have another name in the body."""


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else value

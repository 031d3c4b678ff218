"""Parameters of ``POST /chat/completions``, checked by the contract's limits (section 2.1)."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from orq_router_integrations.wire.deferred_model import Deferred


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True)]
Penalty = Annotated[Number, Field(ge=-2, le=2)]
Stops = Annotated[list[Annotated[str, Field(min_length=1)]], BeforeValidator(_as_list)]
Effort = Literal["none", "instant", "minimal", "low", "medium", "high", "xhigh", "max"]


class Wired(Deferred):
    """Base of small wire objects: nothing in them that the router does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ThinkingOff(Wired):
    """No thinking; models that insist on it get a small budget from the router."""

    type: Literal["disabled"]


class ThinkingOn(Wired):
    """Thinking with a budget, which must be smaller than ``max_tokens``."""

    type: Literal["enabled"]
    budget_tokens: Whole = Field(ge=1024)
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None


class ThinkingAdaptive(Wired):
    """The model decides; some Claude models only."""

    type: Literal["adaptive"]


Thinking = Annotated[ThinkingOff | ThinkingOn | ThinkingAdaptive, Field(discriminator="type")]


class AudioOut(Wired):
    """The voice and format of a spoken answer."""

    voice: Literal["alloy", "echo", "fable", "onyx", "nova", "shimmer"]
    format: Literal["wav", "mp3", "flac", "opus", "pcm16"]


class CacheControl(Wired):
    """The provider's own prompt cache (Anthropic only)."""

    type: Literal["ephemeral"] = "ephemeral"
    ttl: Literal["5m", "1h"] | None = None


class ChatParams(Deferred):
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

    temperature: Annotated[Number, Field(ge=0, le=2)] | None = None
    top_p: Annotated[Number, Field(ge=0, le=1)] | None = None
    top_k: Annotated[Whole | Number, Field(ge=0)] | None = None
    max_tokens: Annotated[Whole, Field(ge=1)] | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    n: Annotated[Whole, Field(ge=1)] | None = None
    logprobs: Annotated[bool, Field(strict=True)] | None = None
    top_logprobs: Annotated[Whole, Field(ge=0, le=20)] | None = None
    seed: Whole | None = None
    stop: Annotated[Stops, Field(max_length=4)] | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: AudioOut | None = None
    reasoning_effort: Effort | None = None
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
        budget = self.thinking.budget_tokens if isinstance(self.thinking, ThinkingOn) else 0
        if self.max_tokens is not None and budget >= self.max_tokens:
            raise ValueError("thinking.budget_tokens: must be smaller than max_tokens")
        return self

    def params(self) -> dict[str, Any]:
        """The parameters that are set, as they go on the wire."""
        members = vars(self)
        found = {name: members[name] for name in PARAMS if members[name] is not None}
        return {
            ON_WIRE.get(name, name): _plain(value) for name, value in found.items() if value != []
        }


PARAMS = tuple(ChatParams.model_fields)
"""The names of the parameters."""

ON_WIRE = {"max_tokens": "max_completion_tokens"}
"""Parameters that have another name in the body."""


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if isinstance(value, BaseModel) else value

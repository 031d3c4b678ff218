"""Shapes of ``POST /chat/completions``: parameters out, replies and chunks in.

Source: contract section 2.1. Replies are read leniently, for nearly every member is optional in
the router's schema; but a reply without choices, or a stream without an end, is no answer.
"""

import math
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from orq_router_integrations.wire.call import BadReply, Reply
from orq_router_integrations.wire.events import EventReader, kind_of, refuse_error
from orq_router_integrations.wire.json import an_object
from orq_router_integrations.wire.models import Deferred


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


def read_completion(reply: Reply) -> dict[str, Any]:
    """The completion in a reply: a dict whose ``choices`` each have a ``message``.

    Raises:
        BadReply: it is not JSON, lacks these, or has content that is no text.
        ErrorInReply: it is an error after all.
    """
    body = reply.json()
    refuse_error(body, reply.content)
    if not isinstance(body, dict):
        raise BadReply(f"the body is {kind_of(body)}, not an object")
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise BadReply("the completion has no choices")
    for index, choice in enumerate(choices):
        refuse_error(choice, reply.content)
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise BadReply(f"choice {index} of the completion has no message")
        text_of(choice["message"].get("content"))
    return body


def text_of(content: Any, data: bytes = b"", *, whole: bool = True) -> str:
    """The text of a message or delta, also where an upstream sends it in parts.

    Args:
        content: its ``content``.
        data: the bytes in which it came, for the error.
        whole: whether it is all there is; a delta may hold nothing but parts of other kinds.

    Raises:
        BadReply: there is content, but no text in it.
    """
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list):
        found = (_text_in(part, whole) for part in content)
        texts = [text for text in found if text is not None]
        if texts or not content:
            return "".join(texts)
    raise BadReply(f"the content of the answer is {kind_of(content)} without text", data)


_THOUGHTS = ("thinking", "reasoning", "redacted_thinking")
_TEXTS = ("text", "output_text")


def _text_in(part: Any, whole: bool) -> str | None:
    """The text in a part; empty in those of other kinds, such as thoughts and references."""
    if not isinstance(part, dict):
        return part if isinstance(part, str) else None
    kind, text = part.get("type", "text"), part.get("text")
    if kind in _THOUGHTS:
        return ""
    return text if isinstance(text, str) else (None if whole or kind in _TEXTS else "")


class ChunkDecoder(EventReader):
    """Bytes of a chat stream in, chunks (as dicts) out.

    It knows when a stream is complete: at ``[DONE]``, or when it ends after a finish reason.
    """

    _in_messages = False

    def text_in(self, event: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The content of the delta."""
        choice = first_choice(event)
        return an_object(choice.get("delta") or choice.get("message")), "content"

    def read(self, event: dict[str, Any], data: bytes) -> Iterable[dict[str, Any]]:
        """Check a chunk, and note what it says of the stream's end."""
        choice = first_choice(event)
        refuse_error(choice, data)
        delta = choice.get("delta")
        if delta is None and "message" in choice:
            delta = choice["delta"] = self._instead(choice["message"])
        delta = delta or {}
        if not isinstance(delta, dict):
            raise BadReply("the delta of an event is not an object", data)
        if choice.get("finish_reason"):
            self.finished = True
        content = delta.get("content")
        if isinstance(content, str):
            self._text.append(content)
        elif content is not None:
            self.hear(text_of(content, data, whole=False))
        return (event,)

    def _instead(self, message: Any) -> Any:
        """The message that some upstreams send where a delta belongs.

        Behind a text in deltas it is the whole answer once more.
        """
        if self.partial and not self._in_messages:
            return None
        self._in_messages = True
        return message


def first_choice(chunk: dict[str, Any]) -> dict[str, Any]:
    """The choice with index 0 of a chunk, or an empty one; only it feeds a stream."""
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and not choice.get("index"):
            return choice
    return {}


def count(value: Any) -> int:
    """A token count as an integer, whatever the router wrote; 0 where it wrote none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0
    return max(int(value), 0)

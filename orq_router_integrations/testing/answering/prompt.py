"""What a request asks of a model, whichever endpoint it came through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from orq_router_integrations.testing.answering.answer import Answer, ToolCall
from orq_router_integrations.testing.answering.conversation import Conversation
from orq_router_integrations.testing.chat.messages import Message
from orq_router_integrations.testing.routing.checking import Schema

CHARACTERS = 4
"""Characters per token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A tool that the model may call.

    Attributes:
        name: the tool.
        description: what it does.
        schema: of its arguments; ``None`` for a tool that takes any text.
    """

    name: str
    description: str = ""
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JsonOutput:
    """A text that must be JSON.

    Attributes:
        param: the member of the request that asks for it.
        schema: what it must fit; ``None`` for any object.
    """

    param: str
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A request, as the one who answers it sees it.

    Attributes:
        messages: the conversation in the words of /chat/completions.
        offers: the tools that can be called.
        tools: all tools as they were sent; they cost tokens.
        choice: whether tools may or must be called.
        forced: the tool that must be called.
        output: what the text must be, unless it is free.
        reasoning: how the request asks for reasoning; ``None`` where it does not.
        stops: texts that end the answer.
        token_limit: how many tokens the answer may have.
        cache_key: name of a provider's prompt cache.
        cached_whole: whether the whole prompt is marked for the provider's cache.
    """

    messages: Sequence[Message]
    offers: Sequence[Offer] = ()
    tools: Sequence[Schema] = ()
    choice: Literal["none", "auto", "required"] = "auto"
    forced: str | None = None
    output: JsonOutput | None = None
    reasoning: str | None = None
    stops: Sequence[str] = ()
    token_limit: int | None = None
    cache_key: str | None = None
    cached_whole: bool = False

    @property
    def conversation(self) -> Conversation:
        """The messages, seen from their end."""
        return Conversation(self.messages)

    def limited(self, answer: Answer) -> Answer:
        """The answer, cut at the first stop sequence and, arguments of calls too, at its limit."""
        text = answer.text
        for stop in self.stops:
            text = text.partition(stop)[0] if stop else text
        if self.token_limit is None:
            return replace(answer, text=text)
        left = self.token_limit * CHARACTERS
        cut = replace(
            answer, text=text[:left], tool_calls=_within(answer.tool_calls, left - len(text))
        )
        if (cut.text, cut.tool_calls) == (text, answer.tool_calls):
            return cut
        return replace(cut, finish_reason=answer.finish_reason or "length")


def _within(calls: Sequence[ToolCall], left: int) -> tuple[ToolCall, ...]:
    """The calls that so many characters of arguments allow; the last may be cut off."""
    found: list[ToolCall] = []
    for call in calls:
        if left <= 0:
            break
        fits = len(call.json) <= left
        found.append(call if fits else replace(call, arguments=call.json[:left]))
        left -= len(call.json)
    return tuple(found)

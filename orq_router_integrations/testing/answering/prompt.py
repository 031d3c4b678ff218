"""What a request asks of a model, whichever endpoint it came through."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from orq_router_integrations.testing.answering.answer import Answer, ScriptedToolCall
from orq_router_integrations.testing.answering.conversation import Conversation
from orq_router_integrations.testing.chat.messages import Message
from orq_router_integrations.testing.routing.schema_validation import RequestModel

CHARS_PER_TOKEN = 4
"""Characters per token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
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
    tool_specs: Sequence[ToolSpec] = ()
    tools: Sequence[RequestModel] = ()
    choice: Literal["none", "auto", "required"] = "auto"
    forced_tool: str | None = None
    json_output: JsonOutput | None = None
    reasoning: str | None = None
    stop_sequences: Sequence[str] = ()
    token_limit: int | None = None
    cache_key: str | None = None
    caches_everything: bool = False

    @property
    def conversation(self) -> Conversation:
        """The messages, seen from their end."""
        return Conversation(self.messages)

    def truncate(self, answer: Answer) -> Answer:
        """The answer, cut at the first stop sequence and, arguments of calls too, at its limit."""
        text = answer.text
        for stop in self.stop_sequences:
            text = text.partition(stop)[0] if stop else text
        if self.token_limit is None:
            return replace(answer, text=text)
        left = self.token_limit * CHARS_PER_TOKEN
        cut = replace(
            answer,
            text=text[:left],
            tool_calls=_truncate_calls(answer.calls, left - len(text)),
        )
        if (cut.text, cut.calls) == (text, answer.calls):
            return cut
        return replace(cut, finish_reason=answer.finish_reason or "length")


def _truncate_calls(calls: Sequence[ScriptedToolCall], left: int) -> list[dict[str, Any]]:
    """Keep as many calls as ``left`` characters of arguments allow; truncate the last one."""
    truncated: list[dict[str, Any]] = []
    for call in calls:
        if left <= 0:
            break
        fits = len(call.arguments_json) <= left
        args = call.args if fits else call.arguments_json[:left]
        truncated.append({"name": call.name, "args": args, "id": call.id})
        left -= len(call.arguments_json)
    return truncated

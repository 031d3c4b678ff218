"""A request to a model, independent of the endpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from orq_router_integrations.testing.answering.answer import Answer, ScriptedToolCall
from orq_router_integrations.testing.answering.conversation import Conversation
from orq_router_integrations.testing.chat.messages import Message
from orq_router_integrations.testing.routing.schema_validation import RequestModel

CHARS_PER_TOKEN = 4
"""Estimated number of characters per token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool that the model may call.

    Attributes:
        name: name of the tool.
        description: description of the tool.
        schema: JSON schema of the arguments; ``None`` for a tool that takes any text.
    """

    name: str
    description: str = ""
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JsonOutput:
    """A request for JSON output.

    Attributes:
        param: field of the request that asks for it.
        schema: JSON schema of the output; ``None`` for any object.
    """

    param: str
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a request asks of a model.

    Attributes:
        messages: the conversation in the format of /chat/completions.
        tool_specs: tools that the model may call.
        tools: all tools as they were sent; they count as input tokens.
        choice: whether tools may or must be called.
        forced_tool: name of the tool that must be called.
        json_output: format of the output; ``None`` for plain text.
        reasoning: the request's reasoning setting; ``None`` without one.
        stop_sequences: strings that end the answer.
        token_limit: maximum number of tokens of the answer.
        cache_key: name of a provider's prompt cache.
        caches_everything: whether the entire prompt is marked for the provider's cache.
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
        """The messages as a ``Conversation``."""
        return Conversation(self.messages)

    def truncate(self, answer: Answer) -> Answer:
        """Truncate an answer at the first stop sequence and at the token limit."""
        text = answer.text
        for stop in self.stop_sequences:
            text = text.partition(stop)[0] if stop else text
        if self.token_limit is None:
            return replace(answer, text=text)
        max_chars = self.token_limit * CHARS_PER_TOKEN
        truncated = replace(
            answer,
            text=text[:max_chars],
            tool_calls=_truncate_calls(answer.calls, max_chars - len(text)),
        )
        if (truncated.text, truncated.calls) == (text, answer.calls):
            return truncated
        return replace(truncated, finish_reason=answer.finish_reason or "length")


def _truncate_calls(
    calls: Sequence[ScriptedToolCall], remaining_chars: int
) -> list[dict[str, Any]]:
    """Keep the calls whose arguments fit into ``remaining_chars``; truncate the last one."""
    truncated: list[dict[str, Any]] = []
    for call in calls:
        if remaining_chars <= 0:
            break
        fits = len(call.arguments_json) <= remaining_chars
        args = call.args if fits else call.arguments_json[:remaining_chars]
        truncated.append({"name": call.name, "args": args, "id": call.id})
        remaining_chars -= len(call.arguments_json)
    return truncated

"""A request to a model, independent of the endpoint."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from orq_router_integrations.testing.answering.answer import Answer, ScriptedToolCall
from orq_router_integrations.testing.chat.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from orq_router_integrations.testing.chat.parts import get_text
from orq_router_integrations.testing.routing.schema_validation import RequestModel

CHARS_PER_TOKEN = 4
"""Estimated number of characters per token."""

_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """A tool that the model may call. Its ``schema`` is ``None`` if it takes any text."""

    name: str
    description: str = ""
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class JsonOutput:
    """A request for JSON output.

    Attributes:
        param: Field of the request that asks for it.
        schema: JSON schema of the output; ``None`` for any object.
    """

    param: str
    schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a request asks of a model.

    Attributes:
        messages: The conversation in the format of /chat/completions.
        tool_specs: Tools that the model may call.
        tools: All tools as they were sent; they count as input tokens.
        choice: Whether tools may or must be called.
        forced_tool: Name of the tool that must be called.
        json_output: Format of the output; ``None`` for plain text.
        reasoning: The request's reasoning setting; ``None`` without one.
        stop_sequences: Strings that end the answer.
        token_limit: Maximum number of tokens of the answer.
        cache_key: Name of a provider's prompt cache.
        caches_everything: Whether the entire prompt is marked for the provider's cache.
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
    def last_user_text(self) -> str:
        return find_last_user_text(self.messages)

    @property
    def all_text(self) -> str:
        """Text of all system and user messages."""
        instructions = (m for m in self.messages if isinstance(m, SystemMessage | UserMessage))
        return "\n".join(get_text(message.content) for message in instructions)

    @property
    def called_tools(self) -> set[str]:
        """Names of the tools called since the last user message."""
        return set(_name_calls(self._current_turn).values())

    @property
    def tool_results(self) -> list[tuple[str, str]]:
        """Names and results of the tools called since the last user message."""
        names = _name_calls(self.messages)
        return [
            (names.get(message.tool_call_id or "", "a tool"), get_text(message.content))
            for message in self._current_turn
            if isinstance(message, ToolMessage)
        ]

    @property
    def _current_turn(self) -> Sequence[Message]:
        index = _find_last_user_index(self.messages)
        return self.messages if index is None else self.messages[index + 1 :]

    def truncate(self, answer: Answer) -> Answer:
        """Truncate an answer at the first stop sequence and at the token limit."""
        text = answer.text
        for stop in self.stop_sequences:
            text = text.partition(stop)[0] if stop else text
        if self.token_limit is None:
            return replace(answer, text=text)
        max_chars = self.token_limit * CHARS_PER_TOKEN
        calls = _truncate_calls(answer.calls, max_chars - len(text))
        truncated = replace(answer, text=text[:max_chars], tool_calls=calls)
        if (truncated.text, truncated.calls) == (text, answer.calls):
            return truncated
        return replace(truncated, finish_reason=answer.finish_reason or "length")


def find_last_user_text(messages: Sequence[Message]) -> str:
    """Return the text of the last user message that has text."""
    index = _find_last_user_index(messages)
    return "" if index is None else get_text(messages[index].content)


def _find_last_user_index(messages: Sequence[Message]) -> int | None:
    """Return the index of the last user message, preferring those with text.

    A message without text, such as an image returned by a tool, does not start a new turn.
    """
    users = [i for i, message in enumerate(messages) if isinstance(message, UserMessage)]
    with_text = [i for i in users if get_text(messages[i].content).strip()]
    return next(reversed(with_text or users), None)


def _name_calls(messages: Sequence[Message]) -> dict[str, str]:
    """Return the names of all called tools by the id of the call."""
    answers = (message for message in messages if isinstance(message, AssistantMessage))
    return {call.id: call.function.name for answer in answers for call in answer.tool_calls or ()}


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


def substitute_variables(text: str, variables: Mapping[str, Any]) -> str:
    """Replace ``{{name}}`` with its value. Unknown names are left unchanged."""
    return _VARIABLE.sub(lambda match: str(variables.get(match[1], match[0])), text)

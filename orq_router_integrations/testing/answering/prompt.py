"""What a request asks of a model, in one form for /chat/completions and /responses.

Requests are read from their JSON after it was validated. Fields with the same meaning often have
different names on the two endpoints, but no name has two meanings.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.media.attachment import Attachment, read_attachment
from orq_router_integrations.testing.routing.error_responses import reject_field

CHARS_PER_TOKEN = 4
"""Estimated number of characters per token."""

MESSAGE_TOKENS = 3
"""Tokens of the structure of a message."""

FILE_TOKENS = 85
"""Tokens of an image or a file."""

_ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "reasoning": "assistant",
    "function_call": "assistant",
    "custom_tool_call": "assistant",
    "function_call_output": "tool",
    "custom_tool_call_output": "tool",
}
"""Roles by the role of a message or the type of another item."""

_TEXT_TYPES = {"text", "input_text", "output_text"}
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def estimate_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARS_PER_TOKEN)


class CalledTool(NamedTuple):
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A chat message, or an item of /responses.

    Attributes:
        role: ``system``, ``user``, ``assistant`` or ``tool``; empty if the item has no role.
        text: The text of its parts.
        attachments: Its images, files and audio.
        calls: Tool calls of an assistant.
        call_id: The call whose result this is.
        ends_cached_prefix: Whether it is marked for the provider's prompt cache.
    """

    role: str = ""
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    calls: tuple[CalledTool, ...] = ()
    call_id: str | None = None
    ends_cached_prefix: bool = False

    @property
    def tokens(self) -> int:
        """Estimated number of tokens, without those of audio."""
        calls = sum(estimate_tokens(call.name + call.arguments) for call in self.calls)
        files = sum(attachment.kind != "audio" for attachment in self.attachments)
        return MESSAGE_TOKENS + estimate_tokens(self.text) + calls + FILE_TOKENS * files


def read_message(item: Mapping[str, Any]) -> Message:
    type_ = item.get("type", "message")
    role = _ROLES.get(item["role"] if type_ == "message" else type_)
    if role is None:
        return Message()
    calls = [CalledTool(call["id"], **call["function"]) for call in item.get("tool_calls") or ()]
    if type_ in {"function_call", "custom_tool_call"}:
        arguments = item["arguments"] if "arguments" in item else item["input"]
        calls = [CalledTool(item["call_id"], item["name"], arguments)]
    content = item.get("content") or item.get("output") or ""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return Message(
        role=role,
        text="\n".join(part["text"] for part in parts if part["type"] in _TEXT_TYPES),
        attachments=tuple(filter(None, map(read_attachment, parts))),
        calls=tuple(calls),
        call_id=item.get("tool_call_id") or (item.get("call_id") if role == "tool" else None),
        ends_cached_prefix=any(
            part.get("cache_control") or part.get("prompt_cache_breakpoint")
            for part in (item, *parts)
        ),
    )


def read_messages(body: Mapping[str, Any]) -> list[Message]:
    """Return the messages of a request body, the instructions first."""
    content = body.get("messages") or body.get("input") or ()
    items = [{"role": "user", "content": content}] if isinstance(content, str) else content
    messages = [message for message in map(read_message, items) if message.role]
    if body.get("instructions") is not None:
        messages.insert(0, Message(role="system", text=body["instructions"]))
    return messages


def find_orphan_result(items: Iterable[Mapping[str, Any]]) -> int | None:
    """Return the index of the first tool result without a tool call before it."""
    call_ids: set[str | None] = {None}
    for index, message in enumerate(map(read_message, items)):
        call_ids.update(call.id for call in message.calls)
        if message.call_id not in call_ids:
            return index
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a request asks of a model.

    Attributes:
        messages: The conversation, the instructions first.
        tools: All tools as they were sent, including those that the router runs.
        choice: Whether tools may or must be called: ``none``, ``auto`` or ``required``.
        forced_tool: Name of the tool that must be called.
        json_param: Field of the request that asks for JSON; ``None`` for plain text.
        json_schema: JSON schema of the output; ``None`` for any object.
        reasoning: The request's reasoning setting; ``None`` without one.
        stop_sequences: Strings that end the answer.
        token_limit: Maximum number of tokens of the answer.
        cache_key: Name of a provider's prompt cache.
        caches_everything: Whether the entire prompt is marked for the provider's cache.
    """

    messages: list[Message]
    tools: Sequence[Mapping[str, Any]]
    choice: str
    forced_tool: str | None
    json_param: str | None
    json_schema: Mapping[str, Any] | None
    reasoning: str | None
    stop_sequences: Sequence[str]
    token_limit: int | None
    cache_key: str | None
    caches_everything: bool

    @property
    def functions(self) -> list[Mapping[str, Any]]:
        """Definitions of the tools that the model may call."""
        functions = (tool for tool in self.tools if tool["type"] in {"function", "custom"})
        return [tool.get("function", tool) for tool in functions]

    @property
    def last_user_text(self) -> str:
        """Text of the last user message that has text."""
        return self.messages[self._last_user_index].text if self._last_user_index >= 0 else ""

    @property
    def all_text(self) -> str:
        """Text of all system and user messages."""
        return "\n".join(item.text for item in self.messages if item.role in {"system", "user"})

    @property
    def current_turn(self) -> list[Message]:
        """The messages after the last user message."""
        return self.messages[self._last_user_index + 1 :]

    @property
    def _last_user_index(self) -> int:
        """Index of the last user message, preferring those with text; -1 without one.

        A message without text, such as an image returned by a tool, does not start a new turn.
        """
        users = [index for index, item in enumerate(self.messages) if item.role == "user"]
        with_text = [index for index in users if self.messages[index].text.strip()]
        return max(with_text or users, default=-1)

    @property
    def tool_results(self) -> list[tuple[str, str]]:
        """Names and results of the tools called since the last user message."""
        names = {call.id: call.name for message in self.messages for call in message.calls}
        results = [message for message in self.current_turn if message.role == "tool"]
        return [(names.get(item.call_id or "", "a tool"), item.text) for item in results]

    def check_tool_choice(self) -> None:
        """Reject the choice of a tool that the request does not define."""
        names = {function["name"] for function in self.functions}
        if self.forced_tool is not None and self.forced_tool not in names:
            reject_field("tool_choice", f"tools has no function named {self.forced_tool!r}")
        if self.choice == "required" and not self.tools:
            reject_field("tool_choice", "'required' needs at least one tool. Send tools")

    def truncate(self, answer: Answer) -> Answer:
        """Truncate an answer at the first stop sequence and at the token limit."""
        text = answer.text
        for stop in filter(None, self.stop_sequences):
            text = text.partition(stop)[0]
        if self.token_limit is None:
            return replace(answer, text=text)
        max_chars = self.token_limit * CHARS_PER_TOKEN
        remaining, calls = max_chars - len(text), []
        for call in answer.calls:
            if remaining > 0:
                fits = len(call.arguments_json) <= remaining
                args = call.args if fits else call.arguments_json[:remaining]
                calls.append({"name": call.name, "args": args, "id": call.id})
            remaining -= len(call.arguments_json)
        reason = answer.finish_reason or ("length" if remaining < 0 else None)
        return replace(answer, text=text[:max_chars], tool_calls=calls, finish_reason=reason)


def read_prompt(body: Mapping[str, Any]) -> Prompt:
    """Read the body that a provider receives."""
    choice = body.get("tool_choice") or "auto"
    forced_tool = choice.get("function", choice)["name"] if isinstance(choice, Mapping) else None
    stop = body.get("stop") or body.get("stop_sequences") or ()
    effort = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    thinking = (body.get("thinking") or {}).get("type")
    json_param, json_schema = _read_json_output(body)
    return Prompt(
        messages=read_messages(body),
        tools=body.get("tools") or (),
        choice="required" if forced_tool else choice,
        forced_tool=forced_tool,
        json_param=json_param,
        json_schema=json_schema,
        reasoning=next(
            (it for it in (effort, thinking) if it not in {None, "none", "disabled"}), None
        ),
        stop_sequences=[stop] if isinstance(stop, str) else stop,
        token_limit=next(filter(None, map(body.get, _LIMITS)), None),
        cache_key=body.get("prompt_cache_key"),
        caches_everything=bool(body.get("cache_control")),
    )


def _read_json_output(body: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any] | None]:
    """Return the field that asks for JSON, and the schema."""
    match body:
        case {"response_format": {"type": "json_schema", "json_schema": json_schema}}:
            return "response_format", json_schema.get("schema")
        case {"response_format": {"type": "json_object"}}:
            return "response_format", None
        case {"text": {"format": {"type": "json_schema", "schema": schema}}}:
            return "text.format", schema
    return None, None


def substitute_variables(value: Any, variables: Mapping[str, Any]) -> Any:
    """Replace ``{{name}}`` in the strings of a JSON value. Unknown names are left unchanged."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: str(variables.get(match[1], match[0])), value)
    if isinstance(value, list):
        return [substitute_variables(item, variables) for item in value]
    if isinstance(value, dict):
        return {name: substitute_variables(item, variables) for name, item in value.items()}
    return value

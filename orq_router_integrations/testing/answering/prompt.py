"""The prompt of a request, in one form for /chat/completions and /responses.

Requests are read from their JSON after it was validated. Fields with the same meaning often have
different names on the two endpoints, but each name has one meaning.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer, FunctionCall
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
_LIMIT_FIELDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def estimate_text_tokens(*texts: str) -> int:
    return sum(math.ceil(len(text) / CHARS_PER_TOKEN) for text in texts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A chat message, or an item of /responses.

    Attributes:
        role: ``system``, ``user``, ``assistant`` or ``tool``; empty if the item has no role.
        text: The text of its parts.
        attachments: Its images, files and audio.
        calls: Tool calls of an assistant.
        call_id: The call whose result this is.
    """

    role: str = ""
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    calls: tuple[FunctionCall, ...] = ()
    call_id: str | None = None

    @property
    def tokens(self) -> int:
        """Estimated number of tokens, without those of audio."""
        calls = (call.name + call.arguments for call in self.calls)
        files = sum(attachment.kind != "audio" for attachment in self.attachments)
        return MESSAGE_TOKENS + estimate_text_tokens(self.text, *calls) + FILE_TOKENS * files


def read_message(item: Mapping[str, Any]) -> Message:
    type_ = item.get("type", "message")
    role = _ROLES.get(item["role"] if type_ == "message" else type_)
    if role is None:
        return Message()
    calls = [FunctionCall(call["id"], **call["function"]) for call in item.get("tool_calls") or ()]
    if type_ in {"function_call", "custom_tool_call"}:
        arguments = item["arguments"] if "arguments" in item else item["input"]
        calls = [FunctionCall(item["call_id"], item["name"], arguments)]
    content = item.get("content") or item.get("output") or ""
    parts = [] if isinstance(content, str) else content
    texts = [part["text"] for part in parts if part["type"] in _TEXT_TYPES]
    return Message(
        role=role,
        text=content if isinstance(content, str) else "\n".join(texts),
        attachments=tuple(filter(None, map(read_attachment, parts))),
        calls=tuple(calls),
        call_id=item.get("tool_call_id") or (item.get("call_id") if role == "tool" else None),
    )


def list_items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages or input items of a request."""
    content = body.get("messages") or body.get("input") or []
    return [{"role": "user", "content": content}] if isinstance(content, str) else content


def find_orphan_result(messages: Iterable[Message]) -> int | None:
    """Return the index of the first tool result without a tool call before it."""
    call_ids: set[str | None] = {None}
    for index, message in enumerate(messages):
        call_ids.update(call.id for call in message.calls)
        if message.call_id not in call_ids:
            return index
    return None


class Prompt:
    """The prompt of a request, read from the body that the provider receives.

    Attributes:
        body: The request body.
        tools: All tools as they were sent, including those that the router runs.
        choice: Whether tools may or must be called: ``none``, ``auto`` or ``required``.
        forced_tool: Name of the tool that must be called.
    """

    def __init__(self, body: Mapping[str, Any]) -> None:
        choice: Any = body.get("tool_choice") or "auto"
        is_forced = isinstance(choice, Mapping)
        self.body = body
        self.tools: Sequence[Mapping[str, Any]] = body.get("tools") or ()
        self.choice = "required" if is_forced else choice
        self.forced_tool = choice.get("function", choice)["name"] if is_forced else None

    @cached_property
    def messages(self) -> list[Message]:
        """The conversation, the instructions first."""
        messages = [item for item in map(read_message, list_items(self.body)) if item.role]
        if self.body.get("instructions") is not None:
            messages.insert(0, Message(role="system", text=self.body["instructions"]))
        return messages

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

    @property
    def json_output(self) -> tuple[str, Mapping[str, Any] | None] | None:
        """The field that asks for JSON, and the schema; ``None`` for plain text."""
        match self.body:
            case {"response_format": {"type": "json_schema", "json_schema": json_schema}}:
                return "response_format", json_schema.get("schema")
            case {"response_format": {"type": "json_object"}}:
                return "response_format", None
            case {"text": {"format": {"type": "json_schema", "schema": schema}}}:
                return "text.format", schema
        return None

    @property
    def reasoning(self) -> str | None:
        """The request's reasoning setting; ``None`` without one."""
        effort = (self.body.get("reasoning") or {}).get("effort")
        thinking = (self.body.get("thinking") or {}).get("type")
        for setting in (self.body.get("reasoning_effort"), effort, thinking):
            if setting not in {None, "none", "disabled"}:
                return str(setting)
        return None

    def truncate(self, answer: Answer) -> Answer:
        """Truncate an answer at the first stop sequence and at the token limit."""
        text, stop = answer.text, self.body.get("stop") or self.body.get("stop_sequences") or ()
        for sequence in filter(None, [stop] if isinstance(stop, str) else stop):
            text = text.partition(sequence)[0]
        limit = next(filter(None, map(self.body.get, _LIMIT_FIELDS)), None)
        if limit is None:
            return replace(answer, text=text)
        max_chars = limit * CHARS_PER_TOKEN
        remaining, calls = max_chars - len(text), []
        for call in answer.calls:
            if remaining > 0:
                args = call.arguments[:remaining]
                calls.append({"name": call.name, "args": args, "id": call.id})
            remaining -= len(call.arguments)
        reason = answer.finish_reason or ("length" if remaining < 0 else None)
        return replace(answer, text=text[:max_chars], tool_calls=calls, finish_reason=reason)


def substitute_variables(value: Any, variables: Mapping[str, Any]) -> Any:
    """Replace ``{{name}}`` in the strings of a JSON value. Unknown names are left unchanged."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: str(variables.get(match[1], match[0])), value)
    if isinstance(value, list):
        return [substitute_variables(item, variables) for item in value]
    if isinstance(value, dict):
        return {name: substitute_variables(item, variables) for name, item in value.items()}
    return value

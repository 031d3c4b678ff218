"""Messages of /chat/completions and items of /responses, in one form.

They are read from their JSON after it was validated.
"""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from orq_router_integrations.testing.media.attachment import Attachment, read_attachment

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


def find_last_user_index(messages: list[Message]) -> int | None:
    """Return the index of the last user message, preferring those with text.

    A message without text, such as an image returned by a tool, does not start a new turn.
    """
    users = [index for index, message in enumerate(messages) if message.role == "user"]
    with_text = [index for index in users if messages[index].text.strip()]
    return next(reversed(with_text or users), None)


def substitute_variables(value: Any, variables: Mapping[str, Any]) -> Any:
    """Replace ``{{name}}`` in the strings of a JSON value. Unknown names are left unchanged."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda match: str(variables.get(match[1], match[0])), value)
    if isinstance(value, list):
        return [substitute_variables(item, variables) for item in value]
    if isinstance(value, dict):
        return {name: substitute_variables(item, variables) for name, item in value.items()}
    return value

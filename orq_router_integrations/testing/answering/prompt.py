"""The prompt of a request, in one form for /chat/completions and /responses.

Requests are read from their JSON after it was validated. Fields with the same meaning often have
different names on the two endpoints, but each name has one meaning.
"""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from orq_router_integrations.testing.media.audio import measure_audio
from orq_router_integrations.testing.routing.response import HTTPError

CHARS_PER_TOKEN = 4  # estimated
MESSAGE_TOKENS = 3  # for the structure of a message
FILE_TOKENS = 85  # per image or other file
AUDIO_TOKENS = 10  # per second

_TEXT_TYPES = {"text", "input_text", "output_text"}


def count_tokens(*texts: str) -> int:
    return sum(math.ceil(len(text) / CHARS_PER_TOKEN) for text in texts)


class FunctionCall(NamedTuple):
    """A tool call in the messages of a request or in an answer."""

    id: str | None
    name: str
    arguments: str  # usually JSON


class Attachment(NamedTuple):
    """A file in a message."""

    description: str
    audio_tokens: int = 0  # only for recordings


def _read_attachment(part: Mapping[str, Any]) -> Attachment | None:
    match part:
        case {"type": "input_audio", "input_audio": {"data": data}}:
            audio = base64.b64decode(data)
            seconds = measure_audio(audio) or 1.0
            return Attachment(f"audio ({len(audio)} bytes)", math.ceil(AUDIO_TOKENS * seconds))
        case {"type": "image_url", "image_url": {"url": source}}:
            name = "image"
        case {"type": "input_image"}:
            name, source = "image", part.get("image_url") or part["file_id"]
        case {"type": "file", "file": file} | ({"type": "input_file"} as file):
            name = f"file {file.get('filename') or ''}".strip()
            sources = ("file_data", "uri", "file_url", "file_id")
            source = next(file[key] for key in sources if file.get(key))
        case _:
            return None
    if source.startswith("data:"):
        return Attachment(f"{name} ({len(base64.b64decode(source.partition(',')[2]))} bytes)")
    return Attachment(f"{name} at {source}")


@dataclass(frozen=True, slots=True)
class Message:
    """A chat message, or an item of /responses."""

    role: str  # system, user, assistant or tool; empty if the item has no role
    text: str = ""
    attachments: tuple[Attachment, ...] = ()
    calls: tuple[FunctionCall, ...] = ()  # only in assistant messages
    call_id: str | None = None  # the call whose result this is

    @property
    def tokens(self) -> int:
        """Estimated number of tokens."""
        calls = (call.name + call.arguments for call in self.calls)
        files = sum(item.audio_tokens or FILE_TOKENS for item in self.attachments)
        return MESSAGE_TOKENS + count_tokens(self.text, *calls) + files


def read_message(item: Mapping[str, Any]) -> Message:
    type_, role = item.get("type", "message"), item.get("role", "")
    content, call_id = item.get("content") or "", item.get("tool_call_id")
    if type_ in {"function_call", "custom_tool_call"}:
        arguments = item["arguments"] if "arguments" in item else item["input"]
        return Message("assistant", calls=(FunctionCall(item["call_id"], item["name"], arguments),))
    if type_ in {"function_call_output", "custom_tool_call_output"}:
        role, content, call_id = "tool", item["output"], item["call_id"]
    elif type_ != "message":
        return Message("")
    parts = () if isinstance(content, str) else content
    texts = (part["text"] for part in parts if part["type"] in _TEXT_TYPES)
    calls = item.get("tool_calls") or ()
    return Message(
        "system" if role == "developer" else role,
        text=content if isinstance(content, str) else "\n".join(texts),
        attachments=tuple(filter(None, map(_read_attachment, parts))),
        calls=tuple(FunctionCall(call["id"], **call["function"]) for call in calls),
        call_id=call_id,
    )


def list_items(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the messages or input items of a request."""
    content = body.get("messages") or body.get("input") or []
    return [{"role": "user", "content": content}] if isinstance(content, str) else content


class Prompt:
    """The prompt of a request, read from the body that the provider receives."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        self.body = body
        self.messages = [item for item in map(read_message, list_items(body)) if item.role]
        if body.get("instructions") is not None:
            self.messages.insert(0, Message("system", body["instructions"]))
        # A user message without text, such as an image returned by a tool, does not start a turn
        texts = [item.text if item.role == "user" else "" for item in self.messages]
        last = max((index for index, text in enumerate(texts) if text.strip()), default=-1)
        self.last_user_text = texts[last] if last >= 0 else ""
        self.current_turn = self.messages[last + 1 :]
        self.tools: Sequence[Mapping[str, Any]] = body.get("tools") or ()
        # Tools of other types are run by the router
        functions = [tool for tool in self.tools if tool["type"] in {"function", "custom"}]
        self.functions: list[Any] = [tool.get("function", tool) for tool in functions]
        choice: Any = body.get("tool_choice") or "auto"
        is_forced = isinstance(choice, Mapping)
        self.choice: str = "required" if is_forced else choice
        self.forced_tool = choice.get("function", choice)["name"] if is_forced else None

    def check_tool_results(self) -> None:
        """Reject a tool result without a tool call before it, as providers do."""
        call_ids: set[str | None] = {None}
        for message in self.messages:
            call_ids.update(call.id for call in message.calls)
            if message.call_id not in call_ids:
                raise HTTPError(400, f"no tool call {message.call_id!r} precedes its result")

"""Chat messages by role, as defined by the HTTP API."""

from typing import Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.chat.parts import (
    AssistantPart,
    CacheControl,
    TextPart,
    UserPart,
)
from orq_router_integrations.testing.routing.schema_validation import RequestModel


class SystemMessage(RequestModel):
    role: Literal["system", "developer"]
    content: str | list[TextPart]
    name: str | None = None


class UserMessage(RequestModel):
    role: Literal["user"]
    content: str | list[UserPart]
    name: str | None = None


class CalledFunction(RequestModel):
    name: str
    arguments: str


class ReplayedToolCall(RequestModel):
    """A tool call in an earlier answer, with Gemini's signature in either of two fields."""

    id: str
    type: Literal["function"]
    function: CalledFunction
    thought_signature: str | None = None
    extra_content: dict[str, Any] | None = None


class AudioReference(RequestModel):
    id: str


class AssistantMessage(RequestModel):
    role: Literal["assistant"]
    content: str | list[AssistantPart] | None = None
    refusal: str | None = None
    name: str | None = None
    audio: AudioReference | None = None
    tool_calls: list[ReplayedToolCall] | None = None
    reasoning_content: str | None = None


class ToolMessage(RequestModel):
    role: Literal["tool"]
    content: str | list[TextPart]
    tool_call_id: str | None
    cache_control: CacheControl | None = None


Message = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")
]


def find_orphan_tool_message(messages: list[Any]) -> int | None:
    """Return the index of the first tool message without a tool call in an earlier message."""
    call_ids: set[str] = set()
    for index, message in enumerate(messages):
        if isinstance(message, AssistantMessage):
            call_ids |= {call.id for call in message.tool_calls or ()}
        elif isinstance(message, ToolMessage) and message.tool_call_id not in {None, *call_ids}:
            return index
    return None

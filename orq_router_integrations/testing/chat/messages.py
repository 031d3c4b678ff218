"""Chat messages by role, as the HTTP API defines them."""

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
    """Instructions, under either of their two roles."""

    role: Literal["system", "developer"]
    content: str | list[TextPart]
    name: str | None = None


class UserMessage(RequestModel):
    """What the user says and shows."""

    role: Literal["user"]
    content: str | list[UserPart]
    name: str | None = None


class CalledFunction(RequestModel):
    """The function of a tool call; the arguments are JSON text."""

    name: str
    arguments: str


class ReplayedToolCall(RequestModel):
    """A tool call of the assistant, replayed, with Gemini's signature in either of its places."""

    id: str
    type: Literal["function"]
    function: CalledFunction
    thought_signature: str | None = None
    extra_content: dict[str, Any] | None = None


class AudioReference(RequestModel):
    """An earlier spoken answer."""

    id: str


class AssistantMessage(RequestModel):
    """An earlier answer, replayed."""

    role: Literal["assistant"]
    content: str | list[AssistantPart] | None = None
    refusal: str | None = None
    name: str | None = None
    audio: AudioReference | None = None
    tool_calls: list[ReplayedToolCall] | None = None
    reasoning_content: str | None = None


class ToolMessage(RequestModel):
    """A tool's result."""

    role: Literal["tool"]
    content: str | list[TextPart]
    tool_call_id: str | None
    cache_control: CacheControl | None = None


Message = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")
]


def find_orphan_tool_message(messages: list[Any]) -> int | None:
    """Index of the first tool message that answers no call of an earlier assistant message."""
    called: set[str] = set()
    for index, message in enumerate(messages):
        if isinstance(message, AssistantMessage):
            called |= {call.id for call in message.tool_calls or ()}
        elif isinstance(message, ToolMessage) and message.tool_call_id not in {None, *called}:
            return index
    return None

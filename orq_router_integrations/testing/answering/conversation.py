"""The parts of a conversation that determine its answer."""

from collections.abc import Sequence
from dataclasses import dataclass

from orq_router_integrations.testing.chat.messages import (
    AssistantMessage,
    Message,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from orq_router_integrations.testing.chat.parts import get_text


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call."""

    tool: str
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages of a request."""

    messages: Sequence[Message]

    @property
    def last_user_text(self) -> str:
        """Text of the last user message that has text."""
        index = self._last_user_index
        return "" if index is None else get_text(self.messages[index].content)

    @property
    def _last_user_index(self) -> int | None:
        """Index of the last user message with text, or of the last user message if none has text.

        A message without text, such as an image returned by a tool, does not start a new turn.
        """
        users = [i for i, m in enumerate(self.messages) if isinstance(m, UserMessage)]
        with_text = [i for i in users if get_text(self.messages[i].content).strip()]
        return next(reversed(with_text or users), None)

    @property
    def all_text(self) -> str:
        """Text of all system and user messages."""
        instructions = (m for m in self.messages if isinstance(m, SystemMessage | UserMessage))
        return "\n".join(get_text(message.content) for message in instructions)

    @property
    def system_message_count(self) -> int:
        """Number of system messages."""
        return sum(isinstance(message, SystemMessage) for message in self.messages)

    @property
    def called_tools(self) -> set[str]:
        """Names of the tools called since the last user message."""
        turn = (m for m in self._current_turn if isinstance(m, AssistantMessage))
        return {call.function.name for message in turn for call in message.tool_calls or ()}

    @property
    def tool_results(self) -> list[ToolResult]:
        """Results of tools since the last user message."""
        turn = (m for m in self._current_turn if isinstance(m, ToolMessage))
        names = self._tool_names_by_call_id
        return [
            ToolResult(names.get(m.tool_call_id or "", "a tool"), get_text(m.content)) for m in turn
        ]

    @property
    def _current_turn(self) -> Sequence[Message]:
        index = self._last_user_index
        return self.messages if index is None else self.messages[index + 1 :]

    @property
    def _tool_names_by_call_id(self) -> dict[str, str]:
        assistant_messages = (m for m in self.messages if isinstance(m, AssistantMessage))
        return {
            call.id: call.function.name for m in assistant_messages for call in m.tool_calls or ()
        }

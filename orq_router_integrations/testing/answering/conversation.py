"""What a conversation says to the one who has to answer it."""

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
    """What a tool gave back."""

    tool: str
    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages, seen from their end."""

    messages: Sequence[Message]

    @property
    def last_user_text(self) -> str:
        """The text of the user's last message that has one."""
        asked = self._last_user_index
        return "" if asked is None else get_text(self.messages[asked].content)

    @property
    def _last_user_index(self) -> int | None:
        """Where the user last asked something; what only shows pictures belongs to that."""
        users = [i for i, m in enumerate(self.messages) if isinstance(m, UserMessage)]
        told = [i for i in users if get_text(self.messages[i].content).strip()]
        return next(reversed(told or users), None)

    @property
    def all_text(self) -> str:
        """Everything that instructs: what the system and the user said."""
        heard = (m for m in self.messages if isinstance(m, SystemMessage | UserMessage))
        return "\n".join(get_text(message.content) for message in heard)

    @property
    def system_message_count(self) -> int:
        """How many messages instruct the model."""
        return sum(isinstance(message, SystemMessage) for message in self.messages)

    @property
    def called_tools(self) -> set[str]:
        """The tools called since the user's last message."""
        turn = (m for m in self._current_turn if isinstance(m, AssistantMessage))
        return {call.function.name for message in turn for call in message.tool_calls or ()}

    @property
    def tool_results(self) -> list[ToolResult]:
        """What the tools gave back since the user's last message."""
        turn = (m for m in self._current_turn if isinstance(m, ToolMessage))
        names = self._tool_names_by_call_id
        return [
            ToolResult(names.get(m.tool_call_id or "", "a tool"), get_text(m.content)) for m in turn
        ]

    @property
    def _current_turn(self) -> Sequence[Message]:
        asked = self._last_user_index
        return self.messages if asked is None else self.messages[asked + 1 :]

    @property
    def _tool_names_by_call_id(self) -> dict[str, str]:
        made = (m for m in self.messages if isinstance(m, AssistantMessage))
        return {call.id: call.function.name for m in made for call in m.tool_calls or ()}

"""Input and output items of /responses, and the same as chat messages."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag, TypeAdapter

from orq_router_integrations.testing.chat.messages import (
    AssistantMessage,
    CalledFunction,
    Message,
    ReplayedToolCall,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from orq_router_integrations.testing.chat.parts import ReasoningPart
from orq_router_integrations.testing.responses.parts import (
    AssistantContent,
    InputText,
    UserContent,
)
from orq_router_integrations.testing.routing.schema_validation import RequestModel, get_member

Status = Literal["in_progress", "completed", "incomplete"]

SEARCH = "web_search_call"
"""Type of the item that shows a search of the server tool orq:web_search."""

_OPAQUE = Literal[
    "computer_call",
    "computer_call_output",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "compaction",
    "program",
    "program_output",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
    "configuration_update",
    "web_search_call",
]


class ToolOutput(ToolMessage):
    """A tool's result; here it may hold images and files."""

    content: Any


class _Item(RequestModel):
    id: str | None = None

    def message(self) -> Message | None:
        """The item as chat has it; ``None`` where chat has nothing like it."""
        return None


class SystemItem(_Item):
    """Instructions, under either of their two roles."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer"]
    content: str | list[InputText]
    status: Status | None = None

    def message(self) -> Message:
        """The item as chat has it."""
        return SystemMessage(role=self.role, content=_convert_content(self.content))


class UserItem(_Item):
    """What the user says and shows."""

    type: Literal["message"] = "message"
    role: Literal["user"]
    content: str | list[UserContent]
    status: Status | None = None

    def message(self) -> Message:
        """The item as chat has it."""
        return UserMessage(role="user", content=_convert_content(self.content))


class AssistantItem(_Item):
    """An earlier answer, replayed."""

    type: Literal["message"] = "message"
    role: Literal["assistant"]
    content: str | list[AssistantContent]
    status: Status | None = None

    def message(self) -> Message:
        """The item as chat has it."""
        return AssistantMessage(role="assistant", content=_convert_content(self.content))


class SummaryText(RequestModel):
    """A piece of a summary of reasoning."""

    type: Literal["summary_text"]
    text: str


class ReasoningText(RequestModel):
    """A piece of reasoning."""

    type: Literal["reasoning_text"]
    text: str


class ReasoningItem(_Item):
    """Earlier reasoning, replayed, with the provider's seal on it."""

    type: Literal["reasoning"]
    summary: list[SummaryText] = Field(default_factory=list)
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: Status | None = None

    def message(self) -> Message:
        """The item as chat has it."""
        text = "\n".join(piece.text for piece in [*self.summary, *(self.content or ())])
        seal = self.encrypted_content or ""
        part = ReasoningPart(type="reasoning", reasoning=text, signature=seal)
        return AssistantMessage(role="assistant", content=[part])


class FunctionCall(_Item):
    """A call of a function, replayed; the arguments are JSON text."""

    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    async_: bool | None = Field(default=None, alias="async")
    status: Status | None = None

    def message(self) -> Message:
        """The item as chat has it."""
        return _create_call_message(self.call_id, self.name, self.arguments)


class CustomToolCall(_Item):
    """A call of a custom tool, replayed; its input is any text."""

    type: Literal["custom_tool_call"]
    call_id: str
    name: str
    input: str
    async_: bool | None = Field(default=None, alias="async")
    status: Status | None = None

    def message(self) -> Message:
        """The item as chat has it."""
        return _create_call_message(self.call_id, self.name, self.input)


class CallOutput(_Item):
    """What a tool gave back."""

    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str
    output: str | list[UserContent]
    status: Status | None = None

    def message(self) -> Message:
        """The item as chat has it."""
        return ToolOutput(
            role="tool", content=_convert_content(self.output), tool_call_id=self.call_id
        )


class ItemReference(RequestModel):
    """Stands for an item of a stored response."""

    type: Literal["item_reference"]
    id: str


class OpaqueItem(_Item):
    """An item whose type the contract knows, and whose members it does not."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: _OPAQUE


def _get_item_type(item: Any) -> str | None:
    """The tag of an item: its type, and for a message its role."""
    kind = get_member(item, "type", "message")
    if kind == "message":
        role = get_member(item, "role")
        return role if isinstance(role, str) else None
    return kind if kind in _TAGS else "other"


_TAGS = (
    "reasoning",
    "function_call",
    "custom_tool_call",
    "function_call_output",
    "custom_tool_call_output",
    "item_reference",
)

Item = (
    SystemItem
    | UserItem
    | AssistantItem
    | ReasoningItem
    | FunctionCall
    | CustomToolCall
    | CallOutput
    | OpaqueItem
)

SentItem = Annotated[
    Annotated[SystemItem, Tag("system")]
    | Annotated[SystemItem, Tag("developer")]
    | Annotated[UserItem, Tag("user")]
    | Annotated[AssistantItem, Tag("assistant")]
    | Annotated[ReasoningItem, Tag("reasoning")]
    | Annotated[FunctionCall, Tag("function_call")]
    | Annotated[CustomToolCall, Tag("custom_tool_call")]
    | Annotated[CallOutput, Tag("function_call_output")]
    | Annotated[CallOutput, Tag("custom_tool_call_output")]
    | Annotated[ItemReference, Tag("item_reference")]
    | Annotated[OpaqueItem, Tag("other")],
    Discriminator(
        _get_item_type,
        custom_error_type="item",
        custom_error_message="must be an object with a type, or a message with one of the roles "
        "user, assistant, system and developer",
    ),
]

_ITEMS: TypeAdapter[list[Any]] = TypeAdapter(list[SentItem])


def parse_output_items(output: Sequence[dict[str, Any]]) -> list[Item]:
    """Output items as the input of a later request."""
    items: list[Item] = _ITEMS.validate_python(output)
    return items


def convert_items(items: Iterable[Item]) -> list[Message]:
    """A conversation as chat has it."""
    found = (item.message() for item in items)
    return [message for message in found if message is not None]


def find_orphan_output(earlier: Iterable[Item], items: Iterable[Item]) -> int | None:
    """Index of the first tool output that answers no call before it."""
    called = {item.call_id for item in earlier if isinstance(item, FunctionCall | CustomToolCall)}
    for index, item in enumerate(items):
        if isinstance(item, FunctionCall | CustomToolCall):
            called.add(item.call_id)
        elif isinstance(item, CallOutput) and item.call_id not in called:
            return index
    return None


def _convert_content(content: Any) -> Any:
    return content if isinstance(content, str) else [part.part() for part in content]


def _create_call_message(call_id: str, name: str, arguments: str) -> AssistantMessage:
    function = CalledFunction(name=name, arguments=arguments)
    call = ReplayedToolCall(id=call_id, type="function", function=function)
    return AssistantMessage(role="assistant", tool_calls=[call])

"""Input and output items of /responses, and their conversion to chat messages."""

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

SEARCH_CALL = "web_search_call"
"""Type of the item that reports a web search by the router."""

_OPAQUE_TYPES = Literal[
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
    """The result of a tool call. Unlike on /chat/completions it may contain images and files."""

    content: Any


class _Item(RequestModel):
    id: str | None = None

    def to_message(self) -> Message | None:
        return None


class SystemItem(_Item):
    type: Literal["message"] = "message"
    role: Literal["system", "developer"]
    content: str | list[InputText]
    status: Status | None = None

    def to_message(self) -> Message:
        return SystemMessage(role=self.role, content=_convert_content(self.content))


class UserItem(_Item):
    type: Literal["message"] = "message"
    role: Literal["user"]
    content: str | list[UserContent]
    status: Status | None = None

    def to_message(self) -> Message:
        return UserMessage(role="user", content=_convert_content(self.content))


class AssistantItem(_Item):
    type: Literal["message"] = "message"
    role: Literal["assistant"]
    content: str | list[AssistantContent]
    status: Status | None = None

    def to_message(self) -> Message:
        return AssistantMessage(role="assistant", content=_convert_content(self.content))


class SummaryText(RequestModel):
    type: Literal["summary_text"]
    text: str


class ReasoningText(RequestModel):
    type: Literal["reasoning_text"]
    text: str


class ReasoningItem(_Item):
    type: Literal["reasoning"]
    summary: list[SummaryText] = Field(default_factory=list)
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None
    status: Status | None = None

    def to_message(self) -> Message:
        text = "\n".join(part.text for part in [*self.summary, *(self.content or ())])
        signature = self.encrypted_content or ""
        part = ReasoningPart(type="reasoning", reasoning=text, signature=signature)
        return AssistantMessage(role="assistant", content=[part])


class FunctionCall(_Item):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    async_: bool | None = Field(default=None, alias="async")
    status: Status | None = None

    def to_message(self) -> Message:
        return _create_call_message(self.call_id, self.name, self.arguments)


class CustomToolCall(_Item):
    type: Literal["custom_tool_call"]
    call_id: str
    name: str
    input: str
    async_: bool | None = Field(default=None, alias="async")
    status: Status | None = None

    def to_message(self) -> Message:
        return _create_call_message(self.call_id, self.name, self.input)


class CallOutput(_Item):
    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str
    output: str | list[UserContent]
    status: Status | None = None

    def to_message(self) -> Message:
        return ToolOutput(
            role="tool", content=_convert_content(self.output), tool_call_id=self.call_id
        )


class ItemReference(RequestModel):
    type: Literal["item_reference"]
    id: str


class OpaqueItem(_Item):
    """An item whose type is documented but whose fields are not."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: _OPAQUE_TYPES


def _get_item_type(item: Any) -> str | None:
    """Return the tag of an item: the role of a message, the type of any other item."""
    item_type = get_member(item, "type", "message")
    if item_type == "message":
        role = get_member(item, "role")
        return role if isinstance(role, str) else None
    return item_type if item_type in _TAGS else "other"


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

InputItem = Annotated[
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
        custom_error_message="must be an object with a type, or a message with the role user, "
        "assistant, system or developer",
    ),
]

_ITEMS_ADAPTER: TypeAdapter[list[Any]] = TypeAdapter(list[InputItem])


def parse_output_items(output: Sequence[dict[str, Any]]) -> list[Item]:
    items: list[Item] = _ITEMS_ADAPTER.validate_python(output)
    return items


def convert_items(items: Iterable[Item]) -> list[Message]:
    """Convert items to chat messages, skipping items without an equivalent."""
    messages = (item.to_message() for item in items)
    return [message for message in messages if message is not None]


def find_orphan_output(earlier: Iterable[Item], items: Iterable[Item]) -> int | None:
    """Return the index of the first tool output without a preceding call."""
    call_ids = {item.call_id for item in earlier if isinstance(item, FunctionCall | CustomToolCall)}
    for index, item in enumerate(items):
        if isinstance(item, FunctionCall | CustomToolCall):
            call_ids.add(item.call_id)
        elif isinstance(item, CallOutput) and item.call_id not in call_ids:
            return index
    return None


def _convert_content(content: Any) -> Any:
    return content if isinstance(content, str) else [part.to_chat_part() for part in content]


def _create_call_message(call_id: str, name: str, arguments: str) -> AssistantMessage:
    function = CalledFunction(name=name, arguments=arguments)
    call = ReplayedToolCall(id=call_id, type="function", function=function)
    return AssistantMessage(role="assistant", tool_calls=[call])

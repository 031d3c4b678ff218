"""Items of /responses and their content parts, and their conversion to chat messages."""

from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    TypeAdapter,
    model_validator,
)

from orq_router_integrations.testing.chat.messages import (
    AssistantMessage,
    CalledFunction,
    Message,
    ReplayedToolCall,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from orq_router_integrations.testing.chat.parts import (
    CacheControl,
    DataUriStr,
    File,
    FilePart,
    FileUriStr,
    ImagePart,
    ImageUrl,
    ImageUrlStr,
    ReasoningPart,
    RefusalPart,
    TextPart,
    check_source,
)
from orq_router_integrations.testing.routing.schema_validation import RequestModel, get_member

Status = Literal["in_progress", "completed", "incomplete"]

SEARCH_CALL = "web_search_call"
"""Type of the item that reports a web search by the router."""


class CacheBreakpoint(RequestModel):
    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] | None = None


class _CacheablePart(RequestModel):
    """Base of parts that can end a prefix of the provider's prompt cache, in either format."""

    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None

    @property
    def chat_cache_control(self) -> CacheControl | None:
        if self.cache_control is None and self.prompt_cache_breakpoint is not None:
            return CacheControl(type="ephemeral")
        return self.cache_control


class InputText(_CacheablePart):
    type: Literal["input_text"]
    text: str

    def to_chat_part(self) -> TextPart:
        return TextPart(type="text", text=self.text, cache_control=self.chat_cache_control)


class InputImage(_CacheablePart):
    """An image with exactly one source: an https URL or data URI, or a provider's file id."""

    type: Literal["input_image"]
    image_url: ImageUrlStr | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high"] = "auto"

    @model_validator(mode="after")
    def _check_source(self) -> "InputImage":
        check_source({"image_url": self.image_url, "file_id": self.file_id}, None)
        return self

    def to_chat_part(self) -> ImagePart | FilePart:
        """Convert the part to a chat part; an image with a file id becomes a file."""
        if self.image_url is None:
            return _create_file_part(self.chat_cache_control, file_id=self.file_id)
        image = ImageUrl(url=self.image_url, detail=self.detail)
        return ImagePart(type="image_url", image_url=image, cache_control=self.chat_cache_control)


class InputFile(_CacheablePart):
    """A file with exactly one source: a data URI, a URI or a provider's file id."""

    type: Literal["input_file"]
    file_data: DataUriStr | None = None
    file_url: FileUriStr | None = None
    file_id: str | None = None
    filename: str | None = None
    mime_type: str | None = None

    @model_validator(mode="after")
    def _check_source(self) -> "InputFile":
        sources = {"file_data": self.file_data, "file_url": self.file_url, "file_id": self.file_id}
        check_source(sources, self.filename)
        return self

    def to_chat_part(self) -> FilePart:
        return _create_file_part(
            self.chat_cache_control,
            file_data=self.file_data,
            uri=self.file_url,
            file_id=self.file_id,
            filename=self.filename,
        )


class OutputText(RequestModel):
    type: Literal["output_text"]
    text: str
    annotations: list[dict[str, Any]] = Field(default_factory=list)
    logprobs: list[dict[str, Any]] | None = None

    def to_chat_part(self) -> TextPart:
        return TextPart(type="text", text=self.text)


class OutputRefusal(RefusalPart):
    def to_chat_part(self) -> RefusalPart:
        return self


UserContent = Annotated[InputText | InputImage | InputFile, Field(discriminator="type")]
AssistantContent = Annotated[InputText | OutputText | OutputRefusal, Field(discriminator="type")]


def _create_file_part(cache_control: CacheControl | None, **fields: Any) -> FilePart:
    """Create a chat file part without chat's check of file ids, which may have any format here."""
    file = File.model_construct(**fields)
    return FilePart(type="file", file=file, cache_control=cache_control)


class ToolOutput(ToolMessage):
    """The result of a tool call. Unlike on /chat/completions it may contain images and files."""

    content: Any


class _Item(RequestModel):
    id: str | None = None


class SystemItem(_Item):
    type: Literal["message"] = "message"
    role: Literal["system", "developer"]
    content: str | list[InputText]
    status: Status | None = None


class UserItem(_Item):
    type: Literal["message"] = "message"
    role: Literal["user"]
    content: str | list[UserContent]
    status: Status | None = None


class AssistantItem(_Item):
    type: Literal["message"] = "message"
    role: Literal["assistant"]
    content: str | list[AssistantContent]
    status: Status | None = None


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


class FunctionCall(_Item):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    async_: bool | None = Field(default=None, alias="async")
    status: Status | None = None


class CustomToolCall(_Item):
    type: Literal["custom_tool_call"]
    call_id: str
    name: str
    input: str
    async_: bool | None = Field(default=None, alias="async")
    status: Status | None = None


class CallOutput(_Item):
    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str
    output: str | list[UserContent]
    status: Status | None = None


class ItemReference(RequestModel):
    type: Literal["item_reference"]
    id: str


class OpaqueItem(_Item):
    """An item whose type is documented but whose fields are not."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    type: Annotated[
        str,
        StringConstraints(
            pattern=r"^((computer|local_shell|shell|apply_patch)_call(_output)?|tool_search_(call|output)"
            r"|program(_output)?|additional_tools|compaction|configuration_update|web_search_call"
            r"|mcp_(call|list_tools|approval_request|approval_response))$"
        ),
    ]


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
    messages = map(_to_message, items)
    return [message for message in messages if message is not None]


_MESSAGES: dict[str, Callable[..., Message]] = {
    "system": SystemMessage,
    "developer": SystemMessage,
    "user": UserMessage,
    "assistant": AssistantMessage,
}


def _to_message(item: Item) -> Message | None:
    match item:
        case SystemItem() | UserItem() | AssistantItem():
            message_class = _MESSAGES[item.role]
            return message_class(role=item.role, content=_convert_content(item.content))
        case ReasoningItem():
            text = "\n".join(part.text for part in [*item.summary, *(item.content or ())])
            signature = item.encrypted_content or ""
            part = ReasoningPart(type="reasoning", reasoning=text, signature=signature)
            return AssistantMessage(role="assistant", content=[part])
        case FunctionCall(call_id=call_id, name=name, arguments=arguments):
            return _create_call_message(call_id, name, arguments)
        case CustomToolCall(call_id=call_id, name=name, input=text):
            return _create_call_message(call_id, name, text)
        case CallOutput(call_id=call_id, output=output):
            return ToolOutput(role="tool", content=_convert_content(output), tool_call_id=call_id)
    return None


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

"""Schema of the body of POST /responses, without the router's controls.

Objects that only affect the inner workings of the real router, such as ``memory`` and ``limits``,
may have any fields.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from orq_router_integrations.testing.chat import schema as chat
from orq_router_integrations.testing.routing.schema_validation import RequestModel, get_field

JsonObject = dict[str, Any]


class InputPart(chat.CacheableContent):
    prompt_cache_breakpoint: JsonObject | None = None


class InputText(InputPart):
    type: Literal["input_text"]
    text: str


class InputImage(InputPart, chat.SingleSource):
    source_fields = ("image_url", "file_id")

    type: Literal["input_image"]
    image_url: chat.ImageSource | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high"] = "auto"


class InputFile(InputPart, chat.SingleSource):
    source_fields = ("file_data", "file_url", "file_id")

    type: Literal["input_file"]
    file_data: chat.DataURI | None = None
    file_url: chat.FileURI | None = None
    file_id: str | None = None
    filename: str | None = None
    mime_type: str | None = None


class OutputText(RequestModel):
    type: Literal["output_text"]
    text: str
    annotations: list[JsonObject] | None = None
    logprobs: list[JsonObject] | None = None


UserContent = Annotated[InputText | InputImage | InputFile, Field(discriminator="type")]
AssistantContent = Annotated[InputText | OutputText | chat.RefusalPart, Field(discriminator="type")]


class Item(RequestModel):
    id: str | None = None
    status: Literal["in_progress", "completed", "incomplete"] | None = None


class SystemItem(Item):
    type: Literal["message"] = "message"
    role: Literal["system", "developer"]
    content: str | list[InputText]


class UserItem(Item):
    type: Literal["message"] = "message"
    role: Literal["user"]
    content: str | list[UserContent]


class AssistantItem(Item):
    type: Literal["message"] = "message"
    role: Literal["assistant"]
    content: str | list[AssistantContent]


class ReasoningText(RequestModel):
    type: Literal["summary_text", "reasoning_text"]
    text: str


class ReasoningItem(Item):
    type: Literal["reasoning"]
    summary: list[ReasoningText] | None = None
    content: list[ReasoningText] | None = None
    encrypted_content: str | None = None


class FunctionCall(Item):
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    async_: bool | None = Field(default=None, alias="async")


class CustomToolCall(Item):
    type: Literal["custom_tool_call"]
    call_id: str
    name: str
    input: str
    async_: bool | None = Field(default=None, alias="async")


class CallOutput(Item):
    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str
    output: str | list[UserContent]


_ShellItem = Literal[
    "shell_call", "shell_call_output", "local_shell_call", "local_shell_call_output"
]
_McpItem = Literal["mcp_call", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response"]
_ToolItem = Literal[
    "computer_call", "computer_call_output", "apply_patch_call", "apply_patch_call_output"
]
_SearchItem = Literal["web_search_call", "tool_search_call", "tool_search_output"]
_OtherItem = Literal[
    "program",
    "program_output",
    "additional_tools",
    "compaction",
    "configuration_update",
    "item_reference",
]


class OpaqueItem(RequestModel):
    """An item whose type is documented but whose fields are not."""

    model_config = ConfigDict(extra="allow")

    type: Literal[_ShellItem, _McpItem, _ToolItem, _SearchItem, _OtherItem]


MessageItem = Annotated[SystemItem | UserItem | AssistantItem, Field(discriminator="role")]
OtherItem = Annotated[
    ReasoningItem | FunctionCall | CustomToolCall | CallOutput | OpaqueItem,
    Field(discriminator="type"),
]


def _get_item_kind(item: Any) -> str:
    """Return the tag of an item. Messages need no type."""
    return "message" if get_field(item, "type", "message") == "message" else "item"


InputItem = Annotated[
    Annotated[MessageItem, Tag("message")] | Annotated[OtherItem, Tag("item")],
    Discriminator(_get_item_kind),
]


class FunctionTool(chat.CacheableContent):
    type: Literal["function"]
    name: chat.Name
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None
    async_: bool | None = Field(default=None, alias="async")
    defer_loading: bool | None = None


class CustomTool(RequestModel):
    """A tool whose input is any text."""

    type: Literal["custom"]
    name: chat.Name
    description: str | None = None
    async_: bool | None = Field(default=None, alias="async")


class McpTool(RequestModel):
    type: Literal["mcp"]
    key: str | None = None
    server_url: str | None = None
    server_description: str | None = None
    headers: dict[str, str] | None = None
    allowed_tools: JsonObject | None = None


_WebTool = Literal[
    "orq:web_search", "orq:google_search", "orq:web_fetch", "orq:web_scraper", "orq:http"
]
_KnowledgeTool = Literal[
    "orq:query_knowledge_base", "orq:retrieve_knowledge_bases", "orq:search_models"
]
_CodeTool = Literal[
    "orq:code_interpreter", "orq:shell", "orq:apply_patch", "orq:function", "orq:mcp"
]
_ModelTool = Literal["orq:advisor", "orq:subagent", "orq:sidekick"]
_OtherTool = Literal[
    "orq:datetime", "orq:current_date", "orq:tool_search", "orq:image_generation", "orq:fusion"
]


class ServerTool(RequestModel):
    """A tool that the router runs. Most fields exist for some types only."""

    type: Literal[_WebTool, _KnowledgeTool, _CodeTool, _ModelTool, _OtherTool]
    model: str | None = None
    max_tokens: int | None = None
    max_uses: int | None = None
    max_transcript_tokens: int | None = None
    reasoning_effort: chat.Effort | None = None
    temperature: float | None = None
    output_format: str | None = None
    system_prompt: str | None = None
    files: list[JsonObject] | None = None
    max_results: int | None = None
    network: JsonObject | None = None
    timezone: str | None = None
    tool_id: str | None = None


Tool = Annotated[FunctionTool | CustomTool | McpTool | ServerTool, Field(discriminator="type")]


class SchemaFormat(chat.JsonSchema):
    type: Literal["json_schema"]
    schema_: JsonObject = Field(alias="schema")


class TextSettings(RequestModel):
    """Format and verbosity of the text. This endpoint does not support ``json_object``."""

    format: Annotated[chat.TextFormat | SchemaFormat, Field(discriminator="type")] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(RequestModel):
    effort: chat.Effort | None = None
    summary: Literal["concise", "detailed", "auto"] | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None


class Thinking(RequestModel):
    """Reasoning settings in the format of Anthropic and Google."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"] | None
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted", "updates"] | None = None
    thinking_level: chat.ThinkingLevel | None = None


class ChosenFunction(RequestModel):
    type: Literal["function"]
    name: str


class RouterFields(RequestModel):
    """Fields that the router does not pass on to providers."""

    previous_response_id: str | None = None
    conversation: JsonObject | None = None
    store: bool | None = None
    background: bool | None = None
    template_engine: Literal["text", "jinja", "mustache"] | None = None
    memory: JsonObject | None = None
    limits: JsonObject | None = None
    integration_id: str | None = None
    security: JsonObject | None = None
    metadata: dict[str, str] | None = None  # a control, which the response repeats


class ResponsesRequest(chat.TextRequest, RouterFields):
    """The body of a request, with every documented field and limit.

    Its ``input`` is replaced by the complete conversation before providers are called.
    """

    input: str | list[InputItem] | None = None
    instructions: str | None = None
    include: list[str] | None = None
    stream_options: JsonObject | None = None
    top_k: int | None = None
    max_output_tokens: int | None = Field(default=None, gt=0)
    stop_sequences: list[str] | None = None
    text: TextSettings | None = None
    reasoning: Reasoning | None = None
    thinking: Thinking | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | ChosenFunction | None = None
    max_tool_calls: int | None = Field(default=None, ge=0)
    service_tier: (
        Literal["auto", "default", "flex", "fast", "ultrafast", "scale", "priority"] | None
    ) = None
    speed: Literal["standard", "fast"] | None = None
    safety_identifier: str | None = None
    prompt_cache_options: JsonObject | None = None
    context_management: list[JsonObject] | None = None

    @property
    def is_stored(self) -> bool:
        return self.store is not False

    @property
    def is_cacheable(self) -> bool:
        return not self.stream and not self.background

    def build_provider_body(self, model: str) -> dict[str, Any]:
        body = super().build_provider_body(model)
        return {name: body[name] for name in body if name not in RouterFields.model_fields}


class CompactionRequest(RequestModel):
    model: str
    input: str | list[InputItem] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    prompt_cache_key: str | None = None

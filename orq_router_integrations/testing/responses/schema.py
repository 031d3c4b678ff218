"""Schema of the body of POST /responses, without the router's controls.

Fields that only affect the inner workings of the real router, such as ``memory``, ``limits`` and
``context_management``, are validated and otherwise ignored.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from orq_router_integrations.testing.chat.parts import CacheControl
from orq_router_integrations.testing.chat.schema import Penalty, SchemaName, TextFormat
from orq_router_integrations.testing.responses.items import InputItem
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.testing.routing.schema_validation import RequestModel, get_member

INCLUDE_LOGPROBS = "message.output_text.logprobs"
"""Value of ``include`` that requests logprobs."""

Name = Annotated[str, StringConstraints(min_length=1)]
Effort = Literal["none", "instant", "minimal", "low", "medium", "high", "xhigh", "max"]

_ServerToolType = Annotated[
    str,
    StringConstraints(
        pattern=r"^orq:(web_search|web_fetch|datetime|search_models|tool_search|image_generation"
        r"|apply_patch|fusion|shell|query_knowledge_base|retrieve_knowledge_bases|current_date"
        r"|google_search|web_scraper|code_interpreter|mcp|http|function)$"
    ),
]


class FunctionTool(RequestModel):
    type: Literal["function"]
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    async_: bool | None = Field(default=None, alias="async")
    cache_control: CacheControl | None = None
    defer_loading: bool | None = None


class CustomTool(RequestModel):
    """A tool whose input is any text."""

    type: Literal["custom"]
    name: Name
    description: str | None = None
    async_: bool | None = Field(default=None, alias="async")


class AllowedTools(RequestModel):
    read_only: bool | None = None
    tool_names: list[str] | None = None


class McpTool(RequestModel):
    type: Literal["mcp"]
    key: str | None = None
    server_url: str | None = None
    server_description: str | None = None
    headers: dict[str, str] | None = None
    allowed_tools: AllowedTools | None = None


class StagedFile(RequestModel):
    file_id: str
    name: str


class Network(RequestModel):
    allowlist: list[str] | None = None
    mode: Literal["disabled", "allowlist"] | None = None


class ServerTool(RequestModel):
    type: _ServerToolType
    files: list[StagedFile] | None = None
    max_results: int | None = None
    network: Network | None = None
    timezone: str | None = None
    tool_id: str | None = None


class _SecondModelTool(RequestModel):
    model: str
    max_tokens: int | None = None
    max_uses: int | None = None
    reasoning_effort: Effort | None = None
    temperature: float | None = None


class AdvisorTool(_SecondModelTool):
    type: Literal["orq:advisor"]
    max_transcript_tokens: int | None = None


class SubagentTool(_SecondModelTool):
    type: Literal["orq:subagent", "orq:sidekick"]
    output_format: str | None = None
    system_prompt: str | None = None


def _get_tool_type(tool: Any) -> str | None:
    """Return the tag of a tool. Tags differ from field names to keep error paths unambiguous."""
    tool_type = get_member(tool, "type")
    if not isinstance(tool_type, str):
        return None
    return f"{tool_type} tool" if f"{tool_type} tool" in _TAGS else "server tool"


_TAGS = (
    "function tool",
    "custom tool",
    "mcp tool",
    "orq:advisor tool",
    "orq:subagent tool",
    "orq:sidekick tool",
)

Tool = Annotated[
    Annotated[FunctionTool, Tag("function tool")]
    | Annotated[CustomTool, Tag("custom tool")]
    | Annotated[McpTool, Tag("mcp tool")]
    | Annotated[AdvisorTool, Tag("orq:advisor tool")]
    | Annotated[SubagentTool, Tag("orq:subagent tool")]
    | Annotated[SubagentTool, Tag("orq:sidekick tool")]
    | Annotated[ServerTool, Tag("server tool")],
    Discriminator(
        _get_tool_type,
        custom_error_type="tool",
        custom_error_message="must be an object with a tool type, such as 'function'",
    ),
]


def dump_tool(tool: RequestModel) -> dict[str, Any]:
    """Convert a tool to the JSON in a response, without its headers, which may contain keys."""
    return tool.model_dump(exclude_unset=True, by_alias=True, exclude={"headers"})


class SchemaFormat(RequestModel):
    type: Literal["json_schema"]
    name: SchemaName
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextSettings(RequestModel):
    """Format and verbosity of the text. This endpoint does not support ``json_object``."""

    format: Annotated[TextFormat | SchemaFormat, Field(discriminator="type")] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(RequestModel):
    effort: Effort | None = None
    summary: Literal["concise", "detailed", "auto"] | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None


class Thinking(RequestModel):
    """Reasoning settings in the format of Anthropic and Google."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"] | None
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted", "updates"] | None = None
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None


class ChosenFunction(RequestModel):
    type: Literal["function"]
    name: str


class StreamOptions(RequestModel):
    include_obfuscation: bool


class Conversation(RequestModel):
    """A conversation stored by the router. The offline router only echoes its id."""

    id: str


class Memory(RequestModel):
    """The entity whose memories the router uses."""

    entity_id: str


class Limits(RequestModel):
    """Limits of the router's own tool loop."""

    max_cost: float | None = None
    max_depth: int | None = None
    max_execution_time: int | None = None
    max_iterations: int | None = None
    tool_timeout: int | None = None


class Security(RequestModel):
    """Content that is masked in traces."""

    mask: list[str] | None = None


class ContextManagement(RequestModel):
    type: str
    compact_threshold: int | None = None
    provider_native: bool | None = None


class PromptCacheOptions(RequestModel):
    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m", "12h"] | None = None


class ResponsesRequest(RequestModel):
    """The body of a request, with every documented field and limit."""

    model: str
    input: str | list[InputItem] | None = None
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: Conversation | None = None
    store: bool | None = None
    background: bool | None = None
    include: list[str] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    max_output_tokens: int | None = Field(default=None, gt=0)
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    stop_sequences: list[str] | None = None
    text: TextSettings | None = None
    reasoning: Reasoning | None = None
    thinking: Thinking | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["auto", "none", "required"] | ChosenFunction | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = Field(default=None, ge=0)
    service_tier: (
        Literal["auto", "default", "flex", "fast", "ultrafast", "scale", "priority"] | None
    ) = None
    speed: Literal["standard", "fast"] | None = None
    safety_identifier: str | None = None
    cache_control: CacheControl | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: PromptCacheOptions | None = None
    template_engine: Literal["text", "jinja", "mustache"] | None = None
    memory: Memory | None = None
    limits: Limits | None = None
    integration_id: str | None = None
    security: Security | None = None
    context_management: list[ContextManagement] | None = None

    @property
    def is_stored(self) -> bool:
        return self.store is not False

    @property
    def functions(self) -> list[FunctionTool]:
        return [tool for tool in self.tools or () if isinstance(tool, FunctionTool)]

    @property
    def custom_tools(self) -> list[CustomTool]:
        return [tool for tool in self.tools or () if isinstance(tool, CustomTool)]

    @property
    def reasoning_label(self) -> str | None:
        if self.reasoning and self.reasoning.effort not in {None, "none"}:
            return self.reasoning.effort
        if self.thinking and self.thinking.type not in {None, "disabled"}:
            return self.thinking.type
        return None

    @property
    def top_logprob_count(self) -> int | None:
        if self.top_logprobs is None and INCLUDE_LOGPROBS not in (self.include or ()):
            return None
        return self.top_logprobs or 0


def check_combinations(request: ResponsesRequest) -> None:
    """Check rules that involve several fields."""
    if not request.input and request.previous_response_id is None:
        reject_field("input", "is required unless previous_response_id is set")
    if request.background and not request.is_stored:
        reject_field("background", "requires a stored response. Omit store or set it to true")
    names = {tool.name for tool in request.functions}
    match request.tool_choice:
        case ChosenFunction(name=name) if name not in names:
            reject_field("tool_choice.name", f"tools has no function named {name!r}")
        case "required" if not request.tools:
            reject_field("tool_choice", "'required' needs at least one tool. Send tools")

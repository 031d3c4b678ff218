"""Tools of /responses, as defined by the HTTP API."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, StringConstraints, Tag

from orq_router_integrations.testing.chat.parts import CacheControl
from orq_router_integrations.testing.routing.schema_validation import RequestModel, get_member

Name = Annotated[str, StringConstraints(min_length=1)]
Effort = Literal["none", "instant", "minimal", "low", "medium", "high", "xhigh", "max"]

_SERVER_TOOL_TYPES = Literal[
    "orq:web_search",
    "orq:web_fetch",
    "orq:datetime",
    "orq:search_models",
    "orq:tool_search",
    "orq:image_generation",
    "orq:apply_patch",
    "orq:fusion",
    "orq:shell",
    "orq:query_knowledge_base",
    "orq:retrieve_knowledge_bases",
    "orq:current_date",
    "orq:google_search",
    "orq:web_scraper",
    "orq:code_interpreter",
    "orq:mcp",
    "orq:http",
    "orq:function",
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
    type: _SERVER_TOOL_TYPES
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

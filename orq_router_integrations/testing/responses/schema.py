"""The body of POST /responses without the router's controls.

Members that only change how the real router works inside (memory, limits, context management and
the like) are checked and not acted upon.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.chat.parts import CacheControl
from orq_router_integrations.testing.chat.schema import Penalty, SchemaName, TextFormat
from orq_router_integrations.testing.responses.items import SentItem
from orq_router_integrations.testing.responses.tools import CustomTool, Effort, FunctionTool, Tool
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.schema_validation import RequestModel

LOGPROBS = "message.output_text.logprobs"
"""The value of ``include`` that asks for logprobs."""


class SchemaFormat(RequestModel):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    name: SchemaName
    schema_: dict[str, Any] = Field(alias="schema")
    description: str | None = None
    strict: bool | None = None


class TextSettings(RequestModel):
    """What the text must be like; a bare JSON object cannot be asked for here."""

    format: Annotated[TextFormat | SchemaFormat, Field(discriminator="type")] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class Reasoning(RequestModel):
    """How much to reason, and what to show of it."""

    effort: Effort | None = None
    summary: Literal["concise", "detailed", "auto"] | None = None
    context: Literal["auto", "current_turn", "all_turns"] | None = None


class Thinking(RequestModel):
    """The same in the words of Anthropic and Google."""

    type: Literal["enabled", "disabled", "adaptive", "between_tools"] | None
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted", "updates"] | None = None
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None


class ChosenFunction(RequestModel):
    """A tool choice that forces one function."""

    type: Literal["function"]
    name: str


class StreamOptions(RequestModel):
    """What a stream carries beside the answer."""

    include_obfuscation: bool


class Conversation(RequestModel):
    """A conversation that the router keeps; here it is only echoed."""

    id: str


class Memory(RequestModel):
    """Whose memories to use."""

    entity_id: str


class Limits(RequestModel):
    """Limits of the router's own loop of tools."""

    max_cost: float | None = None
    max_depth: int | None = None
    max_execution_time: int | None = None
    max_iterations: int | None = None
    tool_timeout: int | None = None


class Security(RequestModel):
    """What is kept out of traces."""

    mask: list[str] | None = None


class ContextManagement(RequestModel):
    """When to summarise what is old."""

    type: str
    compact_threshold: int | None = None
    provider_native: bool | None = None


class PromptCacheOptions(RequestModel):
    """How OpenAI's prompt cache works."""

    mode: Literal["implicit", "explicit"] | None = None
    ttl: Literal["30m", "12h"] | None = None


class ResponsesRequest(RequestModel):
    """The whole request, every member and limit of the contract."""

    model: str
    input: str | list[SentItem] | None = None
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
        """Whether the response is kept."""
        return self.store is not False

    @property
    def functions(self) -> list[FunctionTool]:
        """The functions among the tools."""
        return [tool for tool in self.tools or () if isinstance(tool, FunctionTool)]

    @property
    def custom_tools(self) -> list[CustomTool]:
        """The custom tools among the tools."""
        return [tool for tool in self.tools or () if isinstance(tool, CustomTool)]

    @property
    def wants_reasoning(self) -> str | None:
        """How the request asks the model to reason; ``None`` where it does not."""
        if self.reasoning and self.reasoning.effort not in {None, "none"}:
            return self.reasoning.effort
        if self.thinking and self.thinking.type not in {None, "disabled"}:
            return self.thinking.type
        return None

    @property
    def top_logprob_count(self) -> int | None:
        """Logprobs per token beside the token's own; ``None`` where none are asked for."""
        if self.top_logprobs is None and LOGPROBS not in (self.include or ()):
            return None
        return self.top_logprobs or 0


def check_combinations(request: ResponsesRequest) -> None:
    """Check what no single member shows: members that need each other.

    Raises:
        HTTPError: 400, naming the member at fault.
    """
    if not request.input and request.previous_response_id is None:
        _refuse("input", "is needed unless previous_response_id continues a conversation")
    if request.background and not request.is_stored:
        _refuse("background", "needs the response stored; leave store out or set it to true")
    names = {tool.name for tool in request.functions}
    match request.tool_choice:
        case ChosenFunction(name=name) if name not in names:
            _refuse("tool_choice.name", f"no function is called {name!r}")
        case "required" if not request.tools:
            _refuse("tool_choice", "a tool is required, and there are no tools")


def _refuse(param: str, message: str) -> None:
    raise HTTPError(400, f"{param}: {message}", param=param)

"""Schema of the body of POST /chat/completions, without the router's controls.

It follows the documentation, independently of the limits in ``wire.chat_params``, so that tests
notice if the two differ.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from orq_router_integrations.testing.answering.prompt import find_last_user_text
from orq_router_integrations.testing.chat.messages import Message, find_orphan_tool_message
from orq_router_integrations.testing.chat.parts import CacheControl
from orq_router_integrations.testing.routing.endpoint import EndpointRequest
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.testing.routing.schema_validation import RequestModel
from orq_router_integrations.wire.suggestions import create_pattern_validator

MAX_CHOICES = 128
"""Maximum of ``n`` (a limit of the offline router; the documentation has none)."""

Penalty = Annotated[float, Field(ge=-2, le=2)]
SchemaName = Annotated[
    str, create_pattern_validator(r"^[A-Za-z0-9_-]{1,64}\Z", "1 to 64 letters, digits, _ or -")
]


def _check_parameters(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type") != "object" or not isinstance(value.get("properties"), dict):
        raise ValueError("must be a JSON schema with type 'object' and properties")
    if not isinstance(value.get("additionalProperties", False), bool):
        raise ValueError("additionalProperties must be a boolean")
    return value


class StreamOptions(RequestModel):
    include_usage: bool | None = None


class Function(RequestModel):
    name: Annotated[str, StringConstraints(min_length=1)]
    description: str | None = None
    parameters: Annotated[dict[str, Any], AfterValidator(_check_parameters)] | None = None
    strict: bool | None = None


class Tool(RequestModel):
    type: Literal["function"]
    function: Function


class FunctionName(RequestModel):
    name: str


class ChosenTool(RequestModel):
    type: Literal["function"]
    function: FunctionName


class TextFormat(RequestModel):
    type: Literal["text"]


class JsonObjectFormat(RequestModel):
    type: Literal["json_object"]


class JsonSchema(RequestModel):
    name: SchemaName
    description: str | None = None
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")
    strict: bool | None = None


class JsonSchemaFormat(RequestModel):
    type: Literal["json_schema"]
    json_schema: JsonSchema


class AudioOutput(RequestModel):
    voice: Literal["alloy", "echo", "fable", "onyx", "nova", "shimmer"]
    format: Literal["wav", "mp3", "flac", "opus", "pcm16"]


class ThinkingDisabled(RequestModel):
    type: Literal["disabled"]


class ThinkingEnabled(RequestModel):
    type: Literal["enabled"]
    budget_tokens: int = Field(ge=1024)
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None


class AdaptiveThinking(RequestModel):
    type: Literal["adaptive"]


class ChatRequest(EndpointRequest):
    """The body of a request, with every documented field and limit."""

    messages: list[Message] = Field(min_length=1)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: float | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES)
    logprobs: bool | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    seed: float | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    response_format: (
        Annotated[TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")]
        | None
    ) = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = None
    parallel_tool_calls: bool | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: AudioOutput | None = None
    reasoning_effort: (
        Literal["none", "instant", "minimal", "low", "medium", "high", "xhigh", "max"] | None
    ) = None
    thinking: (
        Annotated[
            ThinkingDisabled | ThinkingEnabled | AdaptiveThinking, Field(discriminator="type")
        ]
        | None
    ) = None
    verbosity: str | None = None
    cache_control: CacheControl | None = None
    prompt_cache_key: str | None = None

    @property
    def is_streamed(self) -> bool:
        return bool(self.stream)

    @property
    def is_cacheable(self) -> bool:
        return not self.stream

    @property
    def guarded_text(self) -> str:
        return find_last_user_text(self.messages)

    def build_provider_body(self, model: str) -> dict[str, Any]:
        body = super().build_provider_body(model)
        if self.reasoning_effort is not None:
            body.pop("temperature", None)
            body.pop("top_p", None)
        return body

    @property
    def token_limit(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def wants_audio(self) -> bool:
        return "audio" in (self.modalities or ())

    @property
    def reasoning_label(self) -> str | None:
        if isinstance(self.thinking, ThinkingEnabled | AdaptiveThinking):
            return self.reasoning_effort or self.thinking.type
        return None if self.reasoning_effort == "none" else self.reasoning_effort

    @property
    def includes_usage(self) -> bool:
        return bool(self.stream_options and self.stream_options.include_usage)


def check_combinations(request: ChatRequest) -> None:
    """Check rules that involve several fields."""
    index = find_orphan_tool_message(request.messages)
    if index is not None:
        param = f"messages[{index}].tool_call_id"
        reject_field(param, "does not match any tool call in an earlier assistant message")
    _check_tool_choice(request)
    if request.wants_audio and request.audio is None:
        reject_field("audio", "is required if modalities contains 'audio'")
    thinking = request.thinking
    if isinstance(thinking, ThinkingEnabled) and thinking.budget_tokens >= (
        request.token_limit or thinking.budget_tokens + 1
    ):
        reject_field("thinking.budget_tokens", "must be less than max_tokens")


def _check_tool_choice(request: ChatRequest) -> None:
    names = {tool.function.name for tool in request.tools or ()}
    match request.tool_choice:
        case ChosenTool(function=FunctionName(name=name)) if name not in names:
            reject_field("tool_choice.function.name", f"tools has no function named {name!r}")
        case "required" if not names:
            reject_field("tool_choice", "'required' needs at least one tool. Send tools")

"""The body of POST /chat/completions without the router's controls.

Written from the contract, not from what the client sends: where ``wire.chat_completions`` has the
same limits, the two check each other.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StringConstraints

from orq_router_integrations.testing.chat.messages import Message, find_orphan_tool_message
from orq_router_integrations.testing.chat.parts import CacheControl
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.schema_validation import RequestModel
from orq_router_integrations.wire.suggestions import create_pattern_validator

MAX_CHOICES = 128
"""Answers to one request; a bound of the offline router's own."""

Penalty = Annotated[float, Field(ge=-2, le=2)]
SchemaName = Annotated[
    str, create_pattern_validator(r"^[A-Za-z0-9_-]{1,64}\Z", "1 to 64 letters, figures, _ or -")
]


def _parameters(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type") != "object" or not isinstance(value.get("properties"), dict):
        raise ValueError("must be a schema with type 'object' and properties")
    if not isinstance(value.get("additionalProperties", False), bool):
        raise ValueError("additionalProperties must be a boolean")
    return value


class StreamOptions(RequestModel):
    """What a stream carries beside the answer."""

    include_usage: bool | None = None


class Function(RequestModel):
    """A function that the model may call."""

    name: Annotated[str, StringConstraints(min_length=1)]
    description: str | None = None
    parameters: Annotated[dict[str, Any], AfterValidator(_parameters)] | None = None
    strict: bool | None = None


class Tool(RequestModel):
    """A tool; functions are the only kind on this endpoint."""

    type: Literal["function"]
    function: Function


class FunctionName(RequestModel):
    """The function that must be called."""

    name: str


class ChosenTool(RequestModel):
    """A tool choice that forces one function."""

    type: Literal["function"]
    function: FunctionName


class TextFormat(RequestModel):
    """Plain text."""

    type: Literal["text"]


class JsonObjectFormat(RequestModel):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchema(RequestModel):
    """A named JSON schema."""

    name: SchemaName
    description: str | None = None
    schema_: dict[str, Any] = Field(default_factory=dict, alias="schema")
    strict: bool | None = None


class JsonSchemaFormat(RequestModel):
    """JSON that fits a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class AudioOutput(RequestModel):
    """How a spoken answer sounds."""

    voice: Literal["alloy", "echo", "fable", "onyx", "nova", "shimmer"]
    format: Literal["wav", "mp3", "flac", "opus", "pcm16"]


class ThinkingDisabled(RequestModel):
    """No thinking."""

    type: Literal["disabled"]


class ThinkingEnabled(RequestModel):
    """Thinking within a budget of tokens."""

    type: Literal["enabled"]
    budget_tokens: int = Field(ge=1024)
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None


class AdaptiveThinking(RequestModel):
    """As much thinking as the model finds fit."""

    type: Literal["adaptive"]


class ChatRequest(RequestModel):
    """The whole request, every member and limit of the contract.

    The upper bound of ``n`` is the offline router's own; the contract has none.
    """

    model: str
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
    def token_limit(self) -> int | None:
        """How many tokens the answer may have."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def wants_audio(self) -> bool:
        """Whether the answer is wanted as sound."""
        return "audio" in (self.modalities or ())

    @property
    def wants_reasoning(self) -> bool:
        """Whether the request asks the model to reason."""
        wants = self.reasoning_effort not in {None, "none"}
        return wants or isinstance(self.thinking, ThinkingEnabled | AdaptiveThinking)

    @property
    def includes_usage(self) -> bool:
        """Whether a stream ends with its usage."""
        return bool(self.stream_options and self.stream_options.include_usage)


def check_combinations(request: ChatRequest) -> None:
    """Check what no single member shows: members that need each other.

    Raises:
        HTTPError: 400, naming the member at fault.
    """
    index = find_orphan_tool_message(request.messages)
    if index is not None:
        param = f"messages[{index}].tool_call_id"
        _refuse(param, "answers no tool call of an earlier assistant message")
    _check_tool_choice(request)
    if request.wants_audio and request.audio is None:
        _refuse("audio", "is needed when modalities ask for audio")
    thinking = request.thinking
    if isinstance(thinking, ThinkingEnabled) and thinking.budget_tokens >= (
        request.token_limit or thinking.budget_tokens + 1
    ):
        _refuse("thinking.budget_tokens", "must be less than max_tokens")


def _check_tool_choice(request: ChatRequest) -> None:
    names = {tool.function.name for tool in request.tools or ()}
    match request.tool_choice:
        case ChosenTool(function=FunctionName(name=name)) if name not in names:
            _refuse("tool_choice.function.name", f"no tool is called {name!r}")
        case "required" if not names:
            _refuse("tool_choice", "a tool is required, and there are no tools")


def _refuse(param: str, message: str) -> None:
    raise HTTPError(400, f"{param}: {message}", param=param)

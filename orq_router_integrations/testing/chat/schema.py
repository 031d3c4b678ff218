"""Schema of the body of POST /chat/completions, without the router's controls.

It follows the documentation, independently of the limits in ``wire.chat_params``, so that tests
notice if the two differ.
"""

from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from orq_router_integrations.testing.answering.prompt import Prompt
from orq_router_integrations.testing.media.attachment import decode_base64_field
from orq_router_integrations.testing.routing.endpoint import EndpointRequest
from orq_router_integrations.testing.routing.schema_validation import RequestModel

MAX_CHOICES = 128
"""Maximum of ``n`` (a limit of the offline router; the documentation has none)."""

MAX_IMAGE_BYTES = 20 * 1024 * 1024
"""Maximum size of an image in bytes."""


def _check_data_uri(uri: str) -> str:
    """Check the data of a data URI. Other URIs are not fetched."""
    if uri.startswith("data:"):
        size = len(decode_base64_field(uri.partition(",")[2]))
        if uri.startswith("data:image/") and size > MAX_IMAGE_BYTES:
            raise ValueError(f"image of {size} bytes exceeds the limit of 20 MB")
    return uri


def _check_base64(text: str) -> str:
    decode_base64_field(text)
    return text


def _check_parameters(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type") != "object" or not isinstance(value.get("properties"), dict):
        raise ValueError("must be a JSON schema with type 'object' and properties")
    if not isinstance(value.get("additionalProperties", False), bool):
        raise ValueError("additionalProperties must be a boolean")
    return value


ImageSource = Annotated[
    str,
    Field(pattern="^(https://|data:image/(jpeg|png|gif|webp);base64,)"),
    AfterValidator(_check_data_uri),
]
DataURI = Annotated[
    str, Field(pattern="^data:[^/,]+/[^/,]+;base64,"), AfterValidator(_check_data_uri)
]
FileURI = Annotated[str, Field(pattern="^(https|gs)://")]
Name = Annotated[str, Field(min_length=1)]
SchemaName = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")]
Penalty = Annotated[float, Field(ge=-2, le=2)]
Effort = Literal["none", "instant", "minimal", "low", "medium", "high", "xhigh", "max"]
ThinkingLevel = Literal["minimal", "low", "medium", "high"]


class CacheControl(RequestModel):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class CacheableContent(RequestModel):
    cache_control: CacheControl | None = None


class TextPart(CacheableContent):
    type: Literal["text"]
    text: str


class ImageUrl(RequestModel):
    url: ImageSource
    detail: Literal["low", "high", "auto"] = "auto"


class ImagePart(CacheableContent):
    type: Literal["image_url"]
    image_url: ImageUrl


class InputAudio(RequestModel):
    data: Annotated[str, AfterValidator(_check_base64)]
    format: Literal["mp3", "wav"]


class AudioPart(RequestModel):
    type: Literal["input_audio"]
    input_audio: InputAudio


class SingleSource(RequestModel):
    """Base of images and files that have one of several sources, and a file name if a PDF."""

    source_fields: ClassVar[tuple[str, ...]]

    @model_validator(mode="after")
    def _check_source(self) -> Self:
        sources = [getattr(self, name) for name in self.source_fields]
        if sum(source is not None for source in sources) != 1:
            raise ValueError(f"exactly one of {', '.join(self.source_fields)} is required")
        is_pdf = any(source and source.startswith("data:application/pdf") for source in sources)
        if is_pdf and not getattr(self, "filename", None):
            raise ValueError("filename is required for PDFs")
        return self


class File(SingleSource):
    source_fields = ("file_data", "uri", "file_id")

    file_data: DataURI | None = None
    uri: FileURI | None = None
    file_id: Annotated[str, Field(pattern="^(gs://|file-)")] | None = None
    filename: str | None = None
    mime_type: str | None = Field(default=None, alias="mimeType")


class FilePart(CacheableContent):
    type: Literal["file"]
    file: File


class RefusalPart(RequestModel):
    type: Literal["refusal"]
    refusal: str


class ReasoningPart(RequestModel):
    type: Literal["reasoning"]
    reasoning: str
    signature: str


class RedactedReasoningPart(RequestModel):
    type: Literal["redacted_reasoning"]
    data: str


class SystemMessage(RequestModel):
    role: Literal["system", "developer"]
    content: str | list[TextPart]
    name: str | None = None


UserPart = Annotated[TextPart | ImagePart | AudioPart | FilePart, Field(discriminator="type")]


class UserMessage(RequestModel):
    role: Literal["user"]
    content: str | list[UserPart]
    name: str | None = None


class CalledFunction(RequestModel):
    name: str
    arguments: str


class ToolCall(RequestModel):
    """A tool call in an earlier answer, with Gemini's signature in either of two fields."""

    id: str
    type: Literal["function"]
    function: CalledFunction
    thought_signature: str | None = None
    extra_content: dict[str, Any] | None = None


AssistantPart = Annotated[
    TextPart | RefusalPart | ReasoningPart | RedactedReasoningPart, Field(discriminator="type")
]


class AudioReference(RequestModel):
    id: str


class AssistantMessage(RequestModel):
    role: Literal["assistant"]
    content: str | list[AssistantPart] | None = None
    refusal: str | None = None
    name: str | None = None
    audio: AudioReference | None = None
    tool_calls: list[ToolCall] | None = None
    reasoning_content: str | None = None


class ToolMessage(CacheableContent):
    role: Literal["tool"]
    content: str | list[TextPart]
    tool_call_id: str | None


Message = Annotated[
    SystemMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")
]


class StreamOptions(RequestModel):
    include_usage: bool | None = None


class Function(RequestModel):
    name: Name
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


ResponseFormat = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")
]


class AudioOutput(RequestModel):
    voice: Literal["alloy", "echo", "fable", "onyx", "nova", "shimmer"]
    format: Literal["wav", "mp3", "flac", "opus", "pcm16"]


class ThinkingWithoutBudget(RequestModel):
    type: Literal["disabled", "adaptive"]


class ThinkingEnabled(RequestModel):
    type: Literal["enabled"]
    budget_tokens: int = Field(ge=1024)
    thinking_level: ThinkingLevel | None = None


class TextRequest(EndpointRequest):
    """The fields that both text endpoints have."""

    stream: bool | None = None
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    parallel_tool_calls: bool | None = None
    cache_control: CacheControl | None = None
    prompt_cache_key: str | None = None

    @property
    def is_streamed(self) -> bool:
        return bool(self.stream)

    @cached_property
    def prompt(self) -> Prompt:
        return Prompt(self.model_dump(exclude_unset=True, by_alias=True))


class ChatRequest(TextRequest):
    """The body of a request, with every documented field and limit."""

    messages: list[Message] = Field(min_length=1)
    stream_options: StreamOptions | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    top_k: float | None = None
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES)
    logprobs: bool | None = None
    seed: float | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: AudioOutput | None = None
    reasoning_effort: Effort | None = None
    thinking: (
        Annotated[ThinkingWithoutBudget | ThinkingEnabled, Field(discriminator="type")] | None
    ) = None
    verbosity: str | None = None

    @property
    def guarded_text(self) -> str:
        return self.prompt.last_user_text

    def build_provider_body(self, model: str) -> dict[str, Any]:
        body = super().build_provider_body(model)
        if self.reasoning_effort is not None:
            body.pop("temperature", None)
            body.pop("top_p", None)
        return body

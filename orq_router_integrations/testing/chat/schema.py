"""Schema of the body of POST /chat/completions, without the router's controls.

It follows the documentation, independently of the limits in ``wire.chat_params``, so that tests
notice if the two differ.
"""

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from orq_router_integrations.testing.answering.prompt import (
    Prompt,
    decode_base64_field,
    find_orphan_result,
)
from orq_router_integrations.testing.routing.endpoint import EndpointRequest
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.testing.routing.json_shapes import Fields, OneOf, Shape, Shapes

MAX_CHOICES = 128  # maximum of ``n`` (a limit of the offline router; the documentation has none)
SOURCES = ("file_data", "uri", "file_url", "file_id", "image_url")  # of a content part
MAX_IMAGE_BYTES = 20 * 1024 * 1024  # maximum size of an image in bytes


def _check_data(text: str) -> str:
    """Check base64, also that of a data URI. Other URIs are not fetched."""
    if not text.startswith("https://"):
        size = len(decode_base64_field(text.rpartition(",")[2]))
        if text.startswith("data:image/") and size > MAX_IMAGE_BYTES:
            raise ValueError(f"image of {size} bytes exceeds the limit of 20 MB")
    return text


def _check_parameters(value: dict[str, Any]) -> dict[str, Any]:
    if value.get("type") != "object" or not isinstance(value.get("properties"), dict):
        raise ValueError("must be a JSON schema with type 'object' and properties")
    if not isinstance(value.get("additionalProperties", False), bool):
        raise ValueError("additionalProperties must be a boolean")
    return value


def check_source(part: dict[str, Any]) -> dict[str, Any]:
    """Check that an image or a file has one of its sources, and a file name if it is a PDF."""
    file = part.get("file", part)
    sources = [file[name] for name in SOURCES if file.get(name) is not None]
    if part["type"] in {"file", "input_file", "input_image"} and len(sources) != 1:
        raise ValueError(f"exactly one of {', '.join(SOURCES)} is required")
    if sources and str(sources[0]).startswith("data:application/pdf") and not file.get("filename"):
        raise ValueError("filename is required for PDFs")
    return part


_IMAGE_URI = "^(https://|data:image/(jpeg|png|gif|webp);base64,)"
ImageSource = Annotated[str, Field(pattern=_IMAGE_URI), AfterValidator(_check_data)]
DataURI = Annotated[str, Field(pattern="^data:[^/,]+/[^/,]+;base64,"), AfterValidator(_check_data)]
Base64 = Annotated[str, AfterValidator(_check_data)]
FileURI = Annotated[str, Field(pattern="^(https|gs)://")]
FileId = Annotated[str, Field(pattern="^(gs://|file-)")]
Detail = Literal["low", "high", "auto"]
Effort = Literal["none", "instant", "minimal", "low", "medium", "high", "xhigh", "max"]
ThinkingLevel = Literal["minimal", "low", "medium", "high"]

CacheControl = Annotated[Any, Shape({"type": Literal["ephemeral"], "ttl?": Literal["5m", "1h"]})]
CACHEABLE: Fields = {"cache_control?": CacheControl | None}

FILE: Fields = {
    "file_data?": DataURI | None,
    "uri?": FileURI | None,
    "file_id?": FileId | None,
    "filename?": str | None,
    "mimeType?": str | None,
}
TEXT_PART: Fields = {"text": str, **CACHEABLE}
USER_PARTS: Shapes = {
    "text": TEXT_PART,
    "image_url": {"image_url": {"url": ImageSource, "detail?": Detail}, **CACHEABLE},
    "input_audio": {"input_audio": {"data": Base64, "format": Literal["mp3", "wav"]}},
    "file": {"file": FILE, **CACHEABLE},
}
REFUSAL_PART: Fields = {"refusal": str}
ASSISTANT_PARTS: Shapes = {
    "text": TEXT_PART,
    "refusal": REFUSAL_PART,
    "reasoning": {"reasoning": str, "signature": str},
    "redacted_reasoning": {"data": str},
}
TextPart = Annotated[Any, OneOf("type", {"text": TEXT_PART})]
UserPart = Annotated[Any, OneOf("type", USER_PARTS), AfterValidator(check_source)]
AssistantPart = Annotated[Any, OneOf("type", ASSISTANT_PARTS)]

TOOL_CALL: Fields = {
    "id": str,
    "type": Literal["function"],
    "function": {"name": str, "arguments": str},
    # Gemini's signature, in either of two fields
    "thought_signature?": str | None,
    "extra_content?": dict[str, Any] | None,
}
SYSTEM_MESSAGE: Fields = {"content": str | list[TextPart], "name?": str | None}
MESSAGES: Shapes = {
    "system": SYSTEM_MESSAGE,
    "developer": SYSTEM_MESSAGE,
    "user": {"content": str | list[UserPart], "name?": str | None},
    "assistant": {
        "content?": str | list[AssistantPart] | None,
        "refusal?": str | None,
        "name?": str | None,
        "audio?": Annotated[Any, Shape({"id": str})] | None,
        "tool_calls?": list[Annotated[Any, Shape(TOOL_CALL)]] | None,
        "reasoning_content?": str | None,
    },
    "tool": {"content": str | list[TextPart], "tool_call_id": str | None, **CACHEABLE},
}
Message = Annotated[Any, OneOf("role", MESSAGES)]

Name = Annotated[str, Field(min_length=1)]
FUNCTION: Fields = {
    "name": Name,
    "description?": str | None,
    "parameters?": Annotated[dict[str, Any], AfterValidator(_check_parameters)] | None,
    "strict?": bool | None,
}
JSON_SCHEMA: Fields = {
    "name": Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,64}$")],
    "description?": str | None,
    "schema?": dict[str, Any],
    "strict?": bool | None,
}
FORMATS: Shapes = {"text": {}, "json_object": {}, "json_schema": {"json_schema": JSON_SCHEMA}}
AUDIO_OUTPUT: Fields = {
    "voice": Literal["alloy", "echo", "fable", "onyx", "nova", "shimmer"],
    "format": Literal["wav", "mp3", "flac", "opus", "pcm16"],
}
THINKING: Shapes = {
    "disabled": {},
    "adaptive": {},
    "enabled": {
        "budget_tokens": Annotated[int, Field(ge=1024)],
        "thinking_level?": ThinkingLevel | None,
    },
}
Tool = Annotated[Any, OneOf("type", {"function": {"function": FUNCTION}})]
ChosenTool = Annotated[Any, OneOf("type", {"function": {"function": {"name": str}}})]


class TextRequest(EndpointRequest):
    """The fields that both text endpoints have, with OpenAI's defaults."""

    stream: bool | None = None
    temperature: float | None = Field(default=1.0, ge=0, le=2)
    top_p: float | None = Field(default=1.0, ge=0, le=1)
    frequency_penalty: float | None = Field(default=0.0, ge=-2, le=2)
    presence_penalty: float | None = Field(default=0.0, ge=-2, le=2)
    top_logprobs: int | None = Field(default=0, ge=0, le=20)
    parallel_tool_calls: bool | None = True
    cache_control: CacheControl | None = None
    prompt_cache_key: str | None = None

    @property
    def is_streamed(self) -> bool:
        return bool(self.stream)

    @cached_property
    def prompt(self) -> Prompt:
        return Prompt(self.model_dump(exclude_unset=True))

    @model_validator(mode="after")
    def _check_tool_choice(self) -> Self:
        self.prompt.check_tool_choice()
        return self


class ChatRequest(TextRequest):
    """The body of a request, with every documented field and limit."""

    messages: list[Message] = Field(min_length=1)
    stream_options: Annotated[Any, Shape({"include_usage?": bool | None})] | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    top_k: float | None = None
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES)
    logprobs: bool | None = None
    seed: float | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    response_format: Annotated[Any, OneOf("type", FORMATS)] | None = None
    tools: list[Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: Annotated[Any, Shape(AUDIO_OUTPUT)] | None = None
    reasoning_effort: Effort | None = None
    thinking: Annotated[Any, OneOf("type", THINKING)] | None = None
    verbosity: str | None = None

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        index = find_orphan_result(self.prompt.messages)
        if index is not None:
            param = f"messages[{index}].tool_call_id"
            reject_field(param, "does not match any tool call in an earlier assistant message")
        if "audio" in (self.modalities or ()) and self.audio is None:
            reject_field("audio", "is required if modalities contains 'audio'")
        limit = self.max_completion_tokens or self.max_tokens
        if limit is not None and (self.thinking or {}).get("budget_tokens", 0) >= limit:
            reject_field("thinking.budget_tokens", "must be less than max_tokens")
        return self

    def build_provider_body(self, model: str) -> dict[str, Any]:
        body = super().build_provider_body(model)
        if self.reasoning_effort is not None:
            body.pop("temperature", None)
            body.pop("top_p", None)
        return body

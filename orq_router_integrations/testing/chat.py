"""The endpoint POST /chat/completions.

The schema of its body follows the documentation, independently of the limits in
``wire.chat_params``, so that tests notice if the two differ.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.testing.answering import text_endpoint
from orq_router_integrations.testing.answering.script import Answer
from orq_router_integrations.testing.media.tone_codec import SAMPLE_RATE, encode_speech
from orq_router_integrations.testing.routing.json_shapes import Fields, OneOf, Shape, Shapes
from orq_router_integrations.testing.routing.response import RouterResponse, reject_field
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS

SOURCES = ("file_data", "uri", "file_url", "file_id", "image_url")  # fields of a content part
MAX_IMAGE_BYTES = 20 * 1024 * 1024


def _check_data(text: str) -> str:
    """Check base64, including the base64 in a data URL. Other URLs are not fetched."""
    if not text.startswith("https://"):
        size = len(base64.b64decode(text.rpartition(",")[2], validate=True))
        if size == 0:
            raise ValueError("must not be empty")
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


_IMAGE_URL = "^(https://|data:image/(jpeg|png|gif|webp);base64,)"
ImageSource = Annotated[str, Field(pattern=_IMAGE_URL), AfterValidator(_check_data)]
DataURL = Annotated[str, Field(pattern="^data:[^/,]+/[^/,]+;base64,"), AfterValidator(_check_data)]
Base64 = Annotated[str, AfterValidator(_check_data)]
FileURI = Annotated[str, Field(pattern="^(https|gs)://")]
Detail = Literal["low", "high", "auto"]
Effort = Literal["none", "instant", "minimal", "low", "medium", "high", "xhigh", "max"]

CACHEABLE: Fields = {"cache_control?": text_endpoint.CacheControl | None}

FILE: Fields = {
    "file_data?": DataURL | None,
    "uri?": FileURI | None,
    "file_id?": Annotated[str, Field(pattern="^(gs://|file-)")] | None,
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

Name = Annotated[str, Field(min_length=1)]
FUNCTION: Fields = {
    "name": Name,
    "description?": str | None,
    "parameters?": Annotated[dict[str, Any], AfterValidator(_check_parameters)] | None,
    "strict?": bool | None,
}
TOOLS: Shapes = {"function": {"function": FUNCTION}}
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
        "thinking_level?": Literal["minimal", "low", "medium", "high"] | None,
    },
}
ChosenTool = Annotated[Any, OneOf("type", {"function": {"function": {"name": str}}})]


class ChatRequest(text_endpoint.TextRequest):
    """The body of a request, with every documented field and limit."""

    messages: list[Annotated[Any, OneOf("role", MESSAGES)]] = Field(min_length=1)
    stream_options: Annotated[Any, Shape({"include_usage?": bool | None})] | None = None
    max_tokens: int | None = Field(default=None, gt=0)
    max_completion_tokens: int | None = Field(default=None, gt=0)
    top_k: float | None = None
    n: int | None = Field(default=None, ge=1, le=128)  # no maximum is documented
    logprobs: bool | None = None
    seed: float | None = None
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    response_format: Annotated[Any, OneOf("type", FORMATS)] | None = None
    tools: list[Annotated[Any, OneOf("type", TOOLS)]] | None = None
    tool_choice: Literal["none", "auto", "required"] | ChosenTool | None = None
    modalities: list[Literal["text", "audio"]] | None = None
    audio: Annotated[Any, Shape(AUDIO_OUTPUT)] | None = None
    reasoning_effort: Effort | None = None
    thinking: Annotated[Any, OneOf("type", THINKING)] | None = None
    verbosity: str | None = None

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
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


class ChatEndpoint(text_endpoint.TextEndpoint[ChatRequest]):
    endpoint = CHAT_COMPLETIONS
    schema = ChatRequest

    def build_response(self, request: ChatRequest, model: str, answer: Answer) -> RouterResponse:
        choices = range(request.n or 1)
        number = next(self._numbers)
        message = _build_message(answer, _build_audio(answer, request, number))
        reason = answer.finish_reason or ("tool_calls" if answer.calls else "stop")
        end: dict[str, Any] = {"finish_reason": reason}
        if request.logprobs:
            end["logprobs"] = {"content": list(map(dict, answer.logprobs)), "refusal": None}
        body = {
            "id": f"chatcmpl-offline-{number:06d}",
            "object": "chat.completion.chunk" if request.is_streamed else "chat.completion",
            "created": text_endpoint.EPOCH + number,
            "model": model.partition("/")[2],
            "system_fingerprint": "offline",
        }
        counts = text_endpoint.count_usage(request.prompt, answer, len(choices))
        usage = {  # with the names of this API, such as prompt_tokens_details
            name.replace("input_tok", "prompt_tok").replace("output_tok", "completion_tok"): value
            for name, value in counts.items()
        }
        if not request.is_streamed:
            items = [{"index": index, "message": message, **end} for index in choices]
            return RouterResponse({**body, "choices": items, "usage": usage})
        events = [{"delta": delta, "finish_reason": None} for delta in _iter_deltas(message)]
        chunks: list[dict[str, Any]] = [
            {**body, "choices": [{"index": index, **event}]}
            for index in choices
            for event in (*events, {"delta": {}, **end})
        ]
        if (request.stream_options or {}).get("include_usage"):
            chunks = [{**chunk, "usage": None} for chunk in chunks]
            chunks.append({**body, "choices": [], "usage": usage})
        return RouterResponse(chunks=tuple(chunks))


def _build_audio(answer: Answer, request: ChatRequest, number: int) -> dict[str, Any] | None:
    """Return scripted audio, or the speech that the request asks for."""
    audio = answer.audio
    if request.audio and "audio" in (request.modalities or ()) and not (audio or answer.calls):
        audio = encode_speech(answer.text)
        if request.audio["format"] != "pcm16":  # raw samples; other formats are replaced by WAV
            audio = build_wav_header(build_pcm_format(SAMPLE_RATE), len(audio)) + audio
    if not audio:
        return None
    return {
        "id": f"audio_offline_{number:06d}",
        "expires_at": text_endpoint.EPOCH + number + 3600,
        "data": base64.b64encode(audio).decode(),
        "transcript": answer.text,
    }


def _build_message(answer: Answer, audio: dict[str, Any] | None) -> dict[str, Any]:
    has_text = answer.text or not (answer.calls or answer.refusal is not None)
    message = {
        "role": "assistant",
        "content": answer.text if has_text and not audio else None,
        "refusal": answer.refusal,
    }
    optional: dict[str, Any] = {
        "reasoning": answer.reasoning,
        "reasoning_signature": answer.reasoning_signature,
        # Here, the fields of an annotation are in an object that is named after its type
        "annotations": [
            {"type": fields["type"], fields["type"]: {k: fields[k] for k in fields if k != "type"}}
            for fields in answer.annotations
        ],
        "tool_calls": [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in answer.calls
        ],
        "audio": audio,
    }
    return message | {name: value for name, value in optional.items() if value}


def _iter_deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for name in ("reasoning", "reasoning_signature", "refusal", "content", "annotations"):
        value = message.get(name)
        is_text = name in {"reasoning", "refusal", "content"}
        for piece in filter(None, text_endpoint.split_after_words(value) if is_text else [value]):
            yield {name: piece}
    if audio := message.get("audio"):
        yield {"audio": {"id": audio["id"], "transcript": ""}}
        for word in text_endpoint.split_after_words(audio["transcript"]):
            yield {"audio": {"transcript": word}}
        yield {"audio": {"data": audio["data"], "expires_at": audio["expires_at"]}}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = {"name": call["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{"index": index, **call, "function": function}]}
        for fragment in text_endpoint.split_fragments(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}

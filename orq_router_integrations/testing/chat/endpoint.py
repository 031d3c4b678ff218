"""The endpoint POST /chat/completions."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.testing.answering.script import Answer
from orq_router_integrations.testing.answering.text_endpoint import (
    EPOCH,
    TextEndpoint,
    count_usage,
    split_after_words,
    split_fragments,
)
from orq_router_integrations.testing.chat.schema import ChatRequest
from orq_router_integrations.testing.media.tone_codec import SAMPLE_RATE, encode_speech
from orq_router_integrations.testing.routing.endpoint import RouterResponse
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS

_AUDIO_LIFETIME_SECONDS = 3600
_AUDIO_CHUNK_CHARS = 4000
"""Length of the base64 of an audio chunk. A multiple of 4, so that each can be decoded."""


class ChatEndpoint(TextEndpoint[ChatRequest]):
    """Handler of chat completions."""

    endpoint = CHAT_COMPLETIONS
    schema = ChatRequest
    field_with_variables = "messages"

    def build_response(self, request: ChatRequest, model: str, answer: Answer) -> RouterResponse:
        choices = range(request.n or 1)
        answer = _add_audio(answer, request)
        number = next(self._numbers)
        message = _build_message(answer, number)
        end: dict[str, Any] = {
            "finish_reason": answer.finish_reason or ("tool_calls" if answer.calls else "stop")
        }
        if request.logprobs:
            end["logprobs"] = {"content": list(map(dict, answer.logprobs)), "refusal": None}
        body = {
            "id": f"chatcmpl-offline-{number:06d}",
            "object": "chat.completion.chunk" if request.is_streamed else "chat.completion",
            "created": EPOCH + number,
            "model": model.partition("/")[2],
            "system_fingerprint": "offline",
        }
        usage = _rename_usage(count_usage(request.prompt, answer, len(choices)))
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


def _rename_usage(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Convert usage in the format of /responses to the names of this endpoint."""
    return {
        name.replace("input_tok", "prompt_tok").replace("output_tok", "completion_tok"): value
        for name, value in usage.items()
    }


def _add_audio(answer: Answer, request: ChatRequest) -> Answer:
    """Add speech if the request asks for audio: raw samples for pcm16, otherwise a WAV file."""
    is_requested = "audio" in (request.modalities or ())
    if not is_requested or request.audio is None or answer.audio or answer.calls:
        return answer
    audio = encode_speech(answer.text)
    if request.audio["format"] != "pcm16":
        audio = build_wav_header(build_pcm_format(SAMPLE_RATE), len(audio)) + audio
    return replace(answer, audio=audio)


def _build_message(answer: Answer, number: int) -> dict[str, Any]:
    has_text = answer.text or not (answer.calls or answer.refusal is not None)
    message = {
        "role": "assistant",
        "content": answer.text if has_text and answer.audio is None else None,
        "refusal": answer.refusal,
    }
    optional: dict[str, Any] = {
        "reasoning": answer.reasoning,
        "reasoning_signature": answer.reasoning_signature,
        "annotations": list(map(_convert_annotation, answer.annotations)),
        "tool_calls": [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in answer.calls
        ],
    }
    if answer.audio is not None:
        optional["audio"] = {
            "id": f"audio_offline_{number:06d}",
            "expires_at": EPOCH + number + _AUDIO_LIFETIME_SECONDS,
            "data": base64.b64encode(answer.audio).decode(),
            "transcript": answer.text,
        }
    return message | {name: value for name, value in optional.items() if value}


def _convert_annotation(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Move the fields of a ``/responses`` annotation into an object named after its type."""
    fields = dict(annotation)
    type_ = fields.pop("type", "")
    return {"type": type_, type_: fields}


def _iter_deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for name in ("reasoning", "reasoning_signature", "refusal", "content", "annotations"):
        value = message.get(name)
        is_text = name in {"reasoning", "refusal", "content"}
        for piece in filter(None, split_after_words(value) if is_text else [value]):
            yield {name: piece}
    if audio := message.get("audio"):
        yield {"audio": {"id": audio["id"], "transcript": ""}}
        for word in split_after_words(audio["transcript"]):
            yield {"audio": {"transcript": word}}
        for start in range(0, len(audio["data"]), _AUDIO_CHUNK_CHARS):
            yield {"audio": {"data": audio["data"][start : start + _AUDIO_CHUNK_CHARS]}}
        yield {"audio": {"expires_at": audio["expires_at"]}}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = {"name": call["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{"index": index, **call, "function": function}]}
        for fragment in split_fragments(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}

"""The endpoint POST /chat/completions."""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.testing.answering.prompt import find_orphan_result
from orq_router_integrations.testing.answering.script import Answer
from orq_router_integrations.testing.answering.text_endpoint import (
    CHAT_NAMES,
    EPOCH,
    TextEndpoint,
    count_usage,
    create_call_id,
    split_after_words,
    split_fragments,
    substitute_variables,
)
from orq_router_integrations.testing.chat.schema import ChatRequest
from orq_router_integrations.testing.media.tone_codec import SAMPLE_RATE, encode_speech
from orq_router_integrations.testing.routing.endpoint import (
    RouterResponse,
    get_provider_model_name,
    validate_body,
)
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS

_AUDIO_LIFETIME_SECONDS = 3600
_AUDIO_CHUNK_CHARS = 4000
"""Length of the base64 of an audio chunk. A multiple of 4, so that each can be decoded."""


class ChatEndpoint(TextEndpoint[ChatRequest]):
    """Handler of chat completions."""

    endpoint = CHAT_COMPLETIONS

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> ChatRequest:
        request = validate_body(ChatRequest, body, lenient=lenient)
        if controls.variables:
            messages = substitute_variables(request.prompt.body["messages"], controls.variables)
            body = {**request.prompt.body, "messages": messages}
            request = validate_body(ChatRequest, body, lenient=lenient)
        request.prompt.check_tool_choice()
        _check_combinations(request)
        return request

    def build_response(self, request: ChatRequest, model: str, answer: Answer) -> RouterResponse:
        prompt, answer = request.prompt, _add_audio(answer, request)
        number, indexes = next(self._numbers), range(request.n or 1)
        usage = count_usage(prompt, answer, len(indexes))
        message = _build_message(answer, number=number, turn=len(prompt.messages))
        reason = answer.finish_reason or ("tool_calls" if answer.calls else "stop")
        logprobs = [dict(item) for item in answer.logprobs] if request.logprobs else None
        body = {
            "id": f"chatcmpl-offline-{number:06d}",
            "created": EPOCH + number,
            "model": get_provider_model_name(model),
            "system_fingerprint": "offline",
        }
        total = {"usage": {CHAT_NAMES.get(name, name): value for name, value in usage.items()}}
        if not request.is_streamed:
            choice = {"message": message, "finish_reason": reason, **_wrap_logprobs(logprobs)}
            choices = [{"index": index, **choice} for index in indexes]
            return RouterResponse(body | {"object": "chat.completion", "choices": choices} | total)
        with_usage = (request.stream_options or {}).get("include_usage")
        body |= {"object": "chat.completion.chunk"} | ({"usage": None} if with_usage else {})
        chunks = [
            body | {"choices": [{"index": index, **choice}]}
            for index in indexes
            for choice in _iter_choices(message, reason, logprobs)
        ]
        end = [body | {"choices": []} | total] if with_usage else []
        return RouterResponse(chunks=(*chunks, *end))


def _check_combinations(request: ChatRequest) -> None:
    """Check rules that involve several fields."""
    index = find_orphan_result(request.prompt.messages)
    if index is not None:
        param = f"messages[{index}].tool_call_id"
        reject_field(param, "does not match any tool call in an earlier assistant message")
    if "audio" in (request.modalities or ()) and request.audio is None:
        reject_field("audio", "is required if modalities contains 'audio'")
    limit = request.max_completion_tokens or request.max_tokens
    budget = (request.thinking or {}).get("budget_tokens", 0)
    if limit is not None and budget >= limit:
        reject_field("thinking.budget_tokens", "must be less than max_tokens")


def _add_audio(answer: Answer, request: ChatRequest) -> Answer:
    """Add speech if the request asks for audio: raw samples for pcm16, otherwise a WAV file."""
    is_requested = "audio" in (request.modalities or ())
    if not is_requested or request.audio is None or answer.audio or answer.calls:
        return answer
    samples = encode_speech(answer.text)
    if request.audio["format"] == "pcm16":
        return replace(answer, audio=samples)
    header = build_wav_header(build_pcm_format(SAMPLE_RATE), len(samples))
    return replace(answer, audio=header + samples)


def _build_message(answer: Answer, *, number: int, turn: int) -> dict[str, Any]:
    has_text = answer.text or not (answer.calls or answer.refusal is not None)
    calls = [
        {
            "id": create_call_id(call, turn=turn, index=index),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }
        for index, call in enumerate(answer.calls)
    ]
    message = {
        "role": "assistant",
        "content": answer.text if has_text and answer.audio is None else None,
        "refusal": answer.refusal,
    }
    audio = answer.audio is not None and {
        "id": f"audio_offline_{number:06d}",
        "expires_at": EPOCH + number + _AUDIO_LIFETIME_SECONDS,
        "data": base64.b64encode(answer.audio).decode(),
        "transcript": answer.text,
    }
    optional = {
        "reasoning": answer.reasoning,
        "reasoning_signature": answer.reasoning_signature,
        "annotations": [_convert_annotation(item) for item in answer.annotations],
        "audio": audio,
        "tool_calls": calls,
    }
    return message | {name: value for name, value in optional.items() if value}


def _convert_annotation(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Move the fields of a ``/responses`` annotation into an object named after its type."""
    type_ = str(annotation.get("type", ""))
    if type_ in annotation:
        return dict(annotation)
    fields = {name: value for name, value in annotation.items() if name != "type"}
    return {"type": type_, type_: fields}


def _iter_choices(
    message: Mapping[str, Any], reason: str, logprobs: list[dict[str, Any]] | None
) -> Iterator[dict[str, Any]]:
    """Yield the choices of the chunks that add up to a message."""
    position = 0
    for delta in _iter_deltas(message):
        extra = {}
        if delta.get("content") and logprobs is not None:
            extra = _wrap_logprobs(logprobs[position : position + 1])
            position += 1
        yield {"delta": delta, "finish_reason": None, **extra}
    yield {"delta": {}, "finish_reason": reason}


def _iter_deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    yield from ({"reasoning": word} for word in split_after_words(message.get("reasoning")))
    if "reasoning_signature" in message:
        yield {"reasoning_signature": message["reasoning_signature"]}
    yield from ({"refusal": word} for word in split_after_words(message["refusal"]))
    yield from ({"content": word} for word in split_after_words(message["content"]))
    if "annotations" in message:
        yield {"annotations": message["annotations"]}
    if audio := message.get("audio"):
        yield {"audio": {"id": audio["id"], "transcript": ""}}
        yield from (
            {"audio": {"transcript": word}} for word in split_after_words(audio["transcript"])
        )
        for start in range(0, len(audio["data"]), _AUDIO_CHUNK_CHARS):
            yield {"audio": {"data": audio["data"][start : start + _AUDIO_CHUNK_CHARS]}}
        yield {"audio": {"expires_at": audio["expires_at"]}}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = {"name": call["function"]["name"], "arguments": ""}
        yield {"tool_calls": [{"index": index, **call, "function": function}]}
        for fragment in split_fragments(call["function"]["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}


def _wrap_logprobs(items: list[dict[str, Any]] | None) -> dict[str, Any]:
    return {} if items is None else {"logprobs": {"content": items, "refusal": None}}

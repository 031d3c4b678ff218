"""Build the JSON of a chat completion, as one body or as the chunks of a stream."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.text_endpoint import (
    EPOCH,
    create_call_id,
    create_logprobs,
    split_fragments,
    split_words,
)
from orq_router_integrations.testing.answering.usage import Usage

_AUDIO_LIFETIME_SECONDS = 3600
_AUDIO_CHUNK_CHARS = 4000
"""Length of the base64 of an audio chunk. A multiple of 4, so that each can be decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The content of one chat completion."""

    number: int
    model: str
    answers: Sequence[Answer]
    usage: Mapping[str, Any]
    top_logprobs: int | None
    turn: int

    def build_response(self) -> dict[str, Any]:
        """Return the body of a response that is not streamed."""
        choices = [
            {
                "index": index,
                "message": self._build_message(answer),
                "finish_reason": _get_finish_reason(answer),
                **self._build_logprobs(self._list_logprobs(answer)),
            }
            for index, answer in enumerate(self.answers)
        ]
        return self._build_object("chat.completion", choices) | {"usage": self.usage}

    def iter_chunks(self, *, with_usage: bool) -> Iterator[dict[str, Any]]:
        """Yield the chunks of a stream, followed by a chunk with the usage if requested."""
        extra: dict[str, Any] = {"usage": None} if with_usage else {}
        for index, answer in enumerate(self.answers):
            logprobs = iter(self._list_logprobs(answer))
            for delta in _iter_deltas(self._build_message(answer)):
                choice = {"index": index, "delta": delta, "finish_reason": None}
                if delta.get("content"):
                    choice |= self._build_logprobs(list(islice(logprobs, 1)))
                yield self._build_object("chat.completion.chunk", [choice]) | extra
            end = {"index": index, "delta": {}, "finish_reason": _get_finish_reason(answer)}
            yield self._build_object("chat.completion.chunk", [end]) | extra
        if with_usage:
            yield self._build_object("chat.completion.chunk", []) | {"usage": self.usage}

    def _build_object(self, object_type: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-offline-{self.number:06d}",
            "object": object_type,
            "created": EPOCH + self.number,
            "model": self.model,
            "system_fingerprint": "offline",
            "choices": choices,
        }

    def _build_message(self, answer: Answer) -> dict[str, Any]:
        has_content = answer.text or not (answer.calls or answer.refusal is not None)
        calls = [
            {
                "id": create_call_id(call, turn=self.turn, index=index),
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments_json},
            }
            for index, call in enumerate(answer.calls)
        ]
        message = {
            "role": "assistant",
            "content": answer.text if has_content and answer.audio is None else None,
            "refusal": answer.refusal,
        }
        optional = {
            "reasoning": answer.reasoning,
            "reasoning_signature": answer.reasoning_signature,
            "annotations": [_convert_annotation(item) for item in answer.annotations] or None,
            "audio": None if answer.audio is None else self._build_audio(answer.text, answer.audio),
            "tool_calls": calls or None,
        }
        return message | {name: value for name, value in optional.items() if value is not None}

    def _build_audio(self, transcript: str, data: bytes) -> dict[str, Any]:
        return {
            "id": f"audio_offline_{self.number:06d}",
            "expires_at": EPOCH + self.number + _AUDIO_LIFETIME_SECONDS,
            "data": base64.b64encode(data).decode(),
            "transcript": transcript,
        }

    def _list_logprobs(self, answer: Answer) -> list[dict[str, Any]]:
        return [] if self.top_logprobs is None else create_logprobs(answer, self.top_logprobs)

    def _build_logprobs(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        if self.top_logprobs is None:
            return {}
        return {"logprobs": {"content": items, "refusal": None}}


def _iter_deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the deltas that add up to a message."""
    yield {"role": "assistant", "content": ""}
    for name in ("reasoning", "reasoning_signature", "refusal", "content"):
        text = message.get(name)
        is_whole = name == "reasoning_signature"
        yield from ({name: word} for word in ([text] if is_whole and text else split_words(text)))
    if "annotations" in message:
        yield {"annotations": message["annotations"]}
    if "audio" in message:
        yield from ({"audio": delta} for delta in _iter_audio_deltas(message["audio"]))
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        yield {"tool_calls": [{"index": index, **call, "function": {**function, "arguments": ""}}]}
        for fragment in split_fragments(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}


def _iter_audio_deltas(audio: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"id": audio["id"], "transcript": ""}
    yield from ({"transcript": word} for word in split_words(audio["transcript"]))
    data = audio["data"]
    for start in range(0, len(data), _AUDIO_CHUNK_CHARS):
        yield {"data": data[start : start + _AUDIO_CHUNK_CHARS]}
    yield {"expires_at": audio["expires_at"]}


def _get_finish_reason(answer: Answer) -> str:
    """Return the answer's finish reason, or the one that follows from its content."""
    return answer.finish_reason or ("tool_calls" if answer.calls else "stop")


def _convert_annotation(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Move the fields of a ``/responses`` annotation into an object named after its type."""
    type_ = str(annotation.get("type", ""))
    if type_ in annotation:
        return dict(annotation)
    fields = {name: value for name, value in annotation.items() if name != "type"}
    return {"type": type_, type_: fields}


def build_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_creation_tokens": usage.cache_creation_tokens,
            "audio_tokens": usage.audio_input_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
            "audio_tokens": usage.audio_output_tokens,
        },
    }

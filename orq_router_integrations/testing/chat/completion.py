"""Build the JSON of a chat completion, as one body or as the chunks of a stream."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer, ScriptedToolCall
from orq_router_integrations.testing.answering.chunking import (
    EPOCH,
    create_call_id,
    create_logprobs,
    split_fragments,
    split_words,
)

_AUDIO_LIFETIME_SECONDS = 3600
_AUDIO_CHUNK_BYTES = 3000
"""Bytes of audio per chunk. A multiple of 3, so that the base64 of the chunks can be joined."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """The content of one chat completion."""

    number: int
    model: str
    answers: Sequence[Answer]
    usage: Mapping[str, Any]
    top_logprobs: int | None = None
    turn: int = 0

    def build_response(self) -> dict[str, Any]:
        """Return the body of a response that is not streamed."""
        choices = [self._build_choice(index, answer) for index, answer in enumerate(self.answers)]
        return self._build_object("chat.completion", choices) | {"usage": dict(self.usage)}

    def iter_chunks(self, *, with_usage: bool) -> Iterator[dict[str, Any]]:
        """Yield the chunks of a stream, followed by a chunk with the usage if requested."""
        extra: dict[str, Any] = {"usage": None} if with_usage else {}
        for index, answer in enumerate(self.answers):
            for delta, fields in self._iter_deltas(answer):
                choice = {"index": index, "delta": delta, "finish_reason": None, **fields}
                yield self._build_object("chat.completion.chunk", [choice]) | extra
        if with_usage:
            yield self._build_object("chat.completion.chunk", []) | {"usage": dict(self.usage)}

    def _build_object(self, object_type: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-offline-{self.number:06d}",
            "object": object_type,
            "created": EPOCH + self.number,
            "model": self.model,
            "system_fingerprint": "offline",
            "choices": choices,
        }

    def _build_choice(self, index: int, answer: Answer) -> dict[str, Any]:
        calls = [self._build_tool_call(index, call) for index, call in enumerate(answer.calls)]
        optional = {
            "reasoning": answer.reasoning,
            "reasoning_signature": answer.reasoning_signature,
            "annotations": [_convert_annotation(item) for item in answer.annotations] or None,
            "tool_calls": calls or None,
            "audio": None if answer.audio is None else self._build_audio(answer, answer.audio),
        }
        message = {
            "role": "assistant",
            "content": _get_content(answer),
            "refusal": answer.refusal,
            **{name: value for name, value in optional.items() if value is not None},
        }
        choice = {"index": index, "message": message, "finish_reason": get_finish_reason(answer)}
        return choice | self._build_logprobs(answer)

    def _build_tool_call(self, index: int, call: ScriptedToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments_json}
        call_id = create_call_id(call, turn=self.turn, index=index)
        return {"id": call_id, "type": "function", "function": function}

    def _build_audio(self, answer: Answer, data: bytes) -> dict[str, Any]:
        return {
            "id": f"audio_offline_{self.number:06d}",
            "expires_at": EPOCH + self.number + _AUDIO_LIFETIME_SECONDS,
            "data": base64.b64encode(data).decode(),
            "transcript": answer.text,
        }

    def _build_logprobs(self, answer: Answer) -> dict[str, Any]:
        if self.top_logprobs is None:
            return {}
        refusal = {} if answer.logprobs is not None else {"refusal": None}
        return {"logprobs": {"content": create_logprobs(answer, self.top_logprobs), **refusal}}

    def _iter_deltas(self, answer: Answer) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Yield each delta of one choice, with further fields of the choice in that chunk."""
        yield {"role": "assistant", "content": ""}, {}
        for word in split_words(answer.reasoning):
            yield {"reasoning": word}, {}
        if answer.reasoning_signature is not None:
            yield {"reasoning_signature": answer.reasoning_signature}, {}
        for word in split_words(answer.refusal):
            yield {"refusal": word}, {}
        if answer.audio is not None:
            yield from ((delta, {}) for delta in self._iter_audio_deltas(answer, answer.audio))
        else:
            yield from self._iter_text_deltas(answer)
        for index, call in enumerate(answer.calls):
            yield from ((delta, {}) for delta in self._iter_tool_call_deltas(index, call))
        yield {}, {"finish_reason": get_finish_reason(answer)}

    def _iter_text_deltas(self, answer: Answer) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        logprobs = self._build_logprobs(answer).get("logprobs")
        for index, word in enumerate(split_words(answer.text)):
            fields: dict[str, Any] = {}
            if logprobs:
                fields["logprobs"] = {**logprobs, "content": logprobs["content"][index : index + 1]}
            yield {"content": word}, fields
        if answer.annotations:
            yield {"annotations": [_convert_annotation(item) for item in answer.annotations]}, {}

    def _iter_tool_call_deltas(
        self, index: int, call: ScriptedToolCall
    ) -> Iterator[dict[str, Any]]:
        function = {"name": call.name, "arguments": ""}
        first = self._build_tool_call(index, call) | {"index": index, "function": function}
        yield {"tool_calls": [first]}
        for fragment in split_fragments(call.arguments_json):
            yield {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}

    def _iter_audio_deltas(self, answer: Answer, data: bytes) -> Iterator[dict[str, Any]]:
        audio = self._build_audio(answer, data)
        yield {"audio": {"id": audio["id"], "transcript": ""}}
        for word in split_words(answer.text):
            yield {"audio": {"transcript": word}}
        for start in range(0, len(data), _AUDIO_CHUNK_BYTES):
            chunk = data[start : start + _AUDIO_CHUNK_BYTES]
            yield {"audio": {"data": base64.b64encode(chunk).decode()}}
        yield {"audio": {"expires_at": audio["expires_at"]}}


def get_finish_reason(answer: Answer) -> str:
    """Return the answer's finish reason, or the one that follows from its content."""
    return answer.finish_reason or ("tool_calls" if answer.calls else "stop")


def _get_content(answer: Answer) -> str | None:
    """Return the text; ``None`` for audio, and for tool calls or a refusal without text."""
    if answer.audio is not None:
        return None
    if not answer.text and (answer.calls or answer.refusal is not None):
        return None
    return answer.text


def _convert_annotation(annotation: Mapping[str, Any]) -> dict[str, Any]:
    """Move the fields of a ``/responses`` annotation into an object named after its type."""
    type_ = str(annotation.get("type", ""))
    if type_ in annotation:
        return dict(annotation)
    fields = {name: value for name, value in annotation.items() if name != "type"}
    return {"type": type_, type_: fields}

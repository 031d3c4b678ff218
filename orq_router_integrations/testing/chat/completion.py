"""From answers to the JSON of a chat completion, whole or in chunks."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A chat completion, ready to be written.

    Attributes:
        number: which reply this is, from 1; the id and the time of creation follow from it.
        model: the provider's name of the model, without the provider.
        answers: one per choice.
        usage: counted tokens.
        top_logprobs: alternatives per token; ``None`` leaves logprobs out.
        turn: position in the conversation, so that tool call ids differ between turns.
    """

    number: int
    model: str
    answers: Sequence[Answer]
    usage: Mapping[str, Any]
    top_logprobs: int | None = None
    turn: int = 0

    def build_response(self) -> dict[str, Any]:
        """The reply in one piece."""
        choices = [self._build_choice(index, answer) for index, answer in enumerate(self.answers)]
        return self._build_frame("chat.completion", choices) | {"usage": dict(self.usage)}

    def iter_chunks(self, *, with_usage: bool) -> Iterator[dict[str, Any]]:
        """The reply as a stream of chunks; with its usage at the end if asked for."""
        extra: dict[str, Any] = {"usage": None} if with_usage else {}
        for index, answer in enumerate(self.answers):
            for delta, rest in self._iter_deltas(answer):
                choice = {"index": index, "delta": delta, "finish_reason": None, **rest}
                yield self._build_frame("chat.completion.chunk", [choice]) | extra
        if with_usage:
            yield self._build_frame("chat.completion.chunk", []) | {"usage": dict(self.usage)}

    def _build_frame(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-offline-{self.number:06d}",
            "object": kind,
            "created": EPOCH + self.number,
            "model": self.model,
            "system_fingerprint": "offline",
            "choices": choices,
        }

    def _build_choice(self, index: int, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": _get_content(answer)}
        message["refusal"] = answer.refusal
        if answer.reasoning is not None:
            message["reasoning"] = answer.reasoning
        if answer.reasoning_signature is not None:
            message["reasoning_signature"] = answer.reasoning_signature
        if answer.annotations:
            message["annotations"] = [_convert_annotation(item) for item in answer.annotations]
        if answer.calls:
            message["tool_calls"] = [
                self._build_tool_call(*item) for item in enumerate(answer.calls)
            ]
        if answer.audio is not None:
            message["audio"] = self._build_audio(answer, answer.audio)
        choice = {"index": index, "message": message, "finish_reason": get_finish_reason(answer)}
        return choice | self._build_logprobs(answer)

    def _build_tool_call(self, index: int, call: ScriptedToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.arguments_json}
        id_ = create_call_id(call, turn=self.turn, index=index)
        return {"id": id_, "type": "function", "function": function}

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
        rest = {} if answer.logprobs is not None else {"refusal": None}
        return {"logprobs": {"content": create_logprobs(answer, self.top_logprobs), **rest}}

    def _iter_deltas(self, answer: Answer) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each delta of one choice, with the members of the choice that go with it."""
        yield {"role": "assistant", "content": ""}, {}
        for piece in split_words(answer.reasoning):
            yield {"reasoning": piece}, {}
        if answer.reasoning_signature is not None:
            yield {"reasoning_signature": answer.reasoning_signature}, {}
        for piece in split_words(answer.refusal):
            yield {"refusal": piece}, {}
        if answer.audio is not None:
            yield from ((delta, {}) for delta in self._iter_audio_deltas(answer, answer.audio))
        else:
            yield from self._iter_text_deltas(answer)
        for index, call in enumerate(answer.calls):
            yield from ((delta, {}) for delta in self._iter_tool_call_deltas(index, call))
        yield {}, {"finish_reason": get_finish_reason(answer)}

    def _iter_text_deltas(self, answer: Answer) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        whole = self._build_logprobs(answer).get("logprobs")
        for index, piece in enumerate(split_words(answer.text)):
            items = whole["content"][index : index + 1] if whole else []
            yield {"content": piece}, {"logprobs": {**whole, "content": items}} if whole else {}
        if answer.annotations:
            yield {"annotations": [_convert_annotation(item) for item in answer.annotations]}, {}

    def _iter_tool_call_deltas(
        self, index: int, call: ScriptedToolCall
    ) -> Iterator[dict[str, Any]]:
        whole = self._build_tool_call(index, call)
        head = whole | {"index": index, "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [head]}
        for piece in split_fragments(call.arguments_json):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def _iter_audio_deltas(self, answer: Answer, data: bytes) -> Iterator[dict[str, Any]]:
        whole = self._build_audio(answer, data)
        yield {"audio": {"id": whole["id"], "transcript": ""}}
        for piece in split_words(answer.text):
            yield {"audio": {"transcript": piece}}
        for start in range(
            0, len(data), _AUDIO_CHUNK_BYTES
        ):  # a multiple of 3: base64 pieces add up
            piece = base64.b64encode(data[start : start + _AUDIO_CHUNK_BYTES]).decode()
            yield {"audio": {"data": piece}}
        yield {"audio": {"expires_at": whole["expires_at"]}}


def get_finish_reason(answer: Answer) -> str:
    """Why the answer ends where it does."""
    return answer.finish_reason or ("tool_calls" if answer.calls else "stop")


def _get_content(answer: Answer) -> str | None:
    """The message's content; none where something else stands in its place."""
    elsewhere = answer.calls or answer.refusal is not None or answer.audio is not None
    return None if answer.audio is not None or (elsewhere and not answer.text) else answer.text


def _convert_annotation(item: Mapping[str, Any]) -> dict[str, Any]:
    """An annotation as chat has it: its members in an object named after its type."""
    kind = str(item.get("type", ""))
    if kind in item:
        return dict(item)
    return {"type": kind, kind: {name: item[name] for name in item if name != "type"}}

"""From answers to the JSON of a chat completion, whole or in chunks (contract section 2.1)."""

import base64
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from orq_router_integrations.offline.answer import Answer, ToolCall

EPOCH = 1_767_225_600
"""``created`` of the first reply: the start of 2026, in seconds."""

_PIECE = re.compile(r"\S+\s*|\s+")
_AUDIO_LIFE = 3600
_SAMPLES = 3000


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

    def whole(self) -> dict[str, Any]:
        """The reply in one piece."""
        choices = [self._choice(index, answer) for index, answer in enumerate(self.answers)]
        return self._frame("chat.completion", choices) | {"usage": dict(self.usage)}

    def chunks(self, *, with_usage: bool) -> Iterator[dict[str, Any]]:
        """The reply as a stream of chunks; with its usage at the end if asked for."""
        extra: dict[str, Any] = {"usage": None} if with_usage else {}
        for index, answer in enumerate(self.answers):
            for delta, rest in self._deltas(answer):
                choice = {"index": index, "delta": delta, "finish_reason": None, **rest}
                yield self._frame("chat.completion.chunk", [choice]) | extra
        if with_usage:
            yield self._frame("chat.completion.chunk", []) | {"usage": dict(self.usage)}

    def _frame(self, kind: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-offline-{self.number:06d}",
            "object": kind,
            "created": EPOCH + self.number,
            "model": self.model,
            "system_fingerprint": "offline",
            "choices": choices,
        }

    def _choice(self, index: int, answer: Answer) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": _content(answer)}
        message["refusal"] = answer.refusal
        if answer.reasoning is not None:
            message["reasoning"] = answer.reasoning
        if answer.reasoning_signature is not None:
            message["reasoning_signature"] = answer.reasoning_signature
        if answer.tool_calls:
            message["tool_calls"] = [self._call(*item) for item in enumerate(answer.tool_calls)]
        if answer.audio is not None:
            message["audio"] = self._audio(answer, answer.audio)
        choice = {"index": index, "message": message, "finish_reason": finish_reason(answer)}
        return choice | self._logprobs(answer, answer.text)

    def _call(self, index: int, call: ToolCall) -> dict[str, Any]:
        function = {"name": call.name, "arguments": call.json}
        return {"id": self._call_id(index, call), "type": "function", "function": function}

    def _call_id(self, index: int, call: ToolCall) -> str:
        if call.id is not None:
            return call.id
        seed = f"{self.turn} {index} {call.name} {call.json}".encode()
        return f"call_{blake2b(seed, digest_size=12).hexdigest()}"

    def _audio(self, answer: Answer, data: bytes) -> dict[str, Any]:
        return {
            "id": f"audio_offline_{self.number:06d}",
            "expires_at": EPOCH + self.number + _AUDIO_LIFE,
            "data": base64.b64encode(data).decode(),
            "transcript": answer.text,
        }

    def _logprobs(self, answer: Answer, text: str) -> dict[str, Any]:
        if self.top_logprobs is None:
            return {}
        if answer.logprobs is not None:
            return {"logprobs": {"content": [dict(item) for item in answer.logprobs]}}
        tokens = [_logprob(piece, self.top_logprobs) for piece in _PIECE.findall(text)]
        return {"logprobs": {"content": tokens, "refusal": None}}

    def _deltas(self, answer: Answer) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """Each delta of one choice, with the members of the choice that go with it."""
        yield {"role": "assistant", "content": ""}, {}
        for piece in _PIECE.findall(answer.reasoning or ""):
            yield {"reasoning": piece}, {}
        if answer.reasoning_signature is not None:
            yield {"reasoning_signature": answer.reasoning_signature}, {}
        for piece in _PIECE.findall(answer.refusal or ""):
            yield {"refusal": piece}, {}
        if answer.audio is not None:
            yield from ((delta, {}) for delta in self._audio_deltas(answer, answer.audio))
        else:
            yield from self._text_deltas(answer)
        for index, call in enumerate(answer.tool_calls):
            yield from ((delta, {}) for delta in self._call_deltas(index, call))
        yield {}, {"finish_reason": finish_reason(answer)}

    def _text_deltas(self, answer: Answer) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        for index, piece in enumerate(_PIECE.findall(answer.text)):
            rest = self._logprobs(answer, piece)
            if answer.logprobs is not None and rest:
                rest = {"logprobs": {"content": rest["logprobs"]["content"][index : index + 1]}}
            yield {"content": piece}, rest

    def _call_deltas(self, index: int, call: ToolCall) -> Iterator[dict[str, Any]]:
        whole = self._call(index, call)
        head = whole | {"index": index, "function": {"name": call.name, "arguments": ""}}
        yield {"tool_calls": [head]}
        for piece in _fragments(call.json):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def _audio_deltas(self, answer: Answer, data: bytes) -> Iterator[dict[str, Any]]:
        whole = self._audio(answer, data)
        yield {"audio": {"id": whole["id"], "transcript": ""}}
        for piece in _PIECE.findall(answer.text):
            yield {"audio": {"transcript": piece}}
        for start in range(0, len(data), _SAMPLES):  # a multiple of 3: base64 pieces add up
            piece = base64.b64encode(data[start : start + _SAMPLES]).decode()
            yield {"audio": {"data": piece}}
        yield {"audio": {"expires_at": whole["expires_at"]}}


def finish_reason(answer: Answer) -> str:
    """Why the answer ends where it does."""
    return answer.finish_reason or ("tool_calls" if answer.tool_calls else "stop")


def _content(answer: Answer) -> str | None:
    """The message's content; none where something else stands in its place."""
    elsewhere = answer.tool_calls or answer.refusal is not None or answer.audio is not None
    return None if answer.audio is not None or (elsewhere and not answer.text) else answer.text


def _fragments(text: str) -> list[str]:
    """At least three pieces, as models send arguments: cut anywhere."""
    size = max(1, min(8, math.ceil(len(text) / 3)))
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    return pieces + [""] * (3 - len(pieces))


def _logprob(token: str, alternatives: int) -> dict[str, Any]:
    def item(text: str, rank: int) -> dict[str, Any]:
        return {"token": text, "logprob": -0.1 - rank, "bytes": list(text.encode())}

    top = [item(token if rank == 0 else f"{token}{rank}", rank) for rank in range(alternatives)]
    return item(token, 0) | {"top_logprobs": top}

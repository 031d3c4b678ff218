"""Chat completions as LangChain messages: whole replies and streams end in the same message."""

from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.chat_models.content_blocks import detect_audio_mime_type
from orq_router_integrations.chat_models.provenance import create_response_metadata
from orq_router_integrations.chat_models.tool_calls import (
    ToolCallAccumulator,
    may_start_object,
    parse_tool_calls,
)
from orq_router_integrations.wire.base64_chunks import Base64Normalizer
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.chat_completions import (
    ChatStreamDecoder,
    extract_text,
    get_first_choice,
    parse_completion,
    parse_token_count,
)
from orq_router_integrations.wire.event_stream import EventStreamDecoder
from orq_router_integrations.wire.model_candidates import ModelCandidates
from orq_router_integrations.wire.responses_output import PendingResponse

Completion = dict[str, Any] | PendingResponse


def create_chat_result(
    reply: Response,
    asked: ModelCandidates,
    read: Callable[[Response], Completion] = parse_completion,
) -> ChatResult | PendingResponse:
    """The result in a whole reply, which ``read`` makes a completion of, if it is finished.

    Raises:
        BadReply: the reply has no answer in it.
        ErrorInReply: it is an error after all.
    """
    body = read(reply)
    if isinstance(body, PendingResponse):
        return body
    metadata = create_response_metadata(body, reply, asked)
    generations = []
    for index, choice in enumerate(_in_order(body["choices"])):
        message = _message(choice["message"], metadata)
        if index == 0:
            message.usage_metadata = create_usage_metadata(
                body.get("usage"), body.get("service_tier")
            )
        info = {"finish_reason": choice.get("finish_reason"), "logprobs": choice.get("logprobs")}
        generations.append(
            ChatGeneration(
                message=message,
                generation_info={name: value for name, value in info.items() if value is not None},
            )
        )
    return ChatResult(generations=generations)


def _in_order(choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Choices by their ``index``; as they come, where one of them has none."""
    numbered = all(isinstance(choice.get("index"), int) for choice in choices)
    return sorted(choices, key=itemgetter("index")) if numbered else choices


TIERS = ("flex", "priority")
"""Service tiers with prices of their own, which LangChain counts apart."""


def create_usage_metadata(payload: Any, service_tier: Any = None) -> UsageMetadata | None:
    """Token counts with all their details, or ``None`` where the router gave none.

    Those of a service tier with prices of its own are named as LangChain's OpenAI package names
    them: ``flex_cache_read``, and under ``flex`` what is neither cached nor reasoning.
    """
    if not isinstance(payload, dict):
        return None
    given, made = (
        parse_token_count(payload.get("prompt_tokens")),
        parse_token_count(payload.get("completion_tokens")),
    )
    metadata = UsageMetadata(
        input_tokens=given,
        output_tokens=made,
        total_tokens=parse_token_count(payload.get("total_tokens")) or given + made,
    )
    inputs = _details(
        payload.get("prompt_tokens_details"),
        {"cached_tokens": "cache_read", "cache_creation_tokens": "cache_creation"},
    )
    outputs = _details(payload.get("completion_tokens_details"), {"reasoning_tokens": "reasoning"})
    if service_tier in TIERS:
        inputs = _tiered(inputs, given, service_tier, "cache_read")
        outputs = _tiered(outputs, made, service_tier, "reasoning")
    if inputs:
        metadata["input_token_details"] = InputTokenDetails(**inputs)  # type: ignore[typeddict-item]
    if outputs:
        metadata["output_token_details"] = OutputTokenDetails(**outputs)  # type: ignore[typeddict-item]
    return metadata


def _details(wire: Any, names: dict[str, str]) -> dict[str, int]:
    if not isinstance(wire, dict):
        return {}
    names = {**names, "audio_tokens": "audio"}
    return {
        ours: parse_token_count(wire[n]) for n, ours in names.items() if wire.get(n) is not None
    }


def _tiered(details: dict[str, int], total: int, tier: str, apart: str) -> dict[str, int]:
    named = {n if n == "audio" else f"{tier}_{n}": count for n, count in details.items()}
    return {**named, tier: total - details.get(apart, 0)}


def _message(wire: dict[str, Any], metadata: dict[str, Any]) -> AIMessage:
    calls = parse_tool_calls(wire.get("tool_calls"))
    return AIMessage(
        content=extract_text(wire.get("content")),
        tool_calls=calls.valid,
        invalid_tool_calls=calls.invalid,
        additional_kwargs={**_extras(wire), **_signed(calls.signatures)},
        response_metadata=dict(metadata),
    )


def _signed(signatures: dict[str, str]) -> dict[str, Any]:
    return {"thought_signatures": signatures} if signatures else {}


_EXTRAS: dict[str, tuple[str, type | tuple[type, ...]]] = {
    "reasoning_content": ("reasoning_content", str),
    "reasoning": ("reasoning_content", str),
    "reasoning_signature": ("reasoning_signature", str),
    "redacted_reasoning": ("redacted_reasoning", (str, list)),
    "refusal": ("refusal", str),
    "audio": ("audio", dict),
    "annotations": ("annotations", list),
    "reasoning_items": ("reasoning_items", list),
    "output_items": ("output_items", list),
    "images": ("images", list),
}
"""What an answer holds beside text and tool calls: LangChain's name for it, and its type."""

_LISTS = {"redacted_reasoning", "annotations", "reasoning_items", "output_items", "images"}
_SPOKEN = {"data", "transcript"}


def _extras(wire: dict[str, Any]) -> dict[str, Any]:
    if _EXTRAS.keys().isdisjoint(wire):
        return {}
    found = {
        name: wire[member]
        for member, (name, kind) in _EXTRAS.items()
        if wire.get(member) and isinstance(wire[member], kind)
    }
    if (audio := found.get("audio")) and audio.get("data"):
        found["audio"] = {**audio, "mime_type": detect_audio_mime_type(audio["data"])}
    return found


_EMPTY_CHUNK = AIMessageChunk(content="")
_GENERATION = ChatGenerationChunk(message=_EMPTY_CHUNK)


def _create_generation_chunk(
    text: str, calls: list[ToolCallChunk], extras: dict[str, Any], logprobs: Any
) -> ChatGenerationChunk:
    members = {
        "message": _create_message_chunk(text, calls, extras),
        "text": text,
        "generation_info": {"logprobs": logprobs} if logprobs else None,
    }
    return _GENERATION.model_copy(update=members)


def _create_message_chunk(
    text: str, calls: list[ToolCallChunk], extras: dict[str, Any]
) -> AIMessageChunk:
    """A chunk, made without parsing where it is known what parsing would find.

    LangChain looks for an object in the arguments of every fragment. In one that does not begin
    with a brace there is none: it is an invalid call until it is merged with the others.
    """
    members: dict[str, Any] = {
        "content": text,
        "tool_call_chunks": calls,
        "additional_kwargs": extras,
        "response_metadata": {"model_provider": PROVIDER},
    }
    if calls and any(may_start_object(call) for call in calls):
        return AIMessageChunk(**members)
    told = [
        invalid_tool_call(name=call["name"], args=call["args"], id=call["id"]) for call in calls
    ]
    return _EMPTY_CHUNK.model_copy(update={**members, "tool_calls": [], "invalid_tool_calls": told})


class StreamConverter:
    """Bytes of one chat stream in, LangChain chunks out.

    Text and fragments pass as they come; everything that is said once for the whole answer
    (usage, finish reason, provenance) is kept for the last chunk, where it counts once.

    Attributes:
        done: whether the stream said that it is complete.
    """

    def __init__(
        self,
        head: Response,
        asked: ModelCandidates,
        decoder: Callable[[], EventStreamDecoder] = ChatStreamDecoder,
    ) -> None:
        self._head = head
        self._asked = asked
        self._decoder = decoder()
        self._calls = ToolCallAccumulator()
        self._body: dict[str, Any] = {}
        self._finish_reason: str | None = None
        self._told: set[str] = set()  # what must not be merged twice, or not as a list
        self._lists: dict[str, list[Any]] = {}
        self._sound = Base64Normalizer()
        self.done = False

    @property
    def partial(self) -> str:
        """The text received so far."""
        return self._decoder.partial

    def feed(self, data: bytes) -> Iterator[ChatGenerationChunk]:
        """Take bytes, yield the chunks they complete."""
        for wire in self._decoder.feed(data):
            self._note(wire)
            choice = get_first_choice(wire)
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            if chunk := self._chunk(choice):
                yield chunk
        if self._decoder.done:
            self.done = True
            yield self._last()

    def finish(self) -> Iterator[ChatGenerationChunk]:
        """The last chunk of a stream that ended without ``[DONE]``."""
        self._decoder.finish()
        if not self._decoder.done:
            yield self._last()

    def _note(self, wire: dict[str, Any]) -> None:
        """Keep what is said of the whole answer: the last word holds."""
        if None in wire.values():
            wire = {name: value for name, value in wire.items() if value is not None}
        self._body.update(wire)

    def _chunk(self, choice: dict[str, Any]) -> ChatGenerationChunk | None:
        delta = choice.get("delta") or {}
        text, logprobs = extract_text(delta.get("content")), choice.get("logprobs")
        deltas, extras = delta.get("tool_calls"), _extras(delta)
        calls = self._calls.convert_deltas(deltas) if deltas else []
        if extras:
            extras = self._mergeable(extras)
        if not (text or calls or extras or logprobs):
            return None
        return _create_generation_chunk(text, calls, extras, logprobs)

    def _mergeable(self, extras: dict[str, Any]) -> dict[str, Any]:
        """Extras that LangChain merges without loss; lists, which it does not, wait for the end.

        It would merge the members of two lists that have the same ``index``, and refuses two
        numbers that differ.
        """
        for name in _LISTS & extras.keys():
            if isinstance(extras[name], str) and name not in self._lists:
                self._told.add(name)  # texts merge, and reasoning keeps its place before the answer
                continue
            value = extras.pop(name)
            self._lists.setdefault(name, []).extend(value if isinstance(value, list) else [value])
        if isinstance(audio := extras.get("audio"), dict):
            extras["audio"] = self._heard(audio)
        return extras

    def _heard(self, audio: dict[str, Any]) -> dict[str, Any]:
        """A piece of speech: what is told again counts once, and base64 comes in whole groups."""
        new = {
            name: value
            for name, value in audio.items()
            if (isinstance(value, str) if name in _SPOKEN else name not in self._told)
        }
        self._told |= audio.keys() - _SPOKEN
        if "data" in new:
            new["data"] = self._sound.feed(new["data"])
        return new

    def _held(self) -> dict[str, Any]:
        held: dict[str, Any] = dict(self._lists)
        if rest := self._sound.finish():
            held["audio"] = {"data": rest}
        if pieces := held.get("redacted_reasoning"):
            texts = [piece.get("data") if isinstance(piece, dict) else piece for piece in pieces]
            if "redacted_reasoning" in self._told:
                held["redacted_reasoning"] = "".join(map(str, texts))
        return held

    def _last(self) -> ChatGenerationChunk:
        message = AIMessageChunk(
            content=self._decoder.pending_text,
            tool_call_chunks=self._calls.invalidate_truncated_calls(),
            additional_kwargs={**self._held(), **_signed(self._calls.signatures)},
            chunk_position="last",
            usage_metadata=create_usage_metadata(
                self._body.get("usage"), self._body.get("service_tier")
            ),
            response_metadata=create_response_metadata(self._body, self._head, self._asked),
        )
        info = {"finish_reason": self._finish_reason} if self._finish_reason else None
        return ChatGenerationChunk(message=message, generation_info=info)

"""Events of a streamed answer, for ``stream_events(version="v3")``.

langchain-core can make them of any model's chunks, but then only the last piece of a refusal, of a
spoken answer and of log-probabilities is kept. Here blocks are finished with what the whole
message says, so that events end in the message of a whole reply.
"""

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.chat_models.content_blocks import number_by_type, translate_content
from orq_router_integrations.chat_models.tool_calls import parse_tool_calls

StreamEvent = dict[str, Any]
Place = tuple[str, int | str]
"""A block: its type and its number among those of its type, or a call and its id."""

_THOUGHTS = ("reasoning_content", "reasoning_signature", "redacted_reasoning")

_CALLS = {"tool_call", "invalid_tool_call"}
_SHOWN = {"type", "id", "name", "mime_type", "url"}
"""What the start of a block tells already, where its kind has no pieces."""

_EMPTY: dict[str, dict[str, Any]] = {
    "text": {"text": ""},
    "reasoning": {"reasoning": ""},
    "tool_call": {"args": {}},
    "non_standard": {"value": {}},
}


class StreamEventBuilder:
    """The chunks of one stream in, its events out.

    Args:
        message_id: of the answer.
    """

    def __init__(self, message_id: str) -> None:
        self._message_id = message_id
        self._chunks: list[ChatGenerationChunk] = []
        self._places: dict[Place, int] = {}  # the indices of the blocks begun
        self._calls: dict[int | None, dict[str, Any]] = {}

    def iter_events(self, chunk: ChatGenerationChunk) -> Iterator[StreamEvent]:
        """The events of one chunk."""
        if not self._chunks:
            known = {"id": self._message_id, "metadata": {"provider": PROVIDER}}
            yield {"event": "message-start", "role": "ai", **known}
        self._chunks.append(chunk)
        message = chunk.message
        kept = message.additional_kwargs
        if not kept.keys().isdisjoint(_THOUGHTS):
            yield from self._pieces("reasoning", kept.get("reasoning_content"))
        if message.content:
            yield from self._pieces("text", message.content)
        if isinstance(message, AIMessageChunk) and message.chunk_position != "last":
            for call in message.tool_call_chunks:
                yield from self._called(call)

    def _pieces(self, kind: str, piece: Any) -> Iterator[StreamEvent]:
        yield from self._started((kind, 0), {"type": kind, kind: ""})
        if piece:
            yield self._delta((kind, 0), {"type": f"{kind}-delta", kind: piece})

    def _called(self, piece: Any) -> Iterator[StreamEvent]:
        call = self._calls.setdefault(piece["index"], {"id": piece["id"], "arguments": ""})
        call["name"] = call.get("name") or piece["name"]
        call["arguments"] += piece["args"] or ""
        start = {"type": "tool_call_chunk", "id": call["id"], "name": call["name"], "args": ""}
        yield from self._started(("call", call["id"]), {**start, "index": piece["index"]})
        if piece["args"]:
            yield self._delta(
                ("call", call["id"]), {"type": "tool-call-delta", "args": piece["args"]}
            )

    def _started(self, place: Place, content: dict[str, Any]) -> Iterator[StreamEvent]:
        if place not in self._places:
            index = self._places[place] = len(self._places)
            yield {"event": "content-block-start", "index": index, "content": content}

    def _delta(self, place: Place, delta: dict[str, Any]) -> StreamEvent:
        return {"event": "content-block-delta", "index": self._places[place], "delta": delta}

    def iter_final_events(self) -> Iterator[StreamEvent]:
        """The events at the end of the stream: each block as a whole, then the message."""
        whole = merge_chat_generation_chunks(self._chunks)
        if whole is None:
            return
        merged = whole.message
        for number, block in number_by_type(self._blocks(merged)):
            kind = block["type"]
            place = ("call", block["id"]) if kind in _CALLS else (kind, number)
            shown = {name: value for name, value in block.items() if name in _SHOWN}
            yield from self._started(place, {**shown, **_EMPTY.get(kind, {})})
            index = self._places[place]
            yield {"event": "content-block-finish", "index": index, "content": block}
        yield {
            "event": "message-finish",
            "usage": getattr(merged, "usage_metadata", None),
            "metadata": {**(whole.generation_info or {}), **merged.response_metadata},
            "additional_kwargs": merged.additional_kwargs,
        }

    def _blocks(self, merged: Any) -> list[dict[str, Any]]:
        """The blocks of the message; its calls as they came, not as LangChain completes them."""
        wire = [
            {"id": call["id"], "function": {k: call[k] for k in ("name", "arguments")}}
            for call in self._calls.values()
        ]
        calls = parse_tool_calls(wire)
        message = AIMessage(
            content=merged.content,
            tool_calls=calls.valid,
            invalid_tool_calls=calls.invalid,
            additional_kwargs=merged.additional_kwargs,
        )
        return [dict(block) for block in translate_content(message)]

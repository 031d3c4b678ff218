"""Create the events of a streamed answer for ``stream_events(version="v3")``.

langchain-core can create events from the chunks of any model, but then keeps only the last chunk of
refusals, audio and log probabilities. The events created here end each block with its complete
content, so that they produce the same message as ``invoke``.
"""

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import message_chunk_to_message
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.outputs.chat_generation import merge_chat_generation_chunks

from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.chat_models.content_blocks import enumerate_by_type, translate_content
from orq_router_integrations.chat_models.response_metadata import FINISH_FIELDS
from orq_router_integrations.wire.reasoning import REASONING_FIELDS

StreamEvent = dict[str, Any]

_REASONING_KWARGS = {field.kwarg for field in REASONING_FIELDS if field.block_key}

_TOOL_CALL_TYPES = {"tool_call", "invalid_tool_call"}
_CONTENT_FIELDS = {
    "text", "reasoning", "refusal", "args", "output", "value", "base64", "annotations", "extras",
}  # fmt: skip
"""Fields that are empty in the start event of a block."""


class StreamEventBuilder:
    """Creates the events of one stream from its chunks."""

    def __init__(self, message_id: str) -> None:
        self._message_id = message_id
        self._chunks: list[ChatGenerationChunk] = []
        # Indices of the blocks that have started, by type and position within the type. Tool calls
        # have the type "call", and the index of their chunks.
        self._indices: dict[tuple[str, int], int] = {}

    def iter_events(self, chunk: ChatGenerationChunk) -> Iterator[StreamEvent]:
        if not self._chunks:
            start = {"event": "message-start", "role": "ai", "id": self._message_id}
            yield {**start, "metadata": {"provider": PROVIDER}}
        self._chunks.append(chunk)
        message: Any = chunk.message
        kwargs = message.additional_kwargs
        if not kwargs.keys().isdisjoint(_REASONING_KWARGS):
            yield from self._iter_text("reasoning", kwargs.get("reasoning_content"))
        if message.content:
            yield from self._iter_text("text", message.content)
        if message.chunk_position == "last":
            yield from self._iter_final_events()
            return
        for call in message.tool_call_chunks:
            block = {**call, "type": "tool_call_chunk", "args": ""}
            delta = {"type": "tool-call-delta", "args": call["args"]} if call["args"] else None
            yield from self._iter_block(("call", call["index"]), block, delta)

    def _iter_text(self, block_type: str, text: Any) -> Iterator[StreamEvent]:
        delta = {"type": f"{block_type}-delta", block_type: text} if text else None
        yield from self._iter_block((block_type, 0), {"type": block_type, block_type: ""}, delta)

    def _iter_block(
        self, key: tuple[str, int], start: dict[str, Any], delta: dict[str, Any] | None = None
    ) -> Iterator[StreamEvent]:
        """Yield the start event of a block, unless it has started, and the event of a delta."""
        is_new = key not in self._indices
        index = self._indices.setdefault(key, len(self._indices))
        if is_new:
            yield {"event": "content-block-start", "index": index, "content": start}
        if delta:
            yield {"event": "content-block-delta", "index": index, "delta": delta}

    def _iter_final_events(self) -> Iterator[StreamEvent]:
        """Yield the events that end the stream: all complete blocks, then the message."""
        merged: Any = merge_chat_generation_chunks(self._chunks)
        message: Any = merged.message
        call_indices = {call["id"]: call["index"] for call in message.tool_call_chunks}
        complete_message: Any = message_chunk_to_message(message)
        blocks = [dict(block) for block in translate_content(complete_message)]
        for number, block in enumerate_by_type(blocks):
            block_type = block["type"]
            is_call = block_type in _TOOL_CALL_TYPES
            key = ("call", call_indices[block["id"]]) if is_call else (block_type, number)
            empty = {name: type(block[name])() for name in _CONTENT_FIELDS & block.keys()}
            yield from self._iter_block(key, {**block, **empty})
            index = self._indices[key]
            yield {"event": "content-block-finish", "index": index, "content": block}
        metadata = {**(merged.generation_info or {}), **message.response_metadata}
        yield {
            "event": "message-finish",
            "usage": message.usage_metadata,
            **{name: metadata[name] for name in FINISH_FIELDS if name in metadata},
            "metadata": metadata,
            "additional_kwargs": message.additional_kwargs,
        }

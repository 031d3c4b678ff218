"""Decode streams of ``POST /responses`` into chunks of a chat completion.

The API sends the same content up to three times: as deltas, in the finished item, and in the
finished response. Providers omit any of these, so the decoder records which content it has emitted
and takes missing content from later events. It compares the items of the finished response by type,
not by index, because some providers omit items there, which shifts the indices.
"""

from collections.abc import Iterator
from typing import Any

from orq_router_integrations.wire.call import EmbeddedError
from orq_router_integrations.wire.chat_completions import extract_text
from orq_router_integrations.wire.event_stream import EventStreamDecoder
from orq_router_integrations.wire.json import as_dict, as_dicts, as_str, dumps
from orq_router_integrations.wire.responses_output import (
    PARAGRAPH_BREAK,
    JsonObject,
    convert_item,
    convert_message_part,
    convert_metadata,
    convert_unstreamed_content,
    get_finish_reason,
    get_message_parts,
    get_output_items,
    merge_delta,
)

_TEXT_DELTAS = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning.delta": "reasoning",
}
"""Event types that carry text, and the field of a chat delta that the text belongs to."""

_FINAL_EVENTS = {"response.completed", "response.incomplete"}


class ResponsesStreamDecoder(EventStreamDecoder):
    """Decodes the bytes of a response stream into chunks of a chat completion."""

    def __init__(self) -> None:
        super().__init__()
        # Items are identified by their output index, which is None if the event lacks it.
        self._call_ids: dict[int | None, Any] = {}  # tool calls that have been emitted
        self._item_types: set[Any] = set()  # types of items with emitted content
        self._emitted_items: set[int | None] = set()  # items with emitted text or arguments
        self._emitted_parts: set[tuple[int | None, int | None]] = set()  # (item, content index)
        self._reasoning_key: tuple[Any, ...] | None = None  # where the last reasoning came from

    @property
    def has_answer(self) -> bool:
        """Whether any content of an item was emitted."""
        return bool(self._item_types)

    def find_text(self, event: JsonObject) -> tuple[JsonObject, str]:
        """Return the object with the text of an event, and the name of its text field."""
        return (event, "delta") if event.get("type") == "response.output_text.delta" else ({}, "")

    def decode_event(self, event: JsonObject, data: bytes) -> Iterator[JsonObject]:
        """Convert an event to chunks; events without new content yield none.

        Raises:
            EmbeddedError: If the event is an error, or reports that the response failed.
            MalformedResponseError: If text is not a string, or the response has no output.
        """
        event_type = as_str(event.get("type"))
        if event_type in {"error", "response.failed"}:
            response = as_dict(event.get("response"))
            raise EmbeddedError(dumps(response) if response.get("error") else data)
        if event_type in _FINAL_EVENTS:
            yield from self._finish_response(as_dict(event.get("response")), data)
        elif event_type in _TEXT_DELTAS:
            logprobs = as_dicts(event.get("logprobs"))
            fields = {"logprobs": {"content": logprobs}} if logprobs else {}
            yield _build_chunk(self._convert_text_delta(event_type, event), **fields)
        elif delta := self._convert_event(event_type, event, _get_index(event)):
            yield _build_chunk(delta)

    def _convert_text_delta(self, event_type: str, event: JsonObject) -> JsonObject:
        field, text = _TEXT_DELTAS[event_type], extract_text(event.get("delta"))
        item_index = _get_index(event)
        self._emitted_items.add(item_index)
        self._item_types.add("reasoning" if field == "reasoning" else "message")
        if field == "reasoning":
            indices = map(event.get, ("output_index", "summary_index", "content_index"))
            return {field: self._separate_reasoning(text, (event_type, *indices))}
        self._emitted_parts.add((item_index, _get_index(event, "content_index")))
        if field == "content":
            self.record_text(text)
        return {field: text}

    def _separate_reasoning(self, text: str, key: tuple[Any, ...]) -> str:
        """Add a paragraph break before the text of a new item or part."""
        last_key, self._reasoning_key = self._reasoning_key, key
        return PARAGRAPH_BREAK + text if last_key not in (None, key) else text

    def _is_part_emitted(self, item_index: int | None, content_index: int | None) -> bool:
        """Whether text of a part was emitted; text without a content index counts for all parts."""
        keys = {(item_index, content_index), (item_index, None)}
        return not self._emitted_parts.isdisjoint(keys)

    def _convert_event(self, event_type: str, event: JsonObject, index: int | None) -> JsonObject:
        item = as_dict(event.get("item"))
        delta: JsonObject = {}
        match event_type:
            case "response.output_item.added" if item.get("type") == "function_call":
                delta = self._start_call(item, index)
            case "response.function_call_arguments.delta":
                delta = self._convert_arguments(event.get("delta"), index)
            case "response.function_call_arguments.done" if index not in self._emitted_items:
                delta = self._convert_arguments(event.get("arguments"), index)
            case "response.output_text.annotation.added":
                delta = {"annotations": as_dicts([event.get("annotation")])}
            case "response.output_text.done" if event.get("text"):
                if not self._is_part_emitted(index, _get_index(event, "content_index")):
                    text_event = {**event, "delta": event.get("text")}
                    delta = self._convert_text_delta("response.output_text.delta", text_event)
            case "response.output_item.done":
                delta = self._finish_item(item, index)
        return delta

    def _start_call(self, item: JsonObject, index: int | None) -> JsonObject:
        call_id = item.get("call_id")
        self._call_ids[index] = call_id
        self._item_types.add("function_call")
        function = {"name": item.get("name"), "arguments": ""}
        return {"tool_calls": [{"index": index, "id": call_id, "function": function}]}

    def _convert_arguments(self, text: Any, index: int | None) -> JsonObject:
        if not text:
            return {}
        self._emitted_items.add(index)
        return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}

    def _finish_item(self, item: JsonObject, index: int | None) -> JsonObject:
        """Convert the content of a finished item that was not emitted yet."""
        self._item_types.add(as_str(item.get("type")))
        if index in self._emitted_items:
            return self._convert_missing_parts(item, index)
        self._emitted_items.add(index)
        if index in self._call_ids:
            return self._convert_arguments(item.get("arguments"), index)
        delta = convert_item(item)
        self.record_text(delta.get("content"))
        if reasoning := delta.get("reasoning"):
            delta["reasoning"] = self._separate_reasoning(reasoning, ("item", index))
        if calls := delta.get("tool_calls"):
            self._call_ids[index] = item.get("call_id")
            delta["tool_calls"] = [{"index": index, **call} for call in calls]
        return delta

    def _convert_missing_parts(self, item: JsonObject, index: int | None) -> JsonObject:
        """Convert the parts of a partly emitted item that no earlier event contained."""
        delta = convert_unstreamed_content(item)
        if item.get("type") == "message":
            for content_index, part in enumerate(get_message_parts(item)):
                if not self._is_part_emitted(index, content_index):
                    merge_delta(delta, convert_message_part(part))
            self.record_text(delta.get("content"))
        return delta

    def _finish_response(self, response: JsonObject, data: bytes) -> Iterator[JsonObject]:
        self.done = True
        items = as_dicts(response.get("output"))
        if not self._item_types:
            items = get_output_items(response, data)
        emitted_types = set(self._item_types)
        for index, item in enumerate(items):
            if item.get("type") not in emitted_types or self._lacks_arguments(item, index):
                yield _build_chunk(self._finish_item(item, index))
        finish_reason = get_finish_reason(response, has_calls=bool(self._call_ids))
        choice = {"index": 0, "delta": {}, "finish_reason": finish_reason}
        yield {**convert_metadata(response), "choices": [choice]}

    def _lacks_arguments(self, item: JsonObject, index: int) -> bool:
        """Whether an item is a tool call that was started but has not received its arguments."""
        if index in self._emitted_items:
            return False
        call_id = self._call_ids.get(index)
        return bool(call_id) and call_id == item.get("call_id")


def _get_index(event: JsonObject, name: str = "output_index") -> int | None:
    index = event.get(name)
    return index if isinstance(index, int) else None


def _build_chunk(delta: JsonObject, **choice_fields: Any) -> JsonObject:
    return {"choices": [{"index": 0, "delta": delta, **choice_fields}]}

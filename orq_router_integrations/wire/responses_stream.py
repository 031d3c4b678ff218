"""Decode streams of ``POST /responses`` into chunks of a chat completion.

The API sends the same content up to three times: as deltas, in the finished item, and in the
finished response. Providers omit any of these, so the decoder records the content that it has
emitted of each item, and later emits what a finished item contains beyond that.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orq_router_integrations.wire.call import EmbeddedError
from orq_router_integrations.wire.chat_completions import extract_text
from orq_router_integrations.wire.event_stream import EventStreamDecoder
from orq_router_integrations.wire.json import as_dict, as_dicts, as_int, as_str
from orq_router_integrations.wire.responses_output import (
    PARAGRAPH_BREAK,
    JsonObject,
    build_choice,
    convert_item,
    create_response_error,
    finish_completion,
    get_output_items,
    list_item_ids,
)

_TEXT_DELTAS = {
    "output_text.delta": ("message", "content"),
    "refusal.delta": ("message", "refusal"),
    "reasoning_summary_text.delta": ("reasoning", "reasoning"),
    "reasoning_text.delta": ("reasoning", "reasoning"),
    "reasoning.delta": ("reasoning", "reasoning"),
}
"""Event types that carry text, with the type of their item and the field of a chat delta."""


@dataclass(slots=True, eq=False)
class _StreamedItem:
    """An output item: what identifies it, and what has been emitted of it."""

    type: str
    position: int  # among the items of the stream; the index of a tool call in chunks
    id: str
    index: int | None
    call_id: str
    # Emitted values by field of a delta. A call has "tool_calls", and then its "arguments".
    emitted: dict[str, list[Any]] = field(default_factory=dict)
    payload: JsonObject | None = None  # the finished item, if it was received

    def rate_match(self, other: "_StreamedItem") -> int:
        """Rate from 0 (no match) to 4 (same id) how well an item read from an event matches.

        Some providers omit ids or indices, send other ids in each event, or send another index with
        the finished item.
        """
        if other.type != self.type:
            return 0
        if other.id and other.id == self.id:
            return 4
        is_same_call = bool(other.call_id) and other.call_id == self.call_id
        is_open = self.payload is None and (is_same_call or not (other.call_id and self.call_id))
        if is_open and other.index is not None and other.index == self.index:
            return 3
        if is_same_call:
            return 2
        is_unidentified = not self.id if other.id else other.index is None
        return int(is_open and is_unidentified)

    def get_missing(self, name: str, value: Any) -> Any:
        """Return what a string or a list contains beyond the values that were emitted of it."""
        emitted = self.emitted.get(name)
        if not emitted:
            return value
        if isinstance(value, list):
            return value[sum(map(len, emitted)) :]
        text = "".join(emitted)
        return value[len(text) :] if as_str(value).startswith(text) else ""


class ResponsesStreamDecoder(EventStreamDecoder):
    """Decodes the bytes of a response stream into chunks of a chat completion."""

    def __init__(self) -> None:
        super().__init__()
        self._items: list[_StreamedItem] = []
        self._reasoning_key: tuple[Any, ...] | None = None  # where the last reasoning came from

    def decode_event(self, event: JsonObject, data: bytes) -> Iterator[JsonObject]:
        """Yield the chunks of an event, if it has new content."""
        event_type = as_str(event.get("type")).removeprefix("response.")
        if event_type == "error":
            raise EmbeddedError(data)
        if event_type == "failed":
            raise create_response_error(as_dict(event.get("response")))
        if event_type in {"completed", "incomplete"}:
            yield from self._finish_response(as_dict(event.get("response")), data)
        elif delta := self._convert_event(event_type, event):
            yield {"choices": [build_choice("delta", delta)]}

    def _convert_event(self, event_type: str, event: JsonObject) -> JsonObject:
        payload = as_dict(event.get("item"))
        match event_type:
            case _ if event_type in _TEXT_DELTAS:
                return self._convert_text_delta(event_type, event)
            case "output_item.added":
                return self._start_item(event, payload)
            case "output_item.done":
                return self._finish_item(payload, self._get_item(event, payload.get("type")))
            case "function_call_arguments.delta":
                item = self._get_item(event, "function_call")
                return self._emit_arguments(as_str(event.get("delta")), item)
            case "output_text.annotation.added":
                annotations = as_dicts([event.get("annotation")])
                return self._emit({"annotations": annotations}, self._get_item(event, "message"))
        return {}

    def _get_item(self, event: JsonObject, item_type: Any) -> _StreamedItem:
        """Return the item that an event belongs to, which is new if no other item matches."""
        new_item = self._create_item(event, item_type)
        item = self._find_item(new_item)
        if item is None:
            self._items.append(new_item)
            return new_item
        item.id = item.id or new_item.id
        item.call_id = item.call_id or new_item.call_id
        return item

    def _create_item(self, event: JsonObject, item_type: Any) -> _StreamedItem:
        payload = as_dict(event.get("item"))
        return _StreamedItem(
            type=as_str(item_type),
            position=len(self._items),
            id=as_str(event.get("item_id")) or as_str(payload.get("id")),
            index=as_int(event.get("output_index")),
            call_id=as_str(payload.get("call_id")),
        )

    def _find_item(self, new_item: _StreamedItem) -> _StreamedItem | None:
        """Return the item with the highest rating, the last one if several have it."""
        match, highest_rating = None, 1
        for item in self._items:
            if (rating := item.rate_match(new_item)) >= highest_rating:
                match, highest_rating = item, rating
        return match

    def _start_item(self, event: JsonObject, payload: JsonObject) -> JsonObject:
        item = self._create_item(event, payload.get("type"))
        self._items.append(item)
        if item.type != "function_call":
            return {}
        function = {"name": payload.get("name"), "arguments": ""}
        call = {"index": item.position, "id": item.call_id, "function": function}
        return self._emit({"tool_calls": [call]}, item)

    def _convert_text_delta(self, event_type: str, event: JsonObject) -> JsonObject:
        item_type, name = _TEXT_DELTAS[event_type]
        delta: JsonObject = {name: extract_text(event.get("delta"))}
        if logprobs := as_dicts(event.get("logprobs")):
            delta["logprobs"] = logprobs
        return self._emit(delta, self._get_item(event, item_type), event)

    def _emit(
        self, delta: JsonObject, item: _StreamedItem, event: JsonObject | None = None
    ) -> JsonObject:
        """Record the content of a delta, and separate the reasoning of items and parts."""
        self.has_answer = True
        for name, value in delta.items():
            if value:
                item.emitted.setdefault(name, []).append(value)
        if "reasoning" not in delta:
            return delta
        fields = event or {}
        indices = as_int(fields.get("summary_index")), as_int(fields.get("content_index"))
        key = (item.position, fields.get("type"), *indices)
        is_new = self._reasoning_key not in {None, key}
        self._reasoning_key = key
        return {**delta, "reasoning": (PARAGRAPH_BREAK if is_new else "") + delta["reasoning"]}

    def _emit_arguments(self, text: Any, item: _StreamedItem) -> JsonObject:
        if not text:
            return {}
        self._emit({"arguments": text}, item)
        return {"tool_calls": [{"index": item.position, "function": {"arguments": text}}]}

    def _finish_item(self, payload: JsonObject, item: _StreamedItem) -> JsonObject:
        """Convert what a finished item contains beyond the content already emitted."""
        if item.payload is not None:
            return {}
        item.payload, self.has_answer = payload, True
        delta = convert_item(payload)
        if calls := delta.get("tool_calls"):
            function = calls[0]["function"]
            function["arguments"] = item.get_missing("arguments", function["arguments"])
            if "tool_calls" in item.emitted:
                return self._emit_arguments(function["arguments"], item)
            calls[0]["index"] = item.position
        if "reasoning" in item.emitted:
            delta.pop("reasoning", None)  # its parts may be in another order than the events
        missing = {name: item.get_missing(name, value) for name, value in delta.items()}
        return self._emit({name: value for name, value in missing.items() if value}, item)

    def _finish_response(self, response: JsonObject, data: bytes) -> Iterator[JsonObject]:
        """Yield the items that only the finished response has, and the last chunk.

        Apart from calls, it may repeat items with other ids.
        """
        self.done = True
        outputs = as_dicts(response.get("output"))
        if not self.has_answer:
            outputs = get_output_items(response, data)
        finished = [item.payload for item in self._items if item.payload]
        known_types = {item.type for item in self._items if item.emitted or item.payload}
        for payload in outputs:
            item_type, event = as_str(payload.get("type")), {"item": payload}
            is_known = item_type in known_types - {"function_call"}
            if is_known and not self._find_item(self._create_item(event, item_type)):
                continue
            if delta := self._finish_item(payload, self._get_item(event, item_type)):
                yield {"choices": [build_choice("delta", delta)]}
        if item_ids := list_item_ids(outputs or finished):
            yield {"choices": [build_choice("delta", {"item_ids": item_ids})]}
        has_calls = any("tool_calls" in item.emitted for item in self._items)
        yield finish_completion({"index": 0, "delta": {}}, response, has_calls=has_calls)

"""Decode streams of ``POST /responses`` into chunks of a chat completion.

The API sends the same content up to three times: as deltas, in the finished item, and in the
finished response. Providers omit any of these, so the decoder records the content that it has
emitted of each item, and later emits what a finished item contains beyond that. Items are
identified by their ids, because some providers send another output index with the finished item
than with its deltas, and omit items of the finished response, which shifts the indices.
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
    convert_item,
    convert_metadata,
    create_response_error,
    get_finish_reason,
    get_output_items,
    list_item_ids,
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


@dataclass(slots=True)
class _StreamedItem:
    """The state of an output item: its ids, and the parts of it that have been emitted."""

    index: int | None  # identifies the item if its events have no ids, and its call in chunks
    id: str | None = None
    call_id: Any = None
    types: set[str] = field(default_factory=set)  # item types in its events
    content: dict[str, list[Any]] = field(default_factory=dict)  # emitted values by delta field
    parts: set[int | None] = field(default_factory=set)  # content indices of the emitted text
    is_call: bool = False  # whether the start of a tool call has been emitted
    has_arguments: bool = False  # whether arguments of a tool call have been emitted
    is_finished: bool = False  # whether the finished item was received


class ResponsesStreamDecoder(EventStreamDecoder):
    """Decodes the bytes of a response stream into chunks of a chat completion."""

    def __init__(self) -> None:
        super().__init__()
        self._items: list[_StreamedItem] = []
        self._finished_items: list[JsonObject] = []
        self._reasoning_key: tuple[Any, ...] | None = None  # where the last reasoning came from
        self._has_annotations = False  # whether annotations have events of their own

    def decode_event(self, event: JsonObject, data: bytes) -> Iterator[JsonObject]:
        """Yield the chunks of an event, if it has new content."""
        event_type = as_str(event.get("type"))
        if event_type == "error":
            raise EmbeddedError(data)
        if event_type == "response.failed":
            raise create_response_error(as_dict(event.get("response")))
        if event_type in _FINAL_EVENTS:
            yield from self._finish_response(as_dict(event.get("response")), data)
        elif event_type in _TEXT_DELTAS:
            yield _build_chunk(self._convert_text_delta(event_type, event))
        elif delta := self._convert_event(event_type, event):
            yield _build_chunk(delta)

    def _get_item(self, event: JsonObject, item_type: str) -> _StreamedItem:
        """Return the item of an event, which is a new one if no earlier event belongs to it."""
        payload = as_dict(event.get("item"))
        item_id = as_str(event.get("item_id")) or as_str(payload.get("id")) or None
        index, call_id = _get_index(event), payload.get("call_id")
        is_start = event.get("type") == "response.output_item.added"
        item = self._find_item(item_id, index, call_id, item_type, is_start=is_start)
        if item is None:
            taken = {other.index for other in self._items if other.index is not None}
            item = _StreamedItem(max(taken) + 1 if index in taken else index)
            self._items.append(item)
        item.id = item.id or item_id
        item.types.add(item_type)
        return item

    def _find_item(
        self,
        item_id: str | None,
        index: int | None,
        call_id: Any,
        item_type: str,
        *,
        is_start: bool,
    ) -> _StreamedItem | None:
        """Find an item by its id, then by its index, then by the id of its call.

        Finished items are only found by their id. The start of an item only belongs to an earlier
        one if both have the same id or index.
        """
        for item in self._items:
            if item_id and item.id == item_id:
                return item
        open_items = [
            item for item in self._items if not item.is_finished and item_type in item.types
        ]
        for item in open_items:
            # Some providers send other ids in each event, so the index identifies the item too.
            is_other = index is None and item_id and item.id
            is_other_call = call_id and item.call_id and call_id != item.call_id
            if item.index == index and not (is_other or is_other_call):
                return item
        if is_start:
            return None
        candidates = [item for item in open_items if call_id and item.call_id == call_id]
        candidates = candidates or [item for item in open_items if item_id and not item.id]
        return candidates[0] if len(candidates) == 1 else None

    def _convert_text_delta(self, event_type: str, event: JsonObject) -> JsonObject:
        name, text = _TEXT_DELTAS[event_type], extract_text(event.get("delta"))
        item = self._get_item(event, "reasoning" if name == "reasoning" else "message")
        if name == "reasoning":
            part = (_get_index(event, "summary_index"), _get_index(event, "content_index"))
            return self._emit({name: text}, item, (event_type, *part))
        if text:
            item.parts.add(_get_index(event, "content_index"))
        logprobs = as_dicts(event.get("logprobs"))
        return self._emit({name: text, **({"logprobs": logprobs} if logprobs else {})}, item)

    def _emit(
        self, delta: JsonObject, item: _StreamedItem, part: tuple[Any, ...] = ()
    ) -> JsonObject:
        """Record the content of a delta, and separate the reasoning of items and parts."""
        self.has_answer = True
        for name, value in delta.items():
            item.content.setdefault(name, []).append(value)
        self.record_text(delta.get("content"))
        if "reasoning" not in delta:
            return delta
        last_key, self._reasoning_key = self._reasoning_key, (id(item), *part)
        is_new = last_key not in {None, self._reasoning_key}
        return {**delta, "reasoning": (PARAGRAPH_BREAK if is_new else "") + delta["reasoning"]}

    def _convert_event(self, event_type: str, event: JsonObject) -> JsonObject:
        payload = as_dict(event.get("item"))
        match event_type.removeprefix("response."):
            case "output_item.added":
                return self._start_item(event, payload)
            case "output_item.done":
                self._finished_items.append(payload)
                return self._finish_item(
                    payload, self._get_item(event, as_str(payload.get("type")))
                )
            case "function_call_arguments.delta" | "function_call_arguments.done":
                item = self._get_item(event, "function_call")
                text = event.get("delta" if event_type.endswith("delta") else "arguments")
                is_repeated = item.has_arguments and event_type.endswith("done")
                return {} if is_repeated else self._emit_arguments(text, item)
            case "output_text.annotation.added":
                self._has_annotations = True
                return {"annotations": as_dicts([event.get("annotation")])}
            case "output_text.done" if text := extract_text(event.get("text")):
                parts = self._get_item(event, "message").parts
                index = _get_index(event, "content_index")
                if not parts or not (index is None or parts & {index, None}):
                    text_event = {**event, "delta": text}
                    return self._convert_text_delta("response.output_text.delta", text_event)
        return {}

    def _start_item(self, event: JsonObject, payload: JsonObject) -> JsonObject:
        item_type = as_str(payload.get("type"))
        if item_type not in {"function_call", "message", "reasoning"}:
            return {}
        item = self._get_item(event, item_type)
        if item_type != "function_call":
            return {}
        item.call_id, item.is_call, self.has_answer = payload.get("call_id"), True, True
        function = {"name": payload.get("name"), "arguments": ""}
        return {"tool_calls": [{"index": item.index, "id": item.call_id, "function": function}]}

    def _emit_arguments(self, text: Any, item: _StreamedItem) -> JsonObject:
        if not text:
            return {}
        item.has_arguments = self.has_answer = True
        return {"tool_calls": [{"index": item.index, "function": {"arguments": text}}]}

    def _finish_item(self, payload: JsonObject, item: _StreamedItem) -> JsonObject:
        """Convert what a finished item contains beyond the content already emitted."""
        item.is_finished = self.has_answer = True
        if item.is_call:
            return (
                {} if item.has_arguments else self._emit_arguments(payload.get("arguments"), item)
            )
        delta = convert_item(payload)
        if calls := delta.get("tool_calls"):
            item.call_id, item.is_call, item.has_arguments = payload.get("call_id"), True, True
            return {"tool_calls": [{"index": item.index, **calls[0]}]}
        if self._has_annotations:
            delta.pop("annotations", None)
        missing = {
            name: _get_missing(value, item.content.get(name)) for name, value in delta.items()
        }
        if "reasoning" in item.content:
            missing.pop("reasoning", None)  # its parts may be in another order than the events
        return self._emit({name: value for name, value in missing.items() if value}, item)

    def _finish_response(self, response: JsonObject, data: bytes) -> Iterator[JsonObject]:
        self.done = True
        outputs = as_dicts(response.get("output"))
        if not self.has_answer:
            outputs = get_output_items(response, data)
        for payload in self._find_missing_items(outputs):
            item = self._get_item({"item": payload}, as_str(payload.get("type")))
            yield _build_chunk(self._finish_item(payload, item))
        if item_ids := list_item_ids(outputs or self._finished_items):
            yield _build_chunk({"item_ids": item_ids})
        has_calls = any(item.is_call for item in self._items)
        choice = {
            "index": 0,
            "delta": {},
            "finish_reason": get_finish_reason(response, has_calls=has_calls),
        }
        yield {**convert_metadata(response), "choices": [choice]}

    def _find_missing_items(self, outputs: list[JsonObject]) -> list[JsonObject]:
        """Return the items of the finished response that no event contained.

        Items of a type that was streamed are only missing if they are calls, because calls have
        ids that all providers repeat.
        """
        streamed = [
            item for item in self._items if item.content or item.is_call or item.is_finished
        ]
        streamed_types = {item_type for item in streamed for item_type in item.types}
        states = {
            str(item.call_id): item.has_arguments or item.is_finished
            for item in streamed
            if item.call_id
        }
        call_count = sum(payload.get("type") == "function_call" for payload in outputs)
        missing = []
        for payload in outputs:
            is_call = payload.get("type") == "function_call"
            call_id = as_str(payload.get("call_id"))
            is_new_call = is_call and call_id not in states and call_count > len(states)
            is_empty_call = is_call and states.get(call_id) is False
            if payload.get("type") not in streamed_types or is_new_call or is_empty_call:
                missing.append(payload)
        return missing


def _get_index(event: JsonObject, name: str = "output_index") -> int | None:
    return as_int(event.get(name))


def _get_missing(value: Any, emitted: list[Any] | None) -> Any:
    """Return what a string or a list contains beyond the values that were emitted of it."""
    if not emitted:
        return value
    if isinstance(value, list):
        return value[sum(map(len, emitted)) :]
    text = "".join(emitted)
    return value[len(text) :] if value.startswith(text) else ""


def _build_chunk(delta: JsonObject) -> JsonObject:
    choice: JsonObject = {"index": 0, "delta": delta}
    if logprobs := delta.pop("logprobs", None):
        choice["logprobs"] = {"content": logprobs}
    return {"choices": [choice]}

"""Decode streams of ``POST /responses`` into chunks of a chat completion.

The API sends the same content up to three times: as deltas, in the finished item, and in the
finished response. Providers omit any of these, so the decoder records the content that it has
emitted of each item, and later emits what a finished item contains beyond that. Items are
identified by their ids, because some providers send another output index with the finished item
than with its deltas, and omit items of the finished response, which shifts the indices.
"""

from collections.abc import Iterator, Sequence
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
    create_response_error,
    finish_completion,
    get_output_items,
    list_item_ids,
)

_TEXT_DELTAS = {
    "output_text.delta": "content",
    "refusal.delta": "refusal",
    "reasoning_summary_text.delta": "reasoning",
    "reasoning_text.delta": "reasoning",
    "reasoning.delta": "reasoning",
}
"""Event types that carry text, and the field of a chat delta that the text belongs to."""


@dataclass(slots=True)
class _StreamedItem:
    """The state of an output item: how it is identified, and what has been emitted of it."""

    type: str
    index: int | None  # of its tool call in chunks; identifies it if its events have no ids
    id: str = ""
    call_id: Any = None
    # Emitted values by field of a delta. A call has "tool_calls", and then its "arguments".
    emitted: dict[str, list[Any]] = field(default_factory=dict)
    parts: set[int | None] = field(default_factory=set)  # content indices of the emitted text
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
        event_type = as_str(event.get("type")).removeprefix("response.")
        if event_type == "error":
            raise EmbeddedError(data)
        if event_type == "failed":
            raise create_response_error(as_dict(event.get("response")))
        if event_type in {"completed", "incomplete"}:
            yield from self._finish_response(as_dict(event.get("response")), data)
        elif event_type in _TEXT_DELTAS:
            yield _build_chunk(self._convert_text_delta(event_type, event))
        elif delta := self._convert_event(event_type, event):
            yield _build_chunk(delta)

    def _convert_event(self, event_type: str, event: JsonObject) -> JsonObject:
        payload = as_dict(event.get("item"))
        match event_type:
            case "output_item.added":
                return self._start_item(event, payload)
            case "output_item.done":
                self._finished_items.append(payload)
                item = self._get_item(event, as_str(payload.get("type")))
                return self._finish_item(payload, item)
            case "function_call_arguments.delta" | "function_call_arguments.done":
                item = self._get_item(event, "function_call")
                is_done = event_type.endswith("done")
                is_repeated = is_done and (item.is_finished or "arguments" in item.emitted)
                text = event.get("arguments" if is_done else "delta")
                return {} if is_repeated else self._emit_arguments(text, item)
            case "output_text.annotation.added":
                self._has_annotations = True
                return {"annotations": as_dicts([event.get("annotation")])}
            case "output_text.done" if event.get("text"):
                parts = self._get_item(event, "message").parts
                index = _get_content_index(event)
                is_repeated = bool(parts) if index is None else bool(parts & {index, None})
                if not is_repeated:
                    delta_event = {**event, "delta": event["text"]}
                    return self._convert_text_delta("output_text.delta", delta_event)
        return {}

    def _get_item(self, event: JsonObject, item_type: str) -> _StreamedItem:
        """Return the item of an event, which is a new one if no earlier event belongs to it.

        It is found by its id or by its index. Some providers send other ids in each event, or
        another index with the finished item. So an event that does not start an item also matches
        the id of its call, or the only item whose id is unknown.
        """
        payload = as_dict(event.get("item"))
        item_id = as_str(event.get("item_id")) or as_str(payload.get("id"))
        index = as_int(event.get("output_index"))
        call_id = payload.get("call_id")
        open_items = [
            item for item in self._items if item.type == item_type and not item.is_finished
        ]
        matches = [item for item in self._items if item_id and item.id == item_id] or [
            item
            for item in open_items
            if item.index == index
            and not (index is None and item_id and item.id)
            and not (call_id and item.call_id and call_id != item.call_id)
        ]
        if not matches and event.get("type") != "response.output_item.added":
            matches = [item for item in open_items if call_id and item.call_id == call_id]
            items_without_id = [item for item in open_items if item_id and not item.id]
            if not matches and len(items_without_id) == 1:
                matches = items_without_id
        if not matches:
            taken = {other.index for other in self._items if other.index is not None}
            new_index = max(taken) + 1 if index in taken else index
            matches = [_StreamedItem(item_type, new_index)]
            self._items += matches
        item = matches[0]
        item.id = item.id or item_id
        item.call_id = item.call_id or call_id
        return item

    def _start_item(self, event: JsonObject, payload: JsonObject) -> JsonObject:
        item_type = as_str(payload.get("type"))
        if item_type not in {"function_call", "message", "reasoning"}:
            return {}
        item = self._get_item(event, item_type)
        if item_type != "function_call":
            return {}
        function = {"name": payload.get("name"), "arguments": ""}
        call = {"index": item.index, "id": item.call_id, "function": function}
        return self._emit({"tool_calls": [call]}, item)

    def _convert_text_delta(self, event_type: str, event: JsonObject) -> JsonObject:
        name = _TEXT_DELTAS[event_type]
        delta: JsonObject = {name: extract_text(event.get("delta"))}
        if name == "reasoning":
            part = (event_type, as_int(event.get("summary_index")), _get_content_index(event))
            return self._emit(delta, self._get_item(event, "reasoning"), part)
        if logprobs := as_dicts(event.get("logprobs")):
            delta["logprobs"] = logprobs
        item = self._get_item(event, "message")
        if delta[name]:
            item.parts.add(_get_content_index(event))
        return self._emit(delta, item)

    def _emit(
        self, delta: JsonObject, item: _StreamedItem, part: tuple[Any, ...] = ()
    ) -> JsonObject:
        """Record the content of a delta, and separate the reasoning of items and parts."""
        self.has_answer = True
        for name, value in delta.items():
            item.emitted.setdefault(name, []).append(value)
        self.record_text(delta.get("content"))
        if "reasoning" not in delta:
            return delta
        last_key, self._reasoning_key = self._reasoning_key, (id(item), *part)
        is_new = last_key not in {None, self._reasoning_key}
        return {**delta, "reasoning": (PARAGRAPH_BREAK if is_new else "") + delta["reasoning"]}

    def _emit_arguments(self, text: Any, item: _StreamedItem) -> JsonObject:
        if not text:
            return {}
        self._emit({"arguments": text}, item)
        return {"tool_calls": [{"index": item.index, "function": {"arguments": text}}]}

    def _finish_item(self, payload: JsonObject, item: _StreamedItem) -> JsonObject:
        """Convert what a finished item contains beyond the content already emitted."""
        if item.is_finished:
            return {}
        item.is_finished = self.has_answer = True
        delta = convert_item(payload)
        if calls := delta.get("tool_calls"):
            function = calls[0]["function"]
            if "arguments" in item.emitted:
                function["arguments"] = ""
            if "tool_calls" in item.emitted:
                return self._emit_arguments(function["arguments"], item)
            return self._emit({"tool_calls": [{"index": item.index, **calls[0]}]}, item)
        if self._has_annotations:
            delta.pop("annotations", None)
        if "reasoning" in item.emitted:
            delta.pop("reasoning", None)  # its parts may be in another order than the events
        missing = {
            name: _get_missing(value, item.emitted.get(name, ())) for name, value in delta.items()
        }
        return self._emit({name: value for name, value in missing.items() if value}, item)

    def _finish_response(self, response: JsonObject, data: bytes) -> Iterator[JsonObject]:
        self.done = True
        outputs = as_dicts(response.get("output"))
        if not self.has_answer:
            outputs = get_output_items(response, data)
        for payload, item in self._match_items(outputs):
            if delta := self._finish_item(payload, item):
                yield _build_chunk(delta)
        if item_ids := list_item_ids(outputs or self._finished_items):
            yield _build_chunk({"item_ids": item_ids})
        has_calls = any("tool_calls" in item.emitted for item in self._items)
        yield finish_completion({"index": 0, "delta": {}}, response, has_calls=has_calls)

    def _match_items(self, outputs: list[JsonObject]) -> Iterator[tuple[JsonObject, _StreamedItem]]:
        """Yield calls in the finished response, and other items of types that were not streamed.

        Calls have ids that all providers repeat. Items of other types may have other ids there.
        """
        types = {item.type for item in self._items if item.emitted or item.is_finished}
        calls = [item for item in self._items if "tool_calls" in item.emitted]
        calls_by_id = {str(item.call_id): item for item in calls}
        call_count = sum(payload.get("type") == "function_call" for payload in outputs)
        for payload in outputs:
            item_type = as_str(payload.get("type"))
            is_new = (
                call_count > len(calls) if item_type == "function_call" else item_type not in types
            )
            if item := calls_by_id.get(as_str(payload.get("call_id"))):
                yield payload, item
            elif is_new:
                yield payload, self._get_item({"item": payload}, item_type)


def _get_content_index(event: JsonObject) -> int | None:
    return as_int(event.get("content_index"))


def _get_missing(value: Any, emitted: Sequence[Any]) -> Any:
    """Return what a string or a list contains beyond the values that were emitted of it."""
    if isinstance(value, list):
        return value[sum(map(len, emitted)) :]
    text = "".join(emitted)
    return value[len(text) :] if value.startswith(text) else ""


def _build_chunk(delta: JsonObject) -> JsonObject:
    choice: JsonObject = {"index": 0, "delta": delta}
    if logprobs := delta.pop("logprobs", None):
        choice["logprobs"] = {"content": logprobs}
    return {"choices": [choice]}

"""Decode streams of ``POST /responses`` into chunks of a chat completion.

The API sends the same content up to three times: as deltas, in the finished item, and in the
finished response. Providers omit any of these, and send other ids or indices with a finished item
than with its deltas. So the decoder compares the content: it records what it has emitted, and later
emits what a finished item contains beyond that. ``ToolCalls`` does the same for arguments.
"""

from collections.abc import Iterator
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
    "output_text.delta": "content",
    "refusal.delta": "refusal",
    "reasoning_summary_text.delta": "reasoning",
    "reasoning_text.delta": "reasoning",
    "reasoning.delta": "reasoning",
}
"""Event types that carry text, and the field of a chat delta that the text belongs to."""

STARTED, FRAGMENT, FINISHED, IN_RESPONSE = range(1, 5)
"""Stages of a call: start of its item, fragment of its arguments, finished item, and response."""


class ResponsesStreamDecoder(EventStreamDecoder):
    """Decodes the bytes of a response stream into chunks of a chat completion."""

    def __init__(self) -> None:
        super().__init__()
        self._unfinished: dict[str, list[Any]] = {}  # by field, emitted values of unfinished items
        self._item_keys: set[Any] = set()  # ids and indices of the items with deltas
        self._finished_items: list[JsonObject] = []
        self._item_events: list[tuple[Any, ...]] = []
        self._has_calls = False
        self._reasoning_key: tuple[Any, ...] | None = None  # where the last reasoning came from

    def decode_event(self, event: JsonObject, data: bytes) -> Iterator[JsonObject]:
        """Yield the chunks of an event, if it has new content."""
        event_type = as_str(event.get("type")).removeprefix("response.")
        if event_type == "error":
            raise EmbeddedError(data)
        if event_type == "failed":
            raise create_response_error(as_dict(event.get("response")))
        if "item" in event and self._is_repeated(event_type, event):
            return
        if event_type in {"completed", "incomplete"}:
            yield from self._finish_response(as_dict(event.get("response")), data)
        elif delta := self._convert_event(event_type, event):
            yield {"choices": [build_choice("delta", delta)]}

    def _is_repeated(self, event_type: str, event: JsonObject) -> bool:
        """Return whether the same event of an item was received before."""
        item_event = (event_type, as_int(event.get("output_index")), event["item"])
        is_repeated = item_event in self._item_events and bool(_get_item_keys(event))
        self._item_events.append(item_event)
        return is_repeated

    def _convert_event(self, event_type: str, event: JsonObject) -> JsonObject:
        if name := _TEXT_DELTAS.get(event_type):
            text, logprobs = extract_text(event.get("delta")), as_dicts(event.get("logprobs"))
            return self._record_delta({name: text, "logprobs": logprobs}, event)
        item = as_dict(event.get("item"))
        match event_type:
            case "output_text.annotation.added":
                annotations = as_dicts([event.get("annotation")])
                return self._record_delta({"annotations": annotations}, event)
            case "output_item.added" if item.get("type") == "function_call":
                return self._prepare_delta(convert_item({**item, "arguments": ""}), event, STARTED)
            case "function_call_arguments.delta" if arguments := as_str(event.get("delta")):
                call = {"function": {"arguments": arguments}}
                return self._prepare_delta({"tool_calls": [call]}, event)
            case "output_item.done":
                self._finished_items.append(item)
                return self._finish_item(event, FINISHED)
        return {}

    def _record_delta(self, delta: JsonObject, event: JsonObject) -> JsonObject:
        """Prepare a delta, and record it to be compared with the finished item."""
        for name, value in delta.items():
            self._unfinished.setdefault(name, []).append(value)
        self._item_keys |= _get_item_keys(event)
        return self._prepare_delta(delta, event)

    def _prepare_delta(
        self, delta: JsonObject, event: JsonObject, stage: int = FRAGMENT
    ) -> JsonObject:
        """Add the item to its tool calls, and separate the reasoning of different parts."""
        self.has_answer = True
        index = as_int(event.get("output_index"))
        for call in delta.get("tool_calls", ()):
            self._has_calls = True
            call |= {"index": index, "item_id": _get_item_id(event), "item_stage": stage}
        if "reasoning" in delta:
            # Some providers send another id in each delta, so the index identifies their item.
            item_key = as_str(event.get("item_id")) if index is None else index
            indices = as_int(event.get("summary_index")), as_int(event.get("content_index"))
            # Finished items may have neither, so each object counts as another item.
            key = (id(event.get("item")), item_key, event.get("type"), *indices)
            if self._reasoning_key not in {None, key}:
                delta["reasoning"] = PARAGRAPH_BREAK + delta["reasoning"]
            self._reasoning_key = key
        return delta

    def _finish_item(self, event: JsonObject, stage: int) -> JsonObject:
        """Convert what a finished item contains beyond the content already emitted."""
        self.has_answer = True
        delta = convert_item(as_dict(event.get("item")))
        is_known = not self._item_keys.isdisjoint(_get_item_keys(event))
        missing = {name: self._take_missing(name, value, is_known) for name, value in delta.items()}
        delta = {name: value for name, value in missing.items() if value}
        return self._prepare_delta(delta, event, stage)

    def _take_missing(self, name: str, value: Any, is_known: bool) -> Any:
        """Return what a string or list of a finished item contains beyond its deltas.

        The deltas of all unfinished items are joined. Usually they start with the finished value
        (if other items have deltas, too), or the value starts with them (if deltas are missing).
        Otherwise, the value belongs to an item without deltas (not ``is_known``), or was changed.
        """
        parts = self._unfinished.pop(name, [])
        is_text = isinstance(value, str)
        emitted: Any = "".join(parts) if is_text else [item for part in parts for item in part]
        if name == "reasoning" and emitted:  # only finished items have breaks between parts
            emitted, value = (text.replace(PARAGRAPH_BREAK, "") for text in (emitted, value))
        is_consistent = emitted[: len(value)] == value[: len(emitted)]  # one starts with the other
        if not (is_consistent or is_known):
            self._unfinished[name] = parts
            return value
        self._unfinished[name] = [emitted[len(value) :]]  # deltas of other items
        return value[len(emitted) :] if is_consistent else None

    def _finish_response(self, response: JsonObject, data: bytes) -> Iterator[JsonObject]:
        """Yield the items that only the finished response has, and the last chunk."""
        self.done = True
        outputs = as_dicts(response.get("output"))
        if not self.has_answer:
            outputs = get_output_items(response, data)
        finished_types = {as_str(item.get("type")) for item in self._finished_items}
        for item in outputs:
            # Calls are compared with each other. Other items may differ from the finished ones.
            is_new = as_str(item.get("type")) not in finished_types - {"function_call"}
            if is_new and (delta := self._finish_item({"item": item}, IN_RESPONSE)):
                yield {"choices": [build_choice("delta", delta)]}
        if item_ids := list_item_ids(outputs or self._finished_items):
            yield {"choices": [build_choice("delta", {"item_ids": item_ids})]}
        yield finish_completion({"index": 0, "delta": {}}, response, has_calls=self._has_calls)


def _get_item_keys(event: JsonObject) -> set[Any]:
    """Return what identifies the item of an event: its id and its index."""
    return {_get_item_id(event), as_int(event.get("output_index"))} - {"", None}


def _get_item_id(event: JsonObject) -> str:
    return as_str(event.get("item_id")) or as_str(as_dict(event.get("item")).get("id"))

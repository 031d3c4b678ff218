"""Streams of ``POST /responses``: each event as a chunk of a chat completion.

Items come as deltas, then whole when they are done, then once more in the finished response. What
an earlier event has told is not told again; what none of them did is told from the later one. Of
the finished response these are the kinds of items that no event has told: items are not counted,
for an upstream may leave some out.
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

_TEXTS = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning.delta": "reasoning",
}
_ENDS = {"response.completed", "response.incomplete"}


class ResponsesStreamDecoder(EventStreamDecoder):
    """Bytes of a response stream in, chunks as of chat completions out."""

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[int | None, Any] = {}  # ids of the calls that have been opened
        self._kinds: set[Any] = set()  # types of the items of which events have told
        self._told: set[int | None] = set()  # items of which something has been told
        self._parts: set[tuple[int | None, int | None]] = (
            set()
        )  # places of the parts of messages told
        self._thought: tuple[Any, ...] | None = None

    def find_text(self, event: JsonObject) -> tuple[JsonObject, str]:
        """The delta of a text."""
        return (event, "delta") if event.get("type") == "response.output_text.delta" else ({}, "")

    def decode_event(self, event: JsonObject, data: bytes) -> Iterator[JsonObject]:
        """Translate one event; those that say nothing new are passed over."""
        kind = as_str(event.get("type"))
        response = as_dict(event.get("response"))
        if kind in {"error", "response.failed"}:
            raise EmbeddedError(dumps(response) if response.get("error") else data)
        if kind in _ENDS:
            yield from self._ended(response, data)
        elif kind in _TEXTS:
            logprobs = as_dicts(event.get("logprobs"))
            members = {"logprobs": {"content": logprobs}} if logprobs else {}
            yield _chunk(self._heard(kind, event), **members)
        elif delta := self._delta(kind, event, _index(event)):
            yield _chunk(delta)

    def _heard(self, kind: str, event: JsonObject) -> JsonObject:
        name, text = _TEXTS[kind], extract_text(event.get("delta"))
        self._told.add(_index(event))
        self._kinds.add("reasoning" if name == "reasoning" else "message")
        if name == "reasoning":
            place = (kind, *map(event.get, ("output_index", "summary_index", "content_index")))
            return {name: self._apart(text, place)}
        self._parts.add((_index(event), _index(event, "content_index")))
        if name == "content":
            self.record_text(text)
        return {name: text}

    def _apart(self, thought: str, place: tuple[Any, ...]) -> str:
        """A piece of reasoning, set off from one of another place."""
        before, self._thought = self._thought, place
        return PARAGRAPH_BREAK + thought if before not in (None, place) else thought

    def _heard_part(self, index: int | None, place: int | None) -> bool:
        return not self._parts.isdisjoint({(index, place), (index, None)})

    def _delta(self, kind: str, event: JsonObject, index: int | None) -> JsonObject:
        item = as_dict(event.get("item"))
        match kind:
            case "response.output_item.added" if item.get("type") == "function_call":
                return self._opened(item, index)
            case "response.function_call_arguments.delta":
                return self._arguments(event.get("delta"), index)
            case "response.output_text.annotation.added":
                return {"annotations": as_dicts([event.get("annotation")])}
            case "response.output_item.done":
                return self._rest(item, index)
        return self._late(kind, event, index)

    def _late(self, kind: str, event: JsonObject, index: int | None) -> JsonObject:
        """What comes whole because no delta of it came."""
        if kind == "response.function_call_arguments.done" and index not in self._told:
            return self._arguments(event.get("arguments"), index)
        heard = self._heard_part(index, _index(event, "content_index"))
        if kind == "response.output_text.done" and event.get("text") and not heard:
            whole = {**event, "delta": event.get("text")}
            return self._heard("response.output_text.delta", whole)
        return {}

    def _opened(self, item: JsonObject, index: int | None) -> JsonObject:
        self._calls[index] = item.get("call_id")
        self._kinds.add("function_call")
        function = {"name": item.get("name"), "arguments": ""}
        return {"tool_calls": [{"index": index, "id": item.get("call_id"), "function": function}]}

    def _arguments(self, text: Any, index: int | None) -> JsonObject:
        if not text:
            return {}
        self._told.add(index)
        return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}

    def _rest(self, item: JsonObject, index: int | None) -> JsonObject:
        """What a finished item says that no event has told."""
        self._kinds.add(as_str(item.get("type")))
        if index in self._told:
            return self._untold(item, index)
        self._told.add(index)
        if index in self._calls:
            return self._arguments(item.get("arguments"), index)
        found = convert_item(item)
        self.record_text(found.get("content"))
        if thought := found.get("reasoning"):
            found["reasoning"] = self._apart(thought, ("item", index))
        if calls := found.get("tool_calls"):
            self._calls[index] = item.get("call_id")
            found["tool_calls"] = [{"index": index, **call} for call in calls]
        return found

    def _untold(self, item: JsonObject, index: int | None) -> JsonObject:
        """The same for an item of which events have told some parts."""
        found = convert_unstreamed_content(item)
        if item.get("type") == "message":
            for place, part in enumerate(get_message_parts(item)):
                if not self._heard_part(index, place):
                    merge_delta(found, convert_message_part(part))
            self.record_text(found.get("content"))
        return found

    def _ended(self, response: JsonObject, data: bytes) -> Iterator[JsonObject]:
        self.done = True
        items = as_dicts(response.get("output"))
        if not self._kinds:
            items = get_output_items(response, data)
        told_kinds = set(self._kinds)
        for index, item in enumerate(items):
            if item.get("type") not in told_kinds or self._is_bare(item, index):
                yield _chunk(self._rest(item, index))
        choice = {"index": 0, "delta": {}, **get_finish_reason(response, bool(self._calls))}
        yield {**convert_metadata(response), "choices": [choice]}

    def _is_bare(self, item: JsonObject, index: int) -> bool:
        """Whether an item is a call that was opened, and whose arguments never came."""
        opened = index not in self._told and self._calls.get(index)
        return bool(opened) and opened == item.get("call_id")


def _index(event: JsonObject, name: str = "output_index") -> int | None:
    index = event.get(name)
    return index if isinstance(index, int) else None


def _chunk(delta: JsonObject, **members: Any) -> JsonObject:
    return {"choices": [{"index": 0, "delta": delta, **members}]}

"""Streams of ``POST /responses``: each event as a chunk of a chat completion.

Items come as deltas, then whole when they are done, then once more in the finished response. What
an earlier event has told is not told again; what none of them did is told from the later one. Of
the finished response these are the kinds of items that no event has told: items are not counted,
for an upstream may leave some out.
"""

from collections.abc import Iterator
from typing import Any

from orq_router_integrations.wire.call import ErrorInReply
from orq_router_integrations.wire.chat_completions import text_of
from orq_router_integrations.wire.event_stream import EventReader
from orq_router_integrations.wire.json import a_text, an_object, dump, objects
from orq_router_integrations.wire.responses_output import (
    PARAGRAPH,
    Wire,
    beside,
    end,
    frame,
    merge,
    output_of,
    parts_of,
    told,
    told_part,
)

_TEXTS = {
    "response.output_text.delta": "content",
    "response.refusal.delta": "refusal",
    "response.reasoning_summary_text.delta": "reasoning",
    "response.reasoning_text.delta": "reasoning",
    "response.reasoning.delta": "reasoning",
}
_ENDS = {"response.completed", "response.incomplete"}


class ResponseDecoder(EventReader):
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

    def text_in(self, event: Wire) -> tuple[Wire, str]:
        """The delta of a text."""
        return (event, "delta") if event.get("type") == "response.output_text.delta" else ({}, "")

    def read(self, event: Wire, data: bytes) -> Iterator[Wire]:
        """Translate one event; those that say nothing new are passed over."""
        kind = a_text(event.get("type"))
        response = an_object(event.get("response"))
        if kind in {"error", "response.failed"}:
            raise ErrorInReply(dump(response) if response.get("error") else data)
        if kind in _ENDS:
            yield from self._ended(response, data)
        elif kind in _TEXTS:
            logprobs = objects(event.get("logprobs"))
            members = {"logprobs": {"content": logprobs}} if logprobs else {}
            yield _chunk(self._heard(kind, event), **members)
        elif delta := self._delta(kind, event, _index(event)):
            yield _chunk(delta)

    def _heard(self, kind: str, event: Wire) -> Wire:
        name, text = _TEXTS[kind], text_of(event.get("delta"))
        self._told.add(_index(event))
        self._kinds.add("reasoning" if name == "reasoning" else "message")
        if name == "reasoning":
            place = (kind, *map(event.get, ("output_index", "summary_index", "content_index")))
            return {name: self._apart(text, place)}
        self._parts.add((_index(event), _index(event, "content_index")))
        if name == "content":
            self.hear(text)
        return {name: text}

    def _apart(self, thought: str, place: tuple[Any, ...]) -> str:
        """A piece of reasoning, set off from one of another place."""
        before, self._thought = self._thought, place
        return PARAGRAPH + thought if before not in (None, place) else thought

    def _heard_part(self, index: int | None, place: int | None) -> bool:
        return not self._parts.isdisjoint({(index, place), (index, None)})

    def _delta(self, kind: str, event: Wire, index: int | None) -> Wire:
        item = an_object(event.get("item"))
        match kind:
            case "response.output_item.added" if item.get("type") == "function_call":
                return self._opened(item, index)
            case "response.function_call_arguments.delta":
                return self._arguments(event.get("delta"), index)
            case "response.output_text.annotation.added":
                return {"annotations": objects([event.get("annotation")])}
            case "response.output_item.done":
                return self._rest(item, index)
        return self._late(kind, event, index)

    def _late(self, kind: str, event: Wire, index: int | None) -> Wire:
        """What comes whole because no delta of it came."""
        if kind == "response.function_call_arguments.done" and index not in self._told:
            return self._arguments(event.get("arguments"), index)
        heard = self._heard_part(index, _index(event, "content_index"))
        if kind == "response.output_text.done" and event.get("text") and not heard:
            whole = {**event, "delta": event.get("text")}
            return self._heard("response.output_text.delta", whole)
        return {}

    def _opened(self, item: Wire, index: int | None) -> Wire:
        self._calls[index] = item.get("call_id")
        self._kinds.add("function_call")
        function = {"name": item.get("name"), "arguments": ""}
        return {"tool_calls": [{"index": index, "id": item.get("call_id"), "function": function}]}

    def _arguments(self, text: Any, index: int | None) -> Wire:
        if not text:
            return {}
        self._told.add(index)
        return {"tool_calls": [{"index": index, "function": {"arguments": text}}]}

    def _rest(self, item: Wire, index: int | None) -> Wire:
        """What a finished item says that no event has told."""
        self._kinds.add(a_text(item.get("type")))
        if index in self._told:
            return self._untold(item, index)
        self._told.add(index)
        if index in self._calls:
            return self._arguments(item.get("arguments"), index)
        found = told(item)
        self.hear(found.get("content"))
        if thought := found.get("reasoning"):
            found["reasoning"] = self._apart(thought, ("item", index))
        if calls := found.get("tool_calls"):
            self._calls[index] = item.get("call_id")
            found["tool_calls"] = [{"index": index, **call} for call in calls]
        return found

    def _untold(self, item: Wire, index: int | None) -> Wire:
        """The same for an item of which events have told some parts."""
        found = beside(item)
        if item.get("type") == "message":
            for place, part in enumerate(parts_of(item)):
                if not self._heard_part(index, place):
                    merge(found, told_part(part))
            self.hear(found.get("content"))
        return found

    def _ended(self, response: Wire, data: bytes) -> Iterator[Wire]:
        self.done = True
        items = objects(response.get("output"))
        if not self._kinds:
            items = output_of(response, data)
        told_kinds = set(self._kinds)
        for index, item in enumerate(items):
            if item.get("type") not in told_kinds or self._is_bare(item, index):
                yield _chunk(self._rest(item, index))
        choice = {"index": 0, "delta": {}, **end(response, bool(self._calls))}
        yield {**frame(response), "choices": [choice]}

    def _is_bare(self, item: Wire, index: int) -> bool:
        """Whether an item is a call that was opened, and whose arguments never came."""
        opened = index not in self._told and self._calls.get(index)
        return bool(opened) and opened == item.get("call_id")


def _index(event: Wire, name: str = "output_index") -> int | None:
    index = event.get(name)
    return index if isinstance(index, int) else None


def _chunk(delta: Wire, **members: Any) -> Wire:
    return {"choices": [{"index": 0, "delta": delta, **members}]}

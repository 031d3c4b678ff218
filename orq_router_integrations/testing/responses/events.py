"""From a response to the events of its stream."""

from collections.abc import Iterator, Mapping
from typing import Any

from orq_router_integrations.testing.answering.chunking import split_fragments, split_words
from orq_router_integrations.testing.responses.items import SEARCH
from orq_router_integrations.testing.responses.response_builder import build_started
from orq_router_integrations.testing.routing.endpoint import Chunks

Event = dict[str, Any]


def iter_events(body: Mapping[str, Any]) -> Chunks:
    """The stream of a response that has ended, its last event included."""
    return number_events(
        [*_iter_start_events(body), *_iter_item_events(body["output"]), *_create_end_event(body)]
    )


def create_error_event(number: int, error: Any) -> Event:
    """The event that ends a stream which broke, from an error body.

    Its members are OpenAI's and those of the vendor's SDK, which has them in an object; a body
    that a test made up is sent as it is.
    """
    inner = error.get("error") if isinstance(error, Mapping) else None
    if not isinstance(inner, Mapping):
        return error if isinstance(error, dict) else {"type": "error", "message": str(error)}
    details = {"code": inner.get("code") or "server_error", "message": inner.get("message")}
    flat = {**details, "param": inner.get("param")}
    return {"type": "error", "sequence_number": number, **flat, "error": details}


def number_events(found: list[Event]) -> Chunks:
    """The events, each with its number."""
    return tuple(
        {"type": event["type"], "sequence_number": number, **event}
        for number, event in enumerate(found)
    )


def _iter_start_events(body: Mapping[str, Any]) -> Iterator[Event]:
    first = "queued" if body["background"] else "in_progress"
    yield {"type": "response.created", "response": build_started(body, first)}
    if body["background"]:
        yield {"type": "response.queued", "response": build_started(body, "queued")}
    yield {"type": "response.in_progress", "response": build_started(body, "in_progress")}


def _create_end_event(body: Mapping[str, Any]) -> Iterator[Event]:
    yield {"type": f"response.{body['status']}", "response": dict(body)}


def _iter_item_events(output: list[dict[str, Any]]) -> Iterator[Event]:
    for index, item in enumerate(output):
        empty = _EMPTY.get(item["type"], {})
        place = {"output_index": index}
        begun = {**item, "status": "in_progress", **empty}
        yield {"type": "response.output_item.added", **place, "item": begun}
        yield from _INSIDE[item["type"]](item, {"item_id": item["id"], **place})
        yield {"type": "response.output_item.done", **place, "item": item}


def _iter_message_events(item: dict[str, Any], place: Event) -> Iterator[Event]:
    for index, part in enumerate(item["content"]):
        here = {**place, "content_index": index}
        inside = _iter_text_events if part["type"] == "output_text" else _iter_refusal_events
        empty = {"text": "", "annotations": [], "logprobs": []}
        begun = {**part, **(empty if inside is _iter_text_events else {"refusal": ""})}
        yield {"type": "response.content_part.added", **here, "part": begun}
        yield from inside(part, here)
        yield {"type": "response.content_part.done", **here, "part": part}


def _iter_text_events(part: dict[str, Any], here: Event) -> Iterator[Event]:
    kind = "response.output_text"
    odds = part["logprobs"]
    for index, piece in enumerate(split_words(part["text"])):
        one = odds[index : index + 1]
        yield {"type": f"{kind}.delta", **here, "delta": piece, "logprobs": one}
    for index, annotation in enumerate(part["annotations"]):
        added = {"annotation_index": index, "annotation": annotation}
        yield {"type": f"{kind}.annotation.added", **here, **added}
    yield {"type": f"{kind}.done", **here, "text": part["text"], "logprobs": odds}


def _iter_refusal_events(part: dict[str, Any], here: Event) -> Iterator[Event]:
    for piece in split_words(part["refusal"]):
        yield {"type": "response.refusal.delta", **here, "delta": piece}
    yield {"type": "response.refusal.done", **here, "refusal": part["refusal"]}


def _iter_reasoning_events(item: dict[str, Any], place: Event) -> Iterator[Event]:
    for index, part in enumerate(item["summary"]):
        here = {**place, "summary_index": index}
        kind = "response.reasoning_summary"
        yield {"type": f"{kind}_part.added", **here, "part": {**part, "text": ""}}
        for piece in split_words(part["text"]):
            yield {"type": f"{kind}_text.delta", **here, "delta": piece}
        yield {"type": f"{kind}_text.done", **here, "text": part["text"]}
        yield {"type": f"{kind}_part.done", **here, "part": part}


def _iter_function_call_events(item: dict[str, Any], place: Event) -> Iterator[Event]:
    kind = "response.function_call_arguments"
    for piece in split_fragments(item["arguments"]):
        yield {"type": f"{kind}.delta", **place, "delta": piece}
    whole = {"name": item["name"], "arguments": item["arguments"]}
    yield {"type": f"{kind}.done", **place, **whole}


def _iter_custom_tool_call_events(item: dict[str, Any], place: Event) -> Iterator[Event]:
    kind = "response.custom_tool_call_input"
    for piece in split_fragments(item["input"]):
        yield {"type": f"{kind}.delta", **place, "delta": piece}
    yield {"type": f"{kind}.done", **place, "input": item["input"]}


def _iter_search_events(_: dict[str, Any], place: Event) -> Iterator[Event]:
    for step in ("in_progress", "searching", "completed"):
        yield {"type": f"response.{SEARCH}.{step}", **place}


_EMPTY: dict[str, dict[str, Any]] = {
    "message": {"content": []},
    "reasoning": {"summary": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
}
"""What an item holds that has only begun."""

_INSIDE = {
    "message": _iter_message_events,
    "reasoning": _iter_reasoning_events,
    "function_call": _iter_function_call_events,
    "custom_tool_call": _iter_custom_tool_call_events,
    SEARCH: _iter_search_events,
}
"""The events between an item's first and its last."""

"""Convert a response to the events of its stream."""

from collections.abc import Iterator, Mapping
from typing import Any

from orq_router_integrations.testing.answering.chunking import split_fragments, split_words
from orq_router_integrations.testing.responses.items import SEARCH_CALL
from orq_router_integrations.testing.responses.response_builder import build_unfinished
from orq_router_integrations.testing.routing.endpoint import Chunks

Event = dict[str, Any]


def iter_events(body: Mapping[str, Any]) -> Chunks:
    """Return the events of a finished response."""
    events = [
        *_iter_start_events(body),
        *_iter_item_events(body["output"]),
        {"type": f"response.{body['status']}", "response": dict(body)},
    ]
    return tuple(
        {"type": event["type"], "sequence_number": number, **event}
        for number, event in enumerate(events)
    )


def create_error_event(number: int, error: Any) -> Event:
    """Create the error event of a broken stream from an error body.

    It contains the details twice: flat as at OpenAI, and in an object as in the vendor's SDK. A
    scripted body in another format is sent unchanged.
    """
    details = error.get("error") if isinstance(error, Mapping) else None
    if not isinstance(details, Mapping):
        return error if isinstance(error, dict) else {"type": "error", "message": str(error)}
    nested = {"code": details.get("code") or "server_error", "message": details.get("message")}
    flat = {**nested, "param": details.get("param")}
    return {"type": "error", "sequence_number": number, **flat, "error": nested}


def _iter_start_events(body: Mapping[str, Any]) -> Iterator[Event]:
    status = "queued" if body["background"] else "in_progress"
    yield {"type": "response.created", "response": build_unfinished(body, status)}
    if body["background"]:
        yield {"type": "response.queued", "response": build_unfinished(body, "queued")}
    yield {"type": "response.in_progress", "response": build_unfinished(body, "in_progress")}


def _iter_item_events(output: list[dict[str, Any]]) -> Iterator[Event]:
    for index, item in enumerate(output):
        position = {"output_index": index}
        added = {**item, "status": "in_progress", **_EMPTY_CONTENT.get(item["type"], {})}
        yield {"type": "response.output_item.added", **position, "item": added}
        yield from _CONTENT_EVENTS[item["type"]](item, {"item_id": item["id"], **position})
        yield {"type": "response.output_item.done", **position, "item": item}


def _iter_message_events(item: dict[str, Any], position: Event) -> Iterator[Event]:
    for index, part in enumerate(item["content"]):
        part_position = {**position, "content_index": index}
        if part["type"] == "output_text":
            empty = {"text": "", "annotations": [], "logprobs": []}
            events = _iter_text_events(part, part_position)
        else:
            empty = {"refusal": ""}
            events = _iter_refusal_events(part, part_position)
        yield {"type": "response.content_part.added", **part_position, "part": {**part, **empty}}
        yield from events
        yield {"type": "response.content_part.done", **part_position, "part": part}


def _iter_text_events(part: dict[str, Any], position: Event) -> Iterator[Event]:
    prefix = "response.output_text"
    logprobs = part["logprobs"]
    for index, word in enumerate(split_words(part["text"])):
        delta = {"delta": word, "logprobs": logprobs[index : index + 1]}
        yield {"type": f"{prefix}.delta", **position, **delta}
    for index, annotation in enumerate(part["annotations"]):
        added = {"annotation_index": index, "annotation": annotation}
        yield {"type": f"{prefix}.annotation.added", **position, **added}
    yield {"type": f"{prefix}.done", **position, "text": part["text"], "logprobs": logprobs}


def _iter_refusal_events(part: dict[str, Any], position: Event) -> Iterator[Event]:
    for word in split_words(part["refusal"]):
        yield {"type": "response.refusal.delta", **position, "delta": word}
    yield {"type": "response.refusal.done", **position, "refusal": part["refusal"]}


def _iter_reasoning_events(item: dict[str, Any], position: Event) -> Iterator[Event]:
    prefix = "response.reasoning_summary"
    for index, part in enumerate(item["summary"]):
        part_position = {**position, "summary_index": index}
        yield {"type": f"{prefix}_part.added", **part_position, "part": {**part, "text": ""}}
        for word in split_words(part["text"]):
            yield {"type": f"{prefix}_text.delta", **part_position, "delta": word}
        yield {"type": f"{prefix}_text.done", **part_position, "text": part["text"]}
        yield {"type": f"{prefix}_part.done", **part_position, "part": part}


def _iter_function_call_events(item: dict[str, Any], position: Event) -> Iterator[Event]:
    prefix = "response.function_call_arguments"
    for fragment in split_fragments(item["arguments"]):
        yield {"type": f"{prefix}.delta", **position, "delta": fragment}
    function = {"name": item["name"], "arguments": item["arguments"]}
    yield {"type": f"{prefix}.done", **position, **function}


def _iter_custom_tool_call_events(item: dict[str, Any], position: Event) -> Iterator[Event]:
    prefix = "response.custom_tool_call_input"
    for fragment in split_fragments(item["input"]):
        yield {"type": f"{prefix}.delta", **position, "delta": fragment}
    yield {"type": f"{prefix}.done", **position, "input": item["input"]}


def _iter_search_events(_: dict[str, Any], position: Event) -> Iterator[Event]:
    for status in ("in_progress", "searching", "completed"):
        yield {"type": f"response.{SEARCH_CALL}.{status}", **position}


_EMPTY_CONTENT: dict[str, dict[str, Any]] = {
    "message": {"content": []},
    "reasoning": {"summary": []},
    "function_call": {"arguments": ""},
    "custom_tool_call": {"input": ""},
}
"""Content of an item when it is added, by type."""

_CONTENT_EVENTS = {
    "message": _iter_message_events,
    "reasoning": _iter_reasoning_events,
    "function_call": _iter_function_call_events,
    "custom_tool_call": _iter_custom_tool_call_events,
    SEARCH_CALL: _iter_search_events,
}
"""Functions that yield the events between ``added`` and ``done``, by item type."""

"""From a response to the events of its stream (contract section 2.13)."""

from collections.abc import Iterator, Mapping
from typing import Any

from orq_router_integrations.testing.answering.pieces import fragments, pieces
from orq_router_integrations.testing.responses.items import SEARCH
from orq_router_integrations.testing.responses.replies import started
from orq_router_integrations.testing.routing.service import Chunks

Event = dict[str, Any]


def events(body: Mapping[str, Any]) -> Chunks:
    """The stream of a response that has ended, its last event included."""
    return numbered([*_beginning(body), *_items(body["output"]), *_end(body)])


def error_event(number: int, error: Any) -> Event:
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


def numbered(found: list[Event]) -> Chunks:
    """The events, each with its number."""
    return tuple(
        {"type": event["type"], "sequence_number": number, **event}
        for number, event in enumerate(found)
    )


def _beginning(body: Mapping[str, Any]) -> Iterator[Event]:
    first = "queued" if body["background"] else "in_progress"
    yield {"type": "response.created", "response": started(body, first)}
    if body["background"]:
        yield {"type": "response.queued", "response": started(body, "queued")}
    yield {"type": "response.in_progress", "response": started(body, "in_progress")}


def _end(body: Mapping[str, Any]) -> Iterator[Event]:
    yield {"type": f"response.{body['status']}", "response": dict(body)}


def _items(output: list[dict[str, Any]]) -> Iterator[Event]:
    for index, item in enumerate(output):
        empty = _EMPTY.get(item["type"], {})
        place = {"output_index": index}
        begun = {**item, "status": "in_progress", **empty}
        yield {"type": "response.output_item.added", **place, "item": begun}
        yield from _INSIDE[item["type"]](item, {"item_id": item["id"], **place})
        yield {"type": "response.output_item.done", **place, "item": item}


def _message(item: dict[str, Any], place: Event) -> Iterator[Event]:
    for index, part in enumerate(item["content"]):
        here = {**place, "content_index": index}
        inside = _text if part["type"] == "output_text" else _refusal
        empty = {"text": "", "annotations": [], "logprobs": []}
        begun = {**part, **(empty if inside is _text else {"refusal": ""})}
        yield {"type": "response.content_part.added", **here, "part": begun}
        yield from inside(part, here)
        yield {"type": "response.content_part.done", **here, "part": part}


def _text(part: dict[str, Any], here: Event) -> Iterator[Event]:
    kind = "response.output_text"
    odds = part["logprobs"]
    for index, piece in enumerate(pieces(part["text"])):
        one = odds[index : index + 1]
        yield {"type": f"{kind}.delta", **here, "delta": piece, "logprobs": one}
    for index, annotation in enumerate(part["annotations"]):
        added = {"annotation_index": index, "annotation": annotation}
        yield {"type": f"{kind}.annotation.added", **here, **added}
    yield {"type": f"{kind}.done", **here, "text": part["text"], "logprobs": odds}


def _refusal(part: dict[str, Any], here: Event) -> Iterator[Event]:
    for piece in pieces(part["refusal"]):
        yield {"type": "response.refusal.delta", **here, "delta": piece}
    yield {"type": "response.refusal.done", **here, "refusal": part["refusal"]}


def _reasoning(item: dict[str, Any], place: Event) -> Iterator[Event]:
    for index, part in enumerate(item["summary"]):
        here = {**place, "summary_index": index}
        kind = "response.reasoning_summary"
        yield {"type": f"{kind}_part.added", **here, "part": {**part, "text": ""}}
        for piece in pieces(part["text"]):
            yield {"type": f"{kind}_text.delta", **here, "delta": piece}
        yield {"type": f"{kind}_text.done", **here, "text": part["text"]}
        yield {"type": f"{kind}_part.done", **here, "part": part}


def _function_call(item: dict[str, Any], place: Event) -> Iterator[Event]:
    kind = "response.function_call_arguments"
    for piece in fragments(item["arguments"]):
        yield {"type": f"{kind}.delta", **place, "delta": piece}
    whole = {"name": item["name"], "arguments": item["arguments"]}
    yield {"type": f"{kind}.done", **place, **whole}


def _custom_tool_call(item: dict[str, Any], place: Event) -> Iterator[Event]:
    kind = "response.custom_tool_call_input"
    for piece in fragments(item["input"]):
        yield {"type": f"{kind}.delta", **place, "delta": piece}
    yield {"type": f"{kind}.done", **place, "input": item["input"]}


def _search(_: dict[str, Any], place: Event) -> Iterator[Event]:
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
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "custom_tool_call": _custom_tool_call,
    SEARCH: _search,
}
"""The events between an item's first and its last."""

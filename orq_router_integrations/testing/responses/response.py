"""Build the JSON of a response from an answer, as one body or as the events of a stream."""

from collections.abc import Iterator, Mapping
from typing import Any

from orq_router_integrations.testing.answering.prompt import list_items
from orq_router_integrations.testing.answering.script import Answer
from orq_router_integrations.testing.answering.text_endpoint import (
    EPOCH,
    count_usage,
    split_after_words,
    split_fragments,
)
from orq_router_integrations.testing.responses.schema import ResponsesRequest
from orq_router_integrations.testing.routing.endpoint import RouterResponse

INCLUDE_LOGPROBS = "message.output_text.logprobs"  # value of ``include`` that requests logprobs
USD_PER_INPUT_TOKEN = 1e-6  # invented, like the next one
USD_PER_OUTPUT_TOKEN = 4e-6
_UNFINISHED: dict[str, Any] = {
    **dict.fromkeys(("completed_at", "error", "incomplete_details", "usage")),
    "output": [],
}
"""Fields of a response that is not finished."""

_INCOMPLETE_REASONS = {"length": "max_output_tokens", "content_filter": "content_filter"}

Event = dict[str, Any]


def create_response(
    request: ResponsesRequest, model: str, number: int, **fields: Any
) -> RouterResponse:
    """Create a response with the settings of the request and these fields."""
    headers = {"__all__": {"headers"}}  # of MCP tools, which may contain keys
    settings = request.model_dump(exclude={"tools": headers, "stream": True})
    body = {
        **settings,
        "id": f"resp_offline_{number:06d}",
        "object": "response",
        "created_at": EPOCH + number,
        "model": model.partition("/")[2],
        "input": list_items(request.prompt.body),
        "text": {"format": {"type": "text"}, **(settings["text"] or {})},
        # Not documented, but always sent by OpenAI
        "prompt_cache_retention": None,
        "truncation": "disabled",
        "user": None,
        **_UNFINISHED,
        **fields,
    }
    return RouterResponse(body, chunks=tuple(iter_events(body)) if request.is_streamed else None)


def build_unfinished_response(body: Mapping[str, Any], status: str) -> dict[str, Any]:
    """Return the response as it was before it finished, with this status."""
    return {**body, **_UNFINISHED, "status": status}


def build_answer_fields(answer: Answer, request: ResponsesRequest, number: int) -> dict[str, Any]:
    """Return the fields of a response that depend on the answer."""
    output = _build_output(answer, request, number)
    reason = _INCOMPLETE_REASONS.get(answer.finish_reason or "")
    if reason:
        output[-1]["status"] = "incomplete"
    return {
        "status": "incomplete" if reason else "completed",
        "completed_at": None if reason else EPOCH + number,
        "incomplete_details": {"reason": reason} if reason else None,
        "output": output,
        "usage": _add_costs(count_usage(request.prompt, answer)),
    }


def _build_output(answer: Answer, request: ResponsesRequest, number: int) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    signature = answer.reasoning_signature
    if answer.reasoning is not None or signature is not None:
        summary = [{"type": "summary_text", "text": answer.reasoning}] if answer.reasoning else []
        items.append({"type": "reasoning", "summary": summary, "encrypted_content": signature})
    if answer.text or answer.refusal is not None or not answer.calls:
        content = _build_content(answer, request)
        items.append({"type": "message", "role": "assistant", "content": content})
    custom = {tool["name"] for tool in request.tools or () if tool["type"] == "custom"}
    for call in answer.calls:
        if call.name in custom:
            item = {"type": "custom_tool_call", "input": call.arguments}
        else:
            item = {"type": "function_call", "arguments": call.arguments}
        items.append({**item, "call_id": call.id, "name": call.name})
    return [
        {
            "type": item["type"],
            "id": f"{item['type']}_offline_{number:06d}_{index}",
            "status": "completed",
            **item,
        }
        for index, item in enumerate(items)
    ]


def _build_content(answer: Answer, request: ResponsesRequest) -> list[dict[str, Any]]:
    if answer.refusal is not None:
        return [{"type": "refusal", "refusal": answer.refusal}]
    is_included = INCLUDE_LOGPROBS in (request.include or ())
    has_logprobs = is_included or "top_logprobs" in request.model_fields_set
    text = {
        "type": "output_text",
        "text": answer.text,
        "annotations": list(map(dict, answer.annotations)),
        "logprobs": list(map(dict, answer.logprobs)) if has_logprobs else [],
    }
    return [text]


def _add_costs(usage: dict[str, Any]) -> dict[str, Any]:
    """Add costs and further fields to the usage of a response, except those it already has."""
    input_cost = round((usage["input_tokens"] or 0) * USD_PER_INPUT_TOKEN, 9)
    output_cost = round((usage["output_tokens"] or 0) * USD_PER_OUTPUT_TOKEN, 9)
    total_cost = round(input_cost + output_cost, 9)
    costs = {"input_cost": input_cost, "output_cost": output_cost, "total_cost": total_cost}
    details = {"cache_write_tokens": 0, **usage["input_tokens_details"]}
    return {**costs, **usage, "input_tokens_details": details}


_STREAMED = {
    "output_text": ("output_text", "text", ("logprobs",)),
    "refusal": ("refusal", "refusal", ()),
    "summary_text": ("reasoning_summary_text", "text", ()),
    "function_call": ("function_call_arguments", "arguments", ("name",)),
    "custom_tool_call": ("custom_tool_call_input", "input", ()),
}
"""By type of part or item: prefix of its events, streamed field, other fields of the last one."""


def iter_events(body: Mapping[str, Any]) -> Iterator[Event]:
    """Yield the events of a finished response."""
    unfinished = build_unfinished_response(body, "in_progress")
    events = [
        {"type": f"response.{name}", "response": unfinished} for name in ("created", "in_progress")
    ]
    for index, item in enumerate(body["output"]):
        events += _iter_item(item, index)
    events.append({"type": f"response.{body['status']}", "response": body})
    for number, event in enumerate(events):
        yield {"type": event["type"], "sequence_number": number, **event}


def _iter_item(item: Event, index: int) -> Iterator[Event]:
    position = {"output_index": index, "item_id": item["id"]}
    added = _clear(item) | {"status": "in_progress"}
    yield {"type": "response.output_item.added", "output_index": index, "item": added}
    yield from _iter_text(item, position)
    for name, prefix in (("summary", "reasoning_summary_part"), ("content", "content_part")):
        for number, part in enumerate(item.get(name, ())):
            place = {**position, f"{name}_index": number}
            yield {"type": f"response.{prefix}.added", **place, "part": _clear(part)}
            yield from _iter_text(part, place)
            yield {"type": f"response.{prefix}.done", **place, "part": part}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _clear(value: Mapping[str, Any]) -> Event:
    """Return an item or a part as it is before its content is streamed."""
    _, name, _ = _STREAMED.get(value["type"], ("", "", ()))
    empty = {name: "", "annotations": [], "logprobs": [], "content": [], "summary": []}
    return {key: empty.get(key, field) for key, field in value.items()}


def _iter_text(value: Event, position: Event) -> Iterator[Event]:
    """Yield the events of a part or an item with a streamed field."""
    if value["type"] not in _STREAMED:
        return
    prefix, name, others = _STREAMED[value["type"]]
    split = split_fragments if name in {"arguments", "input"} else split_after_words
    for index, fragment in enumerate(split(value[name])):
        event = {"type": f"response.{prefix}.delta", **position, "delta": fragment}
        if "logprobs" in value:
            event["logprobs"] = value["logprobs"][index : index + 1]
        yield event
    done = {key: value[key] for key in (name, *others)}
    yield {"type": f"response.{prefix}.done", **position, **done}

"""Replies of ``POST /responses``, told as chat completions; ``responses_params`` has its own.

A reply is translated into a completion (an event into a chunk: ``responses_events``), so that
what LangChain needs is converted once, for both APIs. Source: contract section 2.13.
"""

from dataclasses import dataclass
from typing import Any

from orq_router_integrations.wire.call import EmbeddedError, MalformedResponseError, Response
from orq_router_integrations.wire.chat_completions import extract_text
from orq_router_integrations.wire.event_stream import get_json_type_name, raise_for_error
from orq_router_integrations.wire.json import as_dict, as_dicts, as_str, dumps

JsonObject = dict[str, Any]

CUSTOM_TOOL_ARGUMENT = "__arg1"
"""LangChain's name for the one text that a tool takes; the input of a custom tool."""

PARAGRAPH_BREAK = "\n\n"
"""Between pieces of reasoning that were told apart."""

_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_USAGE = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}


@dataclass(frozen=True, slots=True)
class PendingResponse:
    """A background response that the router still works on.

    Attributes:
        attempts: requests sent for it so far.
        started: when the first of them was, on the monotonic clock.
    """

    id: str
    attempts: int = 1
    started_at: float | None = None


def parse_response(reply: Response) -> JsonObject | PendingResponse:
    """The response in a reply, as a completion; or that it is not finished.

    Raises:
        BadReply: it is not JSON, or has no output.
        ErrorInReply: it is an error, or the response failed.
    """
    body = reply.json()
    raise_for_error(body, reply.content)
    if not isinstance(body, dict):
        raise MalformedResponseError(f"the body is {get_json_type_name(body)}, not an object")
    if body.get("status") in {"queued", "in_progress"} and isinstance(body.get("id"), str):
        return PendingResponse(body["id"], reply.attempts, reply.started_at)
    return completion_of(body, reply.content)


def completion_of(response: JsonObject, content: bytes) -> JsonObject:
    """A whole response as a completion.

    Raises:
        BadReply: it has no output.
        ErrorInReply: it failed.
    """
    if response.get("status") == "failed":
        raise EmbeddedError(content)
    message: JsonObject = {"role": "assistant", "content": "", "tool_calls": []}
    for item in get_output_items(response, content):
        merge_delta(message, convert_item(item))
    choice = {
        "index": 0,
        "message": message,
        **get_finish_reason(response, bool(message["tool_calls"])),
    }
    if logprobs := message.pop("logprobs", None):
        choice["logprobs"] = {"content": logprobs}
    return {**convert_metadata(response), "choices": [choice]}


def get_output_items(response: JsonObject, content: bytes) -> list[JsonObject]:
    """The items of a finished response; only one that was cut short may have none.

    Raises:
        BadReply: it has no output.
    """
    output = as_dicts(response.get("output"))
    if not output and response.get("status") != "incomplete":
        state = response.get("status") or "its status unknown"
        raise MalformedResponseError(f"the response has no output ({state})", content)
    return output


def convert_metadata(response: JsonObject) -> JsonObject:
    """What a response says of itself, as a completion says it."""
    usage = as_dict(response.get("usage"))
    known = {name: response.get(name) for name in ("id", "model", "service_tier")}
    return {
        **known,
        "created": response.get("created_at"),
        "usage": {_USAGE.get(k, k): v for k, v in usage.items()} if usage else None,
        "api": "responses",
    }


def get_finish_reason(response: JsonObject, called: bool) -> JsonObject:
    """Why a response ended."""
    details = as_dict(response.get("incomplete_details"))
    status = response.get("status")
    if status == "incomplete":
        return {"finish_reason": _REASONS.get(str(details.get("reason")), "length")}
    if status == "cancelled":  # in no source of the contract, but OpenAI's API has it
        return {"finish_reason": status}
    return {"finish_reason": "tool_calls" if called else "stop"}


def convert_item(item: JsonObject) -> JsonObject:
    """All that a finished item says, as a delta."""
    match item.get("type"):
        case "message":
            delta: JsonObject = {}
            for part in get_message_parts(item):
                merge_delta(delta, convert_message_part(part))
            return delta
        case "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            return {"tool_calls": [{"id": item.get("call_id"), "function": function}]}
        case "custom_tool_call":
            arguments = dumps({CUSTOM_TOOL_ARGUMENT: as_str(item.get("input"))}).decode()
            function = {"name": item.get("name"), "arguments": arguments}
            return {"tool_calls": [{"id": item.get("call_id"), "function": function}]}
        case "reasoning":
            return {"reasoning": _thought(item), **convert_unstreamed_content(item)}
    return convert_unstreamed_content(item)


def get_message_parts(message: JsonObject) -> list[JsonObject]:
    """The parts of a message, which some upstreams send as a plain text.

    Raises:
        BadReply: its content is neither.
    """
    content = message.get("content")
    found = as_dicts(content)
    return found or ([{"text": text}] if (text := extract_text(content, required=True)) else [])


def convert_message_part(part: JsonObject) -> JsonObject:
    """All that a part of a message says, as a delta."""
    if part.get("type") == "refusal":
        return {"refusal": as_str(part.get("refusal"))}
    return {
        "content": extract_text(part.get("text")),
        "annotations": as_dicts(part.get("annotations")),
        "logprobs": as_dicts(part.get("logprobs")),
    }


def convert_unstreamed_content(item: JsonObject) -> JsonObject:
    """What a finished item says beside what its own events have told."""
    match item.get("type"):
        case "reasoning" if isinstance(item.get("encrypted_content"), str):
            summary = PARAGRAPH_BREAK.join(_texts(item, "summary"))
            seal = {"reasoning": summary, "signature": item["encrypted_content"]}
            return {"reasoning_items": [seal]}
        case "image_generation_call" if item.get("result"):
            return {"images": [{"b64_json": item["result"]}]}
        case "reasoning" | "message" | "function_call" | "custom_tool_call":
            return {}
    return {"output_items": [item]}


def _thought(item: JsonObject) -> str:
    return PARAGRAPH_BREAK.join([*_texts(item, "content"), *_texts(item, "summary")])


def _texts(item: JsonObject, name: str) -> list[str]:
    return [text for part in as_dicts(item.get(name)) if (text := as_str(part.get("text")))]


def merge_delta(message: JsonObject, delta: JsonObject) -> None:
    """Add a delta to a message, or to another delta."""
    for name, value in delta.items():
        if value and (before := message.get(name)):
            between = PARAGRAPH_BREAK if name == "reasoning" else type(value)()
            message[name] = before + between + value
        elif value:
            message[name] = value

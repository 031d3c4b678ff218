"""Replies of ``POST /responses``, told as chat completions; ``responses_params`` has its own.

A reply is translated into a completion (an event into a chunk: ``responses_events``), so that
what LangChain needs is converted once, for both APIs. Source: contract section 2.13.
"""

from dataclasses import dataclass
from typing import Any

from orq_router_integrations.wire.call import BadReply, ErrorInReply, Reply
from orq_router_integrations.wire.chat_completions import text_of
from orq_router_integrations.wire.event_stream import kind_of, refuse_error
from orq_router_integrations.wire.json import a_text, an_object, dump, objects

Wire = dict[str, Any]

CUSTOM_INPUT = "__arg1"
"""LangChain's name for the one text that a tool takes; the input of a custom tool."""

PARAGRAPH = "\n\n"
"""Between pieces of reasoning that were told apart."""

_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}
_USAGE = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A background response that the router still works on.

    Attributes:
        attempts: requests sent for it so far.
        started: when the first of them was, on the monotonic clock.
    """

    id: str
    attempts: int = 1
    started: float | None = None


def read_response(reply: Reply) -> Wire | Unfinished:
    """The response in a reply, as a completion; or that it is not finished.

    Raises:
        BadReply: it is not JSON, or has no output.
        ErrorInReply: it is an error, or the response failed.
    """
    body = reply.json()
    refuse_error(body, reply.content)
    if not isinstance(body, dict):
        raise BadReply(f"the body is {kind_of(body)}, not an object")
    if body.get("status") in {"queued", "in_progress"} and isinstance(body.get("id"), str):
        return Unfinished(body["id"], reply.attempts, reply.started)
    return completion_of(body, reply.content)


def completion_of(response: Wire, content: bytes) -> Wire:
    """A whole response as a completion.

    Raises:
        BadReply: it has no output.
        ErrorInReply: it failed.
    """
    if response.get("status") == "failed":
        raise ErrorInReply(content)
    message: Wire = {"role": "assistant", "content": "", "tool_calls": []}
    for item in output_of(response, content):
        merge(message, told(item))
    choice = {"index": 0, "message": message, **end(response, bool(message["tool_calls"]))}
    if logprobs := message.pop("logprobs", None):
        choice["logprobs"] = {"content": logprobs}
    return {**frame(response), "choices": [choice]}


def output_of(response: Wire, content: bytes) -> list[Wire]:
    """The items of a finished response; only one that was cut short may have none.

    Raises:
        BadReply: it has no output.
    """
    output = objects(response.get("output"))
    if not output and response.get("status") != "incomplete":
        state = response.get("status") or "its status unknown"
        raise BadReply(f"the response has no output ({state})", content)
    return output


def frame(response: Wire) -> Wire:
    """What a response says of itself, as a completion says it."""
    usage = an_object(response.get("usage"))
    known = {name: response.get(name) for name in ("id", "model", "service_tier")}
    return {
        **known,
        "created": response.get("created_at"),
        "usage": {_USAGE.get(k, k): v for k, v in usage.items()} if usage else None,
        "api": "responses",
    }


def end(response: Wire, called: bool) -> Wire:
    """Why a response ended."""
    details = an_object(response.get("incomplete_details"))
    status = response.get("status")
    if status == "incomplete":
        return {"finish_reason": _REASONS.get(str(details.get("reason")), "length")}
    if status == "cancelled":  # in no source of the contract, but OpenAI's API has it
        return {"finish_reason": status}
    return {"finish_reason": "tool_calls" if called else "stop"}


def told(item: Wire) -> Wire:
    """All that a finished item says, as a delta."""
    match item.get("type"):
        case "message":
            delta: Wire = {}
            for part in parts_of(item):
                merge(delta, told_part(part))
            return delta
        case "function_call":
            function = {"name": item.get("name"), "arguments": item.get("arguments")}
            return {"tool_calls": [{"id": item.get("call_id"), "function": function}]}
        case "custom_tool_call":
            arguments = dump({CUSTOM_INPUT: a_text(item.get("input"))}).decode()
            function = {"name": item.get("name"), "arguments": arguments}
            return {"tool_calls": [{"id": item.get("call_id"), "function": function}]}
        case "reasoning":
            return {"reasoning": _thought(item), **beside(item)}
    return beside(item)


def parts_of(message: Wire) -> list[Wire]:
    """The parts of a message, which some upstreams send as a plain text.

    Raises:
        BadReply: its content is neither.
    """
    content = message.get("content")
    found = objects(content)
    return found or ([{"text": text}] if (text := text_of(content, whole=True)) else [])


def told_part(part: Wire) -> Wire:
    """All that a part of a message says, as a delta."""
    if part.get("type") == "refusal":
        return {"refusal": a_text(part.get("refusal"))}
    return {
        "content": text_of(part.get("text")),
        "annotations": objects(part.get("annotations")),
        "logprobs": objects(part.get("logprobs")),
    }


def beside(item: Wire) -> Wire:
    """What a finished item says beside what its own events have told."""
    match item.get("type"):
        case "reasoning" if isinstance(item.get("encrypted_content"), str):
            summary = PARAGRAPH.join(_texts(item, "summary"))
            seal = {"reasoning": summary, "signature": item["encrypted_content"]}
            return {"reasoning_items": [seal]}
        case "image_generation_call" if item.get("result"):
            return {"images": [{"b64_json": item["result"]}]}
        case "reasoning" | "message" | "function_call" | "custom_tool_call":
            return {}
    return {"output_items": [item]}


def _thought(item: Wire) -> str:
    return PARAGRAPH.join([*_texts(item, "content"), *_texts(item, "summary")])


def _texts(item: Wire, name: str) -> list[str]:
    return [text for part in objects(item.get(name)) if (text := a_text(part.get("text")))]


def merge(message: Wire, delta: Wire) -> None:
    """Add a delta to a message, or to another delta."""
    for name, value in delta.items():
        if value and (before := message.get(name)):
            between = PARAGRAPH if name == "reasoning" else type(value)()
            message[name] = before + between + value
        elif value:
            message[name] = value

"""Convert responses of ``POST /responses`` to chat completions.

Output items become fields of a chat message, so that both APIs share the conversion to LangChain
messages. ``responses_stream`` does the same for streams.
"""

from dataclasses import dataclass
from typing import Any

from orq_router_integrations.wire.call import EmbeddedError, MalformedResponseError, Response
from orq_router_integrations.wire.chat_completions import extract_text
from orq_router_integrations.wire.json import as_dict, as_dicts, as_str, dumps
from orq_router_integrations.wire.reasoning import REASONING_BLOCK_TYPES, read_reasoning_part

JsonObject = dict[str, Any]

CUSTOM_TOOL_ARGUMENT = "__arg1"
"""Name of the argument that holds the input of a custom tool.

LangChain uses the same name for the argument of a tool that takes a single string.
"""

PARAGRAPH_BREAK = "\n\n"  # between pieces of reasoning

SELF_CONTAINED_ITEMS = frozenset({"compaction", "mcp_approval_request"})
"""Types of items that the API accepts back on their own."""

REPLAYED_ITEMS = SELF_CONTAINED_ITEMS | {
    "mcp_call", "mcp_list_tools", "tool_search_call", "tool_search_output", "web_search_call",
}  # fmt: skip
"""Types of items that the API accepts back, if the reasoning before them is sent as well."""

_ORDERED_ITEMS = REPLAYED_ITEMS | {"reasoning", "message", "function_call", "custom_tool_call"}

_INCOMPLETE_REASONS = {"max_output_tokens": "length", "content_filter": "content_filter"}


@dataclass(frozen=True, slots=True)
class PendingResponse:
    """A background response that the router is still working on."""

    id: str
    response: Response  # counts all requests for the response so far


def parse_response(response: Response) -> JsonObject | PendingResponse:
    """Parse a complete response into a completion, or a ``PendingResponse`` if it is not ready."""
    body = response.json_object()
    if body.get("status") in {"queued", "in_progress"} and isinstance(body.get("id"), str):
        return PendingResponse(body["id"], response)
    if body.get("status") == "failed":
        raise create_response_error(body)
    return build_completion(get_output_items(body, response.content), body)


def parse_compaction(response: Response) -> JsonObject:
    """Parse the response of the compaction endpoint, whose output replaces a conversation."""
    body = response.json_object()
    if not any(item.get("type") == "compaction" for item in as_dicts(body.get("output"))):
        raise MalformedResponseError("the response has no compaction item", response.content)
    return body


def build_completion(items: list[JsonObject], body: JsonObject) -> JsonObject:
    """Build a chat completion from output items and the metadata of their response."""
    message: JsonObject = {"role": "assistant", "content": "", "tool_calls": []}
    for item in items:
        _merge_delta(message, convert_item(item))
    _merge_delta(message, {"item_ids": list_item_ids(items)})
    choice = build_choice("message", message)
    return finish_completion(choice, body, has_calls=bool(message["tool_calls"]))


def build_choice(name: str, fields: JsonObject) -> JsonObject:
    """Build a choice with a message or a delta, and move the log probabilities to the choice."""
    choice: JsonObject = {"index": 0, name: fields}
    if logprobs := fields.pop("logprobs", None):
        choice["logprobs"] = {"content": logprobs}
    return choice


def create_response_error(response: JsonObject) -> EmbeddedError:
    """Create the error for a failed response, whose reason some providers omit."""
    reason = as_str(as_dict(response.get("incomplete_details")).get("reason")) or "unknown"
    error = response.get("error") or {"message": f"The response failed (reason: {reason})."}
    return EmbeddedError(dumps({**response, "error": error}))


def list_item_ids(items: list[JsonObject]) -> list[JsonObject]:
    """Return types and ids of the items that can be sent back, in their order.

    The list is empty if there are only messages, because their order is already known. It is also
    empty if reasoning is not encrypted and thus cannot be sent back, because the API rejects the
    ids of items whose reasoning is missing.
    """
    reasoning = [item for item in items if item.get("type") == "reasoning"]
    if not all(as_str(item.get("encrypted_content")) for item in reasoning):
        return []
    item_ids = [
        {name: item[name] for name in ("type", "id", "call_id") if as_str(item.get(name))}
        for item in items
        if as_str(item.get("id")) and as_str(item.get("type")) in _ORDERED_ITEMS
    ]
    return item_ids if any(ids["type"] != "message" for ids in item_ids) else []


def get_output_items(response: JsonObject, data: bytes) -> list[JsonObject]:
    """Return the output items of a finished response. Only incomplete responses may have none."""
    items, status = as_dicts(response.get("output")), response.get("status")
    if not items and status != "incomplete":
        raise MalformedResponseError(f"the response has no output (status: {status})", data)
    return items


def finish_completion(choice: JsonObject, response: JsonObject, *, has_calls: bool) -> JsonObject:
    """Build a chat completion, or its last chunk, with the metadata of a finished response."""
    reason = "tool_calls" if has_calls else "stop"
    if response.get("status") == "incomplete":
        details = as_dict(response.get("incomplete_details"))
        reason = _INCOMPLETE_REASONS.get(str(details.get("reason")), "length")
    elif response.get("status") == "cancelled":
        reason = "cancelled"  # OpenAI's API has this status, the router does not document it
    return {
        "id": response.get("id"),
        "model": response.get("model"),
        "service_tier": response.get("service_tier"),
        "created": response.get("created_at"),
        "usage": as_dict(response.get("usage")) or None,
        "api": "responses",
        "choices": [{**choice, "finish_reason": reason}],
    }


def convert_item(item: JsonObject) -> JsonObject:
    """Convert a finished output item to a delta of a chat message."""
    match item.get("type"):
        case "message":
            return _convert_message(item)
        case "function_call":
            return _build_tool_call(item, item.get("arguments"))
        case "custom_tool_call":
            arguments = {CUSTOM_TOOL_ARGUMENT: as_str(item.get("input"))}
            return _build_tool_call(item, dumps(arguments).decode())
        case "reasoning":
            return _convert_reasoning(item)
        case "image_generation_call" if item.get("result"):
            return {"images": [{"b64_json": item["result"]}]}
    return {"output_items": [item]}  # such as web searches, which chat completions do not have


def _build_tool_call(item: JsonObject, arguments: Any) -> JsonObject:
    function = {"name": item.get("name"), "arguments": arguments}
    return {"tool_calls": [{"id": item.get("call_id"), "function": function}]}


def _convert_message(message: JsonObject) -> JsonObject:
    content = message.get("content")
    if not (parts := as_dicts(content)):  # some providers send plain text
        return {"content": extract_text(content, required=True)}
    delta: JsonObject = {}
    for part in parts:
        if part.get("type") == "refusal":
            _merge_delta(delta, {"refusal": as_str(part.get("refusal"))})
        elif as_str(part.get("type")) in REASONING_BLOCK_TYPES:
            _merge_delta(delta, {"reasoning": read_reasoning_part(part)[0]})
        else:
            annotations = as_dicts(part.get("annotations"))
            logprobs = as_dicts(part.get("logprobs"))
            text = extract_text(part.get("text"))
            _merge_delta(delta, {"content": text, "annotations": annotations, "logprobs": logprobs})
    return delta


def _convert_reasoning(item: JsonObject) -> JsonObject:
    content, summary = _join_texts(item.get("content")), _join_texts(item.get("summary"))
    delta: JsonObject = {"reasoning": PARAGRAPH_BREAK.join(filter(None, [content, summary]))}
    if signature := as_str(item.get("encrypted_content")):
        delta["reasoning_items"] = [{"reasoning": summary, "signature": signature}]
    return delta


def _join_texts(parts: Any) -> str:
    texts = (as_str(part.get("text")) for part in as_dicts(parts))
    return PARAGRAPH_BREAK.join(filter(None, texts))


def _merge_delta(message: JsonObject, delta: JsonObject) -> None:
    """Append the values of a delta to a message (or to another delta), in place."""
    for name, value in delta.items():
        if value and (existing := message.get(name)):
            separator = PARAGRAPH_BREAK if name == "reasoning" else type(value)()
            message[name] = existing + separator + value
        elif value:
            message[name] = value

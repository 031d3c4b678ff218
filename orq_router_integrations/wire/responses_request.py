"""Convert the body of a chat completion to a body of ``POST /responses``."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orq_router_integrations.wire.json import as_dict, loads
from orq_router_integrations.wire.responses_output import (
    CUSTOM_TOOL_ARGUMENT,
    REPLAYED_ITEMS,
    SELF_CONTAINED_ITEMS,
    JsonObject,
)

_UNSUPPORTED_FIELDS = ("seed", "modalities", "audio", "n")
_RENAMED_FIELDS = {"max_completion_tokens": "max_output_tokens", "stop": "stop_sequences"}

APPROVAL_RESPONSE = "mcp_approval_response"
"""Type of the content part, and of the item, that answers the request of an MCP server."""


def build_responses_body(chat_body: Mapping[str, Any]) -> JsonObject:
    """Convert the body of a chat completion, which may contain parameters of the Responses API."""
    body = {_RENAMED_FIELDS.get(name, name): value for name, value in chat_body.items()}
    unsupported = {name: body.pop(name) for name in _UNSUPPORTED_FIELDS if name in body}
    if unsupported and unsupported != {"n": 1}:  # it always returns one answer
        raise ValueError(
            f"{next(iter(unsupported))}: Not supported by the Responses API. "
            "Use api='chat_completions'."
        )
    messages, tools = body.pop("messages"), body.get("tools", [])
    custom_ids = _find_custom_calls(messages, tools)
    body["input"] = [item for message in messages for item in _convert_message(message, custom_ids)]
    if tools:
        body["tools"] = [_flatten_function(tool) for tool in tools]
    if isinstance(choice := body.get("tool_choice"), Mapping):
        body["tool_choice"] = _flatten_function(choice)
    if text := _build_text_settings(body.pop("response_format", {}), body.pop("verbosity", None)):
        body["text"] = text
    if effort := body.pop("reasoning_effort", None):
        body["reasoning"] = {"effort": effort, **body.get("reasoning", {})}
    if body.pop("logprobs", False) or "top_logprobs" in body:  # ignored unless included
        body["include"] = [*body.get("include", ()), "message.output_text.logprobs"]
    return body


def _build_text_settings(response_format: Mapping[str, Any], verbosity: str | None) -> JsonObject:
    settings: JsonObject = {"verbosity": verbosity} if verbosity else {}
    match response_format:
        case {"type": "json_schema", "json_schema": json_schema}:
            settings["format"] = {"type": "json_schema", **json_schema}
        case {"type": "json_object"}:
            raise ValueError(
                "response_format: The Responses API does not support 'json_object'. "
                "Use 'json_schema', such as with_structured_output(..., method='json_schema')."
            )
    return settings


def _flatten_function(value: Mapping[str, Any]) -> JsonObject:
    """Move the fields of ``function`` to the top level of a tool or a tool choice."""
    outer = {name: item for name, item in value.items() if name != "function"}
    return {**outer, **value.get("function", {})}


def _find_custom_calls(
    messages: Iterable[Mapping[str, Any]], tools: Iterable[Mapping[str, Any]]
) -> set[str]:
    """Return the ids of calls of custom tools, which chat messages represent as functions."""
    names = {tool.get("name") for tool in tools if tool.get("type") == "custom"}
    calls = (call for message in messages for call in message.get("tool_calls") or ())
    return {call["id"] for call in calls if call["function"]["name"] in names}


def _convert_message(message: Mapping[str, Any], custom_ids: set[str]) -> Iterator[JsonObject]:
    role, content = message["role"], message.get("content") or ""
    if role == "assistant":
        items = list(_convert_assistant_message(content, message, custom_ids))
        yield from _restore_order(items, message.get("item_ids") or ())
        return
    if not isinstance(content, str):
        approvals = [dict(part) for part in content if part["type"] == APPROVAL_RESPONSE]
        yield from approvals
        content = [_convert_part(part) for part in content if part["type"] != APPROVAL_RESPONSE]
        if approvals and not content:
            return
    if role == "tool":
        call_id = message["tool_call_id"]
        kind = "custom_tool_call" if call_id in custom_ids else "function_call"
        yield {"type": f"{kind}_output", "call_id": call_id, "output": content}
    else:
        yield {"type": "message", "role": role, "content": content}


def _restore_order(items: list[JsonObject], item_ids: Iterable[JsonObject]) -> list[JsonObject]:
    """Sort the items of an answer as the model created them, and add their ids.

    Calls are identified by their call ids, items of server-side tools by their ids. Items that are
    not in ``item_ids``, such as calls that the caller has added, come last.
    """
    ordered, remaining = [], list(items)
    for ids in item_ids:
        key = "call_id" if "call_id" in ids else "id"
        for item in remaining:
            if item["type"] == ids["type"] and item.get(key, ids.get(key)) == ids.get(key):
                remaining.remove(item)
                ordered.append({**item, "id": ids["id"]})
                break
    ordered += remaining
    while item_ids and ordered and ordered[-1]["type"] == "reasoning":
        ordered.pop()  # the API rejects reasoning that nothing follows, as in a truncated answer
    return ordered


def _convert_assistant_message(
    content: Any, message: Mapping[str, Any], custom_ids: set[str]
) -> Iterator[JsonObject]:
    """Yield items in the order that the API requires: reasoning, message, tool calls."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    for part in parts:
        if part["type"] == "reasoning":
            yield {
                "type": "reasoning",
                "summary": [{"type": "summary_text", "text": part["reasoning"]}],
                "encrypted_content": part["signature"],
            }
    if answer := _convert_answer(parts, message.get("refusal")):
        yield {"type": "message", "role": "assistant", "content": answer}
    replayed = REPLAYED_ITEMS if message.get("item_ids") else SELF_CONTAINED_ITEMS
    for item in message.get("output_items") or ():
        if item.get("type") in replayed:
            yield dict(item)
    for call in message.get("tool_calls") or ():
        function = call["function"]
        if call["id"] in custom_ids:
            fields = {"name": function["name"], "input": _get_custom_input(function["arguments"])}
            yield {"type": "custom_tool_call", "call_id": call["id"], **fields}
        else:
            yield {"type": "function_call", "call_id": call["id"], **function}


def _convert_answer(parts: list[JsonObject], refusal: str | None) -> str | list[JsonObject]:
    text = "".join(part["text"] for part in parts if part["type"] == "text")
    refusals = [part["refusal"] for part in parts if part["type"] == "refusal"] + [refusal]
    answer = [{"type": "refusal", "refusal": item} for item in refusals if item]
    if answer and text:
        answer.insert(0, {"type": "output_text", "text": text, "annotations": []})
    return answer or text


def _get_custom_input(arguments: str) -> str:
    try:
        value = as_dict(loads(arguments)).get(CUSTOM_TOOL_ARGUMENT)
    except ValueError:
        return arguments
    return value if isinstance(value, str) else arguments


def _convert_part(part: Mapping[str, Any]) -> JsonObject:
    match part:
        case {"type": "text"}:
            return {**part, "type": "input_text"}
        case {"type": "image_url", "image_url": image, **fields}:
            image = {"image_url" if name == "url" else name: item for name, item in image.items()}
            return {**fields, **image, "type": "input_image"}
        case {"type": "file", "file": file, **fields}:
            names = {"uri": "file_url", "mimeType": "mime_type"}
            flat = {names.get(name, name): value for name, value in file.items()}
            return {**fields, **flat, "type": "input_file"}
    return {**part, "type": "input_image"}  # from ``image_file``

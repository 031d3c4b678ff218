"""From a chat body to the body of ``POST /responses`` (contract section 2.13)."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from orq_router_integrations.wire.json import loads
from orq_router_integrations.wire.responses_output import CUSTOM_TOOL_ARGUMENT

Wire = dict[str, Any]

_SAME = (
    "model",
    "temperature",
    "top_p",
    "top_k",
    "frequency_penalty",
    "presence_penalty",
    "top_logprobs",
    "thinking",
    "cache_control",
    "prompt_cache_key",
    "parallel_tool_calls",
)
_RENAMED = {"max_completion_tokens": "max_output_tokens", "stop": "stop_sequences"}
_NOT_HERE = ("seed", "modalities", "audio")
_LOGPROBS = "message.output_text.logprobs"


def build_responses_body(chat: Mapping[str, Any], responses_params: Mapping[str, Any]) -> Wire:
    """The body for a chat body and the API's own parameters.

    Raises:
        ValueError: the chat body has something that this API has not.
    """
    if absent := [name for name in _NOT_HERE if name in chat] or ["n"] * (chat.get("n", 1) > 1):
        raise ValueError(f"{absent[0]}: the Responses API has it not; use api='chat_completions'")
    body = {name: chat[name] for name in _SAME if name in chat}
    body |= {new: chat[old] for old, new in _RENAMED.items() if old in chat}
    items = (item for message in chat["messages"] for item in _items(message))
    body["input"] = list(_customised(items, chat.get("tools", ())))
    if "tools" in chat:
        body["tools"] = [_tool(tool) for tool in chat["tools"]]
    if "tool_choice" in chat:
        body["tool_choice"] = _choice(chat["tool_choice"])
    if text := _text_settings(chat):
        body["text"] = text
    body |= responses_params
    if "reasoning_effort" in chat:
        body["reasoning"] = {
            "effort": chat["reasoning_effort"],
            **responses_params.get("reasoning", {}),
        }
    if chat.get("logprobs"):
        body["include"] = [*responses_params.get("include", ()), _LOGPROBS]
    return body


def _text_settings(chat: Mapping[str, Any]) -> Wire:
    shape: Mapping[str, Any] = chat.get("response_format") or {"type": "text"}
    settings: Wire = {}
    if shape["type"] == "json_object":
        raise ValueError(
            "response_format: the Responses API has no json_object; use method='json_schema'"
        )
    if shape["type"] == "json_schema":
        settings["format"] = {"type": "json_schema", **shape["json_schema"]}
    if "verbosity" in chat:
        settings["verbosity"] = chat["verbosity"]
    return settings


def _tool(tool: Mapping[str, Any]) -> Wire:
    """A function without its wrapper; other tools are the API's own already."""
    if tool.get("type") != "function":
        return dict(tool)
    outer = {name: value for name, value in tool.items() if name != "function"}
    return {**outer, **tool["function"]}


def _choice(choice: Any) -> Any:
    if isinstance(choice, Mapping):
        return {"type": "function", "name": choice["function"]["name"]}
    return choice


def _items(message: Mapping[str, Any]) -> Iterator[Wire]:
    role, content = message["role"], message.get("content") or ""
    if role == "tool":
        output = content if isinstance(content, str) else [_part(part) for part in content]
        call_id = message["tool_call_id"]
        yield {"type": "function_call_output", "call_id": call_id, "output": output}
    elif role == "assistant":
        yield from _said(content, message)
    else:
        parts = content if isinstance(content, str) else [_part(part) for part in content]
        yield {"type": "message", "role": role, "content": parts}


def _said(content: Any, message: Mapping[str, Any]) -> Iterator[Wire]:
    """An earlier answer: sealed reasoning, what was said, what was called."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    said: list[Wire] = []
    for part in parts:
        if part["type"] == "reasoning":
            summary = [{"type": "summary_text", "text": part["reasoning"]}]
            seal = part["signature"]
            yield {"type": "reasoning", "summary": summary, "encrypted_content": seal}
        elif part["type"] == "text" and part["text"]:
            said.append({"type": "output_text", "text": part["text"], "annotations": []})
        elif part["type"] == "refusal":
            said.append(dict(part))
    if refusal := message.get("refusal"):
        said.append({"type": "refusal", "refusal": refusal})
    if said:
        plain = all(part["type"] == "output_text" for part in said)
        words = "".join(part["text"] for part in said) if plain else said
        yield {"type": "message", "role": "assistant", "content": words}
    for call in message.get("tool_calls") or ():
        yield {"type": "function_call", "call_id": call["id"], **call["function"]}


def _customised(items: Iterable[Wire], tools: Iterable[Mapping[str, Any]]) -> Iterator[Wire]:
    """Calls of custom tools, and what came of them, as items of their own kind."""
    names = {tool.get("name") for tool in tools if tool.get("type") == "custom"}
    ids = set()
    for item in items:
        if item["type"] == "function_call" and item["name"] in names:
            ids.add(item["call_id"])
            known = {name: item[name] for name in ("call_id", "name")}
            yield {"type": "custom_tool_call", **known, "input": _input(item["arguments"])}
        elif item["type"] == "function_call_output" and item["call_id"] in ids:
            yield {**item, "type": "custom_tool_call_output"}
        else:
            yield item


def _input(arguments: str) -> str:
    try:
        found = loads(arguments)
    except ValueError:
        return arguments
    text = found.get(CUSTOM_TOOL_ARGUMENT) if isinstance(found, dict) else None
    return text if isinstance(text, str) else arguments


def _part(part: Mapping[str, Any]) -> Wire:
    control = {name: part[name] for name in ("cache_control",) if name in part}
    match part:
        case {"type": "text", "text": text}:
            return {"type": "input_text", "text": text, **control}
        case {"type": "image_url", "image_url": image}:
            detail = {"detail": image["detail"]} if "detail" in image else {}
            return {"type": "input_image", "image_url": image["url"], **detail, **control}
        case {"type": "image_file"}:
            return {**part, "type": "input_image"}
        case {"type": "file", "file": {} as file}:
            names = {"uri": "file_url", "mimeType": "mime_type"}
            flat = {names.get(name, name): value for name, value in file.items()}
            return {"type": "input_file", **flat, **control}
    raise ValueError("audio: the Responses API takes none; use api='chat_completions'")

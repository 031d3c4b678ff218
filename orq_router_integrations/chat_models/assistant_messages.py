"""Convert earlier answers of a model to assistant messages of Chat Completions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from orq_router_integrations.chat_models.content_parts import (
    SUPPORTED_TYPES,
    Part,
    convert_block,
    convert_blocks,
    describe_parts,
    join_text_parts,
)
from orq_router_integrations.chat_models.tool_calls import strip_truncation_mark
from orq_router_integrations.chat_models.tool_messages import create_json_block
from orq_router_integrations.wire import json
from orq_router_integrations.wire.json import as_dict, as_dicts, as_str
from orq_router_integrations.wire.reasoning import (
    ITEM_KWARGS,
    THOUGHT_SIGNATURES_KWARG,
    read_reasoning_part,
)
from orq_router_integrations.wire.responses_output import REPLAYED_ITEMS

_TOOL_CALL_TYPES = {
    "tool_call",
    "tool_call_chunk",
    "invalid_tool_call",
    "input_json_delta",
    "function_call",
    "function_call_signature",
    "custom_tool_call",
}
"""Blocks that repeat the ``tool_calls`` of the message."""

_SERVER_TYPES = REPLAYED_ITEMS | {
    "server_tool_call",
    "server_tool_call_chunk",
    "server_tool_result",
    "server_tool_use",
    "mcp_tool_use",
    "executable_code",
    "code_execution_result",
    "file_search_call",
    "code_interpreter_call",
    "container_upload",
    "guard_content",
    "reference",
}
"""Blocks that only the provider's own API accepts, such as calls of server-side tools."""

_SERVER_RESULT_SUFFIX = "_tool_result"  # of Anthropic's server-side tool results
_CLIENT_CALL_SUFFIX = "_call"  # of calls that the client runs, such as ``computer_call``
_BEDROCK_CACHE_KEY = "cachePoint"  # the only key of cache markers, which have no type

_MEDIA_TYPES = {"image": "image", "image_url": "image", "audio": "audio"}
_IMAGE_GENERATION = "image_generation_call"


def convert_assistant_message(message: BaseMessage) -> dict[str, Any]:
    """Convert an earlier answer to an assistant message.

    No API accepts images and audio that a model generated, so they are left out. A message without
    any other content becomes the text ``[image answer, not sent again]``.
    """
    kwargs, content = message.additional_kwargs, message.content
    tool_calls = _convert_tool_calls(message)
    if isinstance(content, str) and not (tool_calls or kwargs):  # most answers
        return {"role": "assistant", "content": content}
    assistant = _AssistantContent(
        is_generated=bool(message.response_metadata.get("model_provider"))
    )
    blocks = [content] if isinstance(content, str) and content else list(content)
    convert_blocks(blocks, assistant.add_block)
    tool_calls = tool_calls or assistant.tool_calls
    payload: dict[str, Any] = {"role": "assistant"}
    if tool_calls or kwargs.get("item_ids"):
        _add_stored_reasoning(assistant, kwargs)
    payload["content"] = join_text_parts(assistant.parts) or None
    if tool_calls:
        payload["tool_calls"] = tool_calls
        if assistant.reasoning:
            payload["reasoning_content"] = "".join(assistant.reasoning)
    payload |= _get_stored_fields(kwargs)
    if any(part["type"] == "refusal" for part in assistant.parts):
        payload.pop("refusal", None)
    if payload["content"] is None and not tool_calls:
        omitted = assistant.omitted | ({"image"} if kwargs.get("images") else set())
        is_empty = payload.keys() - ITEM_KWARGS == {"role", "content"}
        payload["content"] = _describe_omitted(omitted) if omitted and is_empty else ""
    return payload


def _get_stored_fields(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the message that are not part of its content."""
    fields: dict[str, Any] = {
        name: items for name in ITEM_KWARGS if (items := as_dicts(kwargs.get(name)))
    }
    if refusal := as_str(kwargs.get("refusal")):
        fields["refusal"] = refusal
    if audio_id := as_str(as_dict(kwargs.get("audio")).get("id")):
        fields["audio"] = {"id": audio_id}
    return fields


def replace_audio_with_transcript(message: AIMessage, *, accepts_audio_ids: bool) -> AIMessage:
    """Replace the audio of an answer with its transcript, unless it can be sent by ID."""
    audio = message.additional_kwargs.get("audio")
    if not isinstance(audio, Mapping) or (accepts_audio_ids and audio.get("id")):
        return message
    transcript, text = as_str(audio.get("transcript")), message.text
    kwargs = {name: value for name, value in message.additional_kwargs.items() if name != "audio"}
    update: dict[str, Any] = {"additional_kwargs": kwargs}
    if transcript not in text or not text:
        block = {"type": "text", "text": transcript or _describe_omitted({"audio"})}
        content = message.content
        blocks = [content] if isinstance(content, str) and content else list(content)
        update["content"] = [*blocks, *(["\n"] if text else []), block]
    return message.model_copy(update=update)


def _describe_omitted(media_types: set[str]) -> str:
    return f"[{' and '.join(sorted(media_types))} answer, not sent again]"


@dataclass(slots=True)
class _AssistantContent:
    """Blocks of an assistant message, sorted by how they are sent."""

    is_generated: bool  # whether a model created the message, whose media cannot be sent back then
    parts: list[Part] = field(default_factory=list)  # starting with signed reasoning
    reasoning: list[str] = field(default_factory=list)  # texts without a signature
    tool_calls: list[dict[str, Any]] = field(default_factory=list)  # from ``tool_use`` blocks
    omitted: set[str] = field(default_factory=set)  # types of media that were left out
    _signed_count: int = 0

    def add_block(self, block: Any) -> None:
        """Add a content block."""
        block_type = block.get("type") if isinstance(block, Mapping) else None
        if not isinstance(block_type, str):
            if not (isinstance(block, Mapping) and _BEDROCK_CACHE_KEY in block):
                self._add_text_block(block)
        elif (self.is_generated and block_type in _MEDIA_TYPES) or block_type == _IMAGE_GENERATION:
            self.omitted.add(_MEDIA_TYPES.get(block_type, "image"))
        elif add := _BLOCK_HANDLERS.get(block_type):
            add(self, block)
        elif not (
            block_type in _TOOL_CALL_TYPES
            or block_type in _SERVER_TYPES
            or block_type.endswith(_SERVER_RESULT_SUFFIX)
        ):
            self._add_text_block(block)

    def _add_text_block(self, block: Any) -> None:
        if isinstance(block, Mapping) and not _is_sendable(block):
            block = create_json_block(block)
        part = convert_block(block)
        if part["type"] != "text":
            raise ValueError(
                f"An assistant message cannot contain {describe_parts([part])}. "
                "Move it to a human message."
            )
        self.parts.append({"type": "text", "text": part["text"]})  # drops cache_control

    def add_tool_use(self, block: Mapping[str, Any]) -> None:
        arguments = block.get("input") or {}
        self.tool_calls.append(_create_tool_call(block.get("id"), block.get("name"), arguments))

    def add_refusal(self, block: Mapping[str, Any]) -> None:
        if refusal := as_str(block.get("refusal")):  # no API accepts an empty one
            self.parts.append({"type": "refusal", "refusal": refusal})

    def add_non_standard(self, block: Mapping[str, Any]) -> None:
        """Add the value of a ``non_standard`` block, if it is a block that can be sent."""
        value = block.get("value")
        value_type = value.get("type") if isinstance(value, Mapping) else None
        if isinstance(value_type, str) and value_type in _UNWRAPPED_TYPES:
            self.add_block(value)

    def add_thinking(self, block: Mapping[str, Any]) -> None:
        self.add_reasoning(*read_reasoning_part(block))

    def add_redacted_thinking(self, block: Mapping[str, Any]) -> None:
        if data := as_str(block.get("data")):
            self._insert_signed({"type": "redacted_reasoning", "data": data})

    def add_reasoning(self, text: str, signature: str) -> None:
        """Add signed reasoning as a content part, and other reasoning as ``reasoning_content``."""
        if signature:
            self._insert_signed({"type": "reasoning", "reasoning": text, "signature": signature})
        elif text:
            self.reasoning.append(text)

    def add_redacted_reasoning(self, data: Any) -> None:
        """Add encrypted reasoning: a str, a dict with ``data``, or a list of them."""
        items = data if isinstance(data, list) else [data]
        texts = [item.get("data") if isinstance(item, dict) else item for item in items]
        self.parts[:0] = [
            {"type": "redacted_reasoning", "data": text} for text in texts if isinstance(text, str)
        ]

    def _insert_signed(self, part: Part) -> None:
        self.parts.insert(self._signed_count, part)
        self._signed_count += 1


def _is_sendable(block: Mapping[str, Any]) -> bool:
    """Return whether to convert a block: its type is known, or its result needs it."""
    block_type = str(block.get("type"))
    return block_type in SUPPORTED_TYPES or block_type.endswith(_CLIENT_CALL_SUFFIX)


_BLOCK_HANDLERS: dict[str, Callable[[_AssistantContent, Mapping[str, Any]], None]] = {
    "tool_use": _AssistantContent.add_tool_use,
    "thinking": _AssistantContent.add_thinking,
    "reasoning": _AssistantContent.add_thinking,
    "reasoning_content": _AssistantContent.add_thinking,
    "redacted_thinking": _AssistantContent.add_redacted_thinking,
    "refusal": _AssistantContent.add_refusal,
    "non_standard": _AssistantContent.add_non_standard,
}
_UNWRAPPED_TYPES = {*_BLOCK_HANDLERS, *_MEDIA_TYPES, _IMAGE_GENERATION, "text", "output_text"}


def _add_stored_reasoning(assistant: _AssistantContent, kwargs: Mapping[str, Any]) -> None:
    """Add reasoning from ``additional_kwargs``; providers require it after tool calls."""
    if any(part["type"] == "reasoning" for part in assistant.parts):
        return  # the content blocks contain the signed reasoning already
    items = [
        item
        for item in as_dicts(kwargs.get("reasoning_items"))
        if isinstance(item.get("reasoning"), str) and isinstance(item.get("signature"), str)
    ]
    if assistant.reasoning and not (items or kwargs.get("reasoning_signature")):
        return  # the content blocks contain the reasoning, and no signature is stored
    assistant.reasoning.clear()
    for item in items:
        assistant.add_reasoning(item["reasoning"], item["signature"])
    if not items:
        text = as_str(kwargs.get("reasoning_content"))
        assistant.add_reasoning(text, as_str(kwargs.get("reasoning_signature")))
    assistant.add_redacted_reasoning(kwargs.get("redacted_reasoning"))


def _convert_tool_calls(message: BaseMessage) -> list[dict[str, Any]]:
    if not isinstance(message, AIMessage):
        return []
    signatures = as_dict(message.additional_kwargs.get(THOUGHT_SIGNATURES_KWARG))
    valid: list[Any] = message.tool_calls
    invalid: list[Any] = message.invalid_tool_calls
    if not isinstance(message.content, str):
        # langchain-core fills ``tool_calls`` from ``AIMessage(content_blocks=[...])``, but not from
        # ``content=[...]``, and it never fills ``invalid_tool_calls``.
        valid = valid or _find_calls("tool_call", message.content)
        ids = {call["id"] for call in valid}
        blocks = _find_calls("invalid_tool_call", message.content)
        invalid = invalid or [call for call in blocks if call["id"] not in ids]
    calls = [_create_tool_call(call["id"], call["name"], call["args"]) for call in valid]
    for call in invalid:
        if call["name"]:  # no API accepts a call without a name, even if a provider sent it
            args = call["args"] or ""
            arguments = strip_truncation_mark(args) if isinstance(args, str) else args
            calls.append(_create_tool_call(call["id"], call["name"], arguments))
    for call in calls:
        if signature := signatures.get(call["id"]):
            call["extra_content"] = {"google": {"thought_signature": signature}}
    return calls


def _find_calls(block_type: str, content: list[Any]) -> list[dict[str, Any]]:
    return [
        {"id": block.get("id"), "name": block.get("name"), "args": block.get("args") or {}}
        for block in content
        if isinstance(block, Mapping) and block.get("type") == block_type
    ]


def _create_tool_call(call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    if not isinstance(name, str) or not name:
        raise ValueError("A tool call has no name. Set 'name' to the name of the tool.")
    if not isinstance(call_id, str) or not call_id:
        raise ValueError(
            f"The call of tool {name!r} has no id. Set 'id', and use it as the tool_call_id of the "
            "tool message."
        )
    if not isinstance(arguments, str):
        arguments = json.replace_lone_surrogates(arguments)
        arguments = json.dumps(arguments, f"arguments of {name}", nan_as_null=True).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}

"""Convert earlier answers of a model to assistant messages of Chat Completions.

Providers such as Anthropic and Gemini sign their reasoning. They require their own signatures after
tool calls, and reject signatures of other providers. Because the router may use a fallback, each
answer has the provider that created it in its metadata.
"""

from collections.abc import Mapping
from typing import Any

from langchain_core.messages import AIMessage

from orq_router_integrations.chat_models import content_parts
from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, PROVIDER, RESPONSES
from orq_router_integrations.chat_models.tool_calls import strip_truncation_mark
from orq_router_integrations.wire import json
from orq_router_integrations.wire.json import as_dict, as_dicts, as_str
from orq_router_integrations.wire.model_names import get_provider
from orq_router_integrations.wire.reasoning import (
    ITEM_KWARGS,
    REASONING_BLOCK_TYPES,
    SIGNATURE_KWARGS,
    THOUGHT_SIGNATURES_KWARG,
    read_reasoning_part,
)
from orq_router_integrations.wire.responses_output import REPLAYED_ITEMS

_IGNORED_TYPES = REPLAYED_ITEMS | {
    # These repeat the ``tool_calls`` of the message.
    "tool_call_chunk", "input_json_delta", "function_call", "function_call_signature",
    "custom_tool_call",
    # Only the provider's own API accepts these, such as calls of server-side tools.
    "server_tool_call", "server_tool_call_chunk", "server_tool_result", "server_tool_use",
    "mcp_tool_use", "file_search_call", "code_interpreter_call", "executable_code",
    "code_execution_result", "container_upload", "guard_content", "reference",
}  # fmt: skip
_SERVER_RESULT_SUFFIX = "_tool_result"  # ends the types of Anthropic's server-side tool results
_BEDROCK_CACHE_KEY = "cachePoint"  # the only key of cache markers, which have no type
_GENERATED_TYPES = {"image": "image", "image_url": "image", "audio": "audio"}
"""The kinds of media that a model generates, by the type of the block."""

_ROUTER_PROVIDERS = {"bedrock": "aws", "mistralai": "mistral"}
"""The router's provider names, where those in LangChain's ``model_provider`` differ."""

_CLAUDE_PROVIDERS = ("anthropic", "aws", "google")
"""Providers that accept ``redacted_thinking`` and ``reasoning_content`` blocks."""


def convert_assistant_message(
    message: AIMessage, provider: str | None = None, api: str = CHAT_COMPLETIONS
) -> dict[str, Any]:
    """Convert an earlier answer to an assistant message.

    No API accepts images and audio that a model generated, so they are left out, except for audio
    with an id. Audio is replaced by its transcript. A message without any other content becomes the
    text ``[image answer, not sent again]``.

    Reasoning signatures of providers other than ``provider`` are removed. If it is empty, because
    several providers may receive the request, all signatures are removed; ``None`` keeps them.
    """
    has_calls = message.tool_calls or message.invalid_tool_calls
    if isinstance(message.content, str) and not (has_calls or message.additional_kwargs):
        return {"role": "assistant", "content": message.content}  # as in most answers
    content = _AssistantContent(message, provider, api)
    kwargs = content.kwargs
    content_parts.convert_blocks(content.get_blocks(), content.add_block)
    tool_calls = content.convert_tool_calls()
    if tool_calls or kwargs.get("item_ids"):
        content.add_stored_reasoning()
    parts = content.signed_reasoning + content.parts
    payload: dict[str, Any] = {
        "role": "assistant",
        "content": content_parts.join_text_parts(parts) or None,
    }
    if tool_calls:
        payload["tool_calls"] = tool_calls
        if content.reasoning:
            payload["reasoning_content"] = "".join(content.reasoning)
    payload |= {name: items for name in ITEM_KWARGS if (items := as_dicts(kwargs.get(name)))}
    refusal = as_str(kwargs.get("refusal"))
    if refusal and not any(part["type"] == "refusal" for part in parts):
        payload["refusal"] = refusal
    if audio_id := as_str(as_dict(kwargs.get("audio")).get("id")):
        payload["audio"] = {"id": audio_id}
    if payload["content"] is None and not tool_calls:
        is_empty = payload.keys() - ITEM_KWARGS == {"role", "content"}
        note = f"[{' and '.join(sorted(content.omitted))} answer, not sent again]"
        payload["content"] = note if content.omitted and is_empty else ""
    return payload


class _AssistantContent:
    """The content of an assistant message, sorted by how it is sent."""

    def __init__(self, message: AIMessage, provider: str | None, api: str) -> None:
        self._message = message
        self._provider = provider
        self._api = api
        dropped: set[str] = set() if api == RESPONSES else {*ITEM_KWARGS}
        if not self._accepts_signature(""):
            dropped |= SIGNATURE_KWARGS
        kwargs = message.additional_kwargs
        self.kwargs = {name: value for name, value in kwargs.items() if name not in dropped}
        self.parts: list[content_parts.Part] = []
        self.signed_reasoning: list[content_parts.Part] = []  # sent before the other parts
        self.reasoning: list[str] = []  # texts without a signature
        # Media that a model has generated cannot be sent back.
        self._omitted_types = {"image_generation_call": "image"}
        if message.response_metadata.get("model_provider"):
            self._omitted_types |= _GENERATED_TYPES
        self.omitted = {"image"} if kwargs.get("images") else set()
        self._call_blocks: list[dict[str, Any]] = []  # usually repeat the calls of the message

    def get_blocks(self) -> list[Any]:
        """Return the content blocks, and replace audio that is not sent with its transcript."""
        content, text = self._message.content, self._message.text
        blocks: list[Any] = [content] if isinstance(content, str) and content else list(content)
        audio = self.kwargs.get("audio")
        if isinstance(audio, Mapping) and (self._api == RESPONSES or not audio.get("id")):
            del self.kwargs["audio"]  # audio that remains is sent by its id
            transcript = as_str(audio.get("transcript"))
            if not transcript:
                self.omitted.add("audio")
            elif transcript not in text:
                blocks += ["\n", transcript] if text else [transcript]
        return blocks

    def add_block(self, block: Any, *, is_wrapped: bool = False) -> None:
        """Add a content block. ``is_wrapped`` means that it came from a ``non_standard`` block."""
        fields = as_dict(block)
        match fields.get("type"):
            case "non_standard":
                self.add_block(as_dict(fields.get("value")), is_wrapped=True)
            case str(type_) if type_ in self._omitted_types:
                self.omitted.add(self._omitted_types[type_])
            case str(type_) if type_ in REASONING_BLOCK_TYPES:
                self._add_reasoning(fields)
            case "tool_use" | "tool_call" | "invalid_tool_call":
                self._call_blocks.append(fields)
            case "refusal":
                if refusal := as_str(fields.get("refusal")):  # no API accepts an empty one
                    self.parts.append({"type": "refusal", "refusal": refusal})
            case type_ if not is_wrapped or str(type_) in content_parts.SUPPORTED_TYPES:
                self._add_text(block)

    def _add_text(self, block: Any) -> None:
        """Add a text block, or the JSON of a block that no API accepts but that may be useful."""
        fields = {"type": "text"} if isinstance(block, str) else as_dict(block)
        type_ = str(fields.get("type"))
        is_ignored = type_ in _IGNORED_TYPES or type_.endswith(_SERVER_RESULT_SUFFIX)
        if is_ignored or _BEDROCK_CACHE_KEY in fields:
            return
        if type_ not in content_parts.SUPPORTED_TYPES:
            block = content_parts.create_json_block(block)
        part = content_parts.convert_text_block(block, "An assistant message")
        self.parts.append({"type": "text", "text": part["text"]})  # drops cache_control

    def _add_reasoning(self, block: Mapping[str, Any]) -> None:
        """Add signed reasoning as a content part, and other reasoning as ``reasoning_content``."""
        is_accepted = self._accepts_signature(block["type"])
        text, signature = read_reasoning_part(block)
        if block["type"] == "redacted_thinking":
            if is_accepted and (data := as_str(block.get("data"))):
                self.signed_reasoning.append({"type": "redacted_reasoning", "data": data})
        elif is_accepted and signature:
            part = {"type": "reasoning", "reasoning": text, "signature": signature}
            self.signed_reasoning.append(part)
        elif text:
            self.reasoning.append(text)

    def add_stored_reasoning(self) -> None:
        """Add reasoning from ``additional_kwargs``; providers require it after tool calls."""
        kwargs = self.kwargs
        items = as_dicts(kwargs.get("reasoning_items"))
        has_signature = bool(items or kwargs.get("reasoning_signature"))
        if any(part["type"] == "reasoning" for part in self.signed_reasoning) or (
            self.reasoning and not has_signature
        ):
            return  # the content blocks contain the reasoning
        self.reasoning.clear()
        redacted = kwargs.get("redacted_reasoning") or []  # a str, a dict or a list of them
        for item in redacted if isinstance(redacted, list) else [redacted]:
            data = item.get("data") if isinstance(item, dict) else item
            self._add_reasoning({"type": "redacted_thinking", "data": data})
        text, signature = kwargs.get("reasoning_content"), kwargs.get("reasoning_signature")
        for item in items or [{"reasoning": text, "signature": signature}]:
            self._add_reasoning({**item, "type": "reasoning"})

    def convert_tool_calls(self) -> list[dict[str, Any]]:
        invalid = [block for block in self._call_blocks if block["type"] == "invalid_tool_call"]
        valid = [block for block in self._call_blocks if block not in invalid]
        calls = [_create_tool_call(call) for call in self._message.tool_calls or valid]
        ids = {call["id"] for call in calls}
        calls += [
            _create_tool_call(call)
            for call in self._message.invalid_tool_calls or invalid
            # No API accepts a call without a name, even if a provider sent it.
            if call.get("name") and call.get("id") not in ids
        ]
        signatures = as_dict(self.kwargs.get(THOUGHT_SIGNATURES_KWARG))
        for call in calls:
            if signature := signatures.get(call["id"]):
                call["extra_content"] = {"google": {"thought_signature": signature}}
        return calls

    def _accepts_signature(self, block_type: str) -> bool:
        """Return whether the provider and the API of the request accept signatures of the message.

        ``block_type`` is the type of the signed block, or empty for ``additional_kwargs``. Other
        LangChain models use the provider's own API. The router passes their signatures on in Chat
        Completions, but not in the Responses API. If the metadata does not identify the provider
        that created the message, its signatures are accepted, unless the type of the block
        identifies another provider.
        """
        provider, metadata = self._provider, self._message.response_metadata
        origin = as_str(metadata.get("model_provider"))
        if provider is None:
            return True
        if origin == PROVIDER:
            owner = metadata.get("upstream") or get_provider(as_str(metadata.get("model_name")))
            is_same_api = metadata.get("api", CHAT_COMPLETIONS) == self._api
            return is_same_api and owner == provider and owner != ""
        if block_type in ("", "reasoning") and not origin:
            return True
        if self._api != CHAT_COMPLETIONS:
            return False
        if not origin:
            return block_type == "thinking" or provider in _CLAUDE_PROVIDERS
        name = origin.partition("_")[0]  # such as ``google_genai``
        return provider.partition("-")[0] == _ROUTER_PROVIDERS.get(name, name)


def _create_tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a valid or an invalid call of a message, or a content block with a call."""
    name, call_id = call.get("name"), call.get("id")
    if not as_str(name) or not as_str(call_id):
        raise ValueError(
            f"A tool call needs a 'name', got {name!r}, and an 'id', got {call_id!r}. "
            "The tool_call_id of the tool message must be the same id."
        )
    arguments: Any = call.get("args", call.get("input"))
    if isinstance(arguments, str):
        arguments = strip_truncation_mark(arguments)
    else:
        arguments = json.replace_lone_surrogates(arguments or {})
        arguments = json.dumps(arguments, f"arguments of {name}", nan_as_null=True).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}

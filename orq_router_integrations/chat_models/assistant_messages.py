"""Earlier answers of a model as messages of a chat completion."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from orq_router_integrations.chat_models.content_parts import (
    Part,
    convert_block,
    convert_blocks,
    describe_parts,
    join_text_parts,
)
from orq_router_integrations.chat_models.tool_calls import strip_invalid_suffix
from orq_router_integrations.wire import json

Wire = dict[str, Any]

_CALLS = {
    "tool_call",
    "tool_call_chunk",
    "invalid_tool_call",
    "input_json_delta",
    "function_call",
    "function_call_signature",
    "custom_tool_call",
}
"""Blocks that say again what ``tool_calls`` says."""

_TRACES = {
    "server_tool_call",
    "server_tool_call_chunk",
    "server_tool_result",
    "server_tool_use",
    "mcp_tool_use",
    "executable_code",
    "code_execution_result",
    "web_search_call",
    "file_search_call",
    "code_interpreter_call",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "tool_search_call",
    "tool_search_output",
    "compaction",
    "container_upload",
    "guard_content",
    "reference",
}
"""What only a provider's own API takes back: traces of tools that it ran, and marks of its own."""

_TRACE = "_tool_result"
"""The end of the names of Anthropic's blocks for what came of such a tool."""

_CACHE_MARK = "cachePoint"
"""The one member of Bedrock's blocks that say what to cache."""

_MEDIA = {"image": "image", "image_url": "image", "audio": "audio"}
_DRAWING = "image_generation_call"


def convert_assistant_message(message: BaseMessage) -> Wire:
    """The message that an earlier answer becomes.

    Raises:
        ValueError: something in it cannot be sent.
    """
    kept, content = message.additional_kwargs, message.content
    calls = _calls(message)
    if isinstance(content, str) and not (calls or kept):  # as most are
        return {"role": "assistant", "content": content}
    said = _Said(drawn=bool(message.response_metadata.get("model_provider")))
    convert_blocks([content] if isinstance(content, str) and content else list(content), said.take)
    calls = calls or said.calls
    if calls:
        _recall(said, kept)
    wire: Wire = {"role": "assistant", "content": join_text_parts(said.parts) or None}
    if calls:
        wire["tool_calls"] = calls
        if said.thoughts:
            wire["reasoning_content"] = "".join(said.thoughts)
    if kept.get("refusal") and not any(made["type"] == "refusal" for made in said.parts):
        wire["refusal"] = kept["refusal"]
    if isinstance(audio := kept.get("audio"), Mapping) and audio.get("id"):
        wire["audio"] = {"id": audio["id"]}
    if wire["content"] is None and not calls:
        unseen = said.left_out | {"image" for _ in kept.get("images") or ()}
        wire["content"] = _note(unseen) if unseen and len(wire) == 2 else ""
    return wire


def replace_audio_with_transcript(message: AIMessage, *, accepts_audio_ids: bool) -> AIMessage:
    """A spoken answer as its transcript, where it is not found by its id.

    Args:
        message: an answer, which need not be a spoken one.
        accepts_audio_ids: whether the API finds speech by its id, if it has one.
    """
    audio = message.additional_kwargs.get("audio")
    if not isinstance(audio, Mapping) or (accepts_audio_ids and audio.get("id")):
        return message
    transcript, text = audio.get("transcript"), message.text
    words = transcript if isinstance(transcript, str) else ""
    kept = {name: value for name, value in message.additional_kwargs.items() if name != "audio"}
    update: dict[str, Any] = {"additional_kwargs": kept}
    if words not in text or not text:
        block = {"type": "text", "text": words or _note({"audio"})}
        content = message.content
        before = [content] if isinstance(content, str) and content else list(content)
        update["content"] = [*before, *(["\n"] if text else []), block]
    return message.model_copy(update=update)


def _note(kinds_of_it: set[str]) -> str:
    """What stands for an answer that cannot be sent back."""
    return f"[{' and '.join(sorted(kinds_of_it))} answer, not sent again]"


@dataclass(slots=True)
class _Said:
    """What the content of an assistant message holds, sorted: thoughts first, in their order.

    Attributes:
        drawn: whether images and audio in it are the model's own, which no API takes back.
        left_out: which of these there were.
    """

    drawn: bool = False
    parts: list[Part] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[Wire] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    _sealed: int = 0

    def take(self, block: Any) -> None:
        """Sort one block in.

        Raises:
            ValueError: it is of an unknown kind, or cannot be sent.
        """
        kind = block.get("type") if isinstance(block, Mapping) else None
        if not isinstance(kind, str):
            if not (isinstance(block, Mapping) and _CACHE_MARK in block):
                self.parts.append(_said_part(block))
        elif (self.drawn and kind in _MEDIA) or kind == _DRAWING:
            self.left_out.add(_MEDIA.get(kind, "image"))
        elif take := _TAKEN.get(kind):
            take(self, block)
        elif not (kind in _CALLS or kind in _TRACES or kind.endswith(_TRACE)):
            self.parts.append(_said_part(block))

    def called(self, block: Mapping[str, Any]) -> None:
        self.calls.append(_call(block.get("id"), block.get("name"), block.get("input") or {}))

    def thinking(self, block: Mapping[str, Any]) -> None:
        name = "thinking" if block["type"] == "thinking" else "reasoning"
        given = block.get(name)
        if isinstance(given, list):  # Mistral's
            pieces = (piece.get("text") for piece in given if isinstance(piece, Mapping))
            text = "".join(piece for piece in pieces if isinstance(piece, str))
        else:
            text = "" if given is None else _words(block, name)
        signature = block.get("signature") or (block.get("extras") or {}).get("signature")
        self.thought(text, signature)

    def bedrocks_thought(self, block: Mapping[str, Any]) -> None:
        inner = block.get("reasoning_content")
        if isinstance(inner, Mapping) and isinstance(text := inner.get("text"), str):
            self.thought(text, inner.get("signature"))

    def hidden_thought(self, block: Mapping[str, Any]) -> None:
        self._seal({"type": "redacted_reasoning", "data": _words(block, "data")})

    def spoken(self, block: Mapping[str, Any]) -> None:
        self.parts.append({"type": "text", "text": _words(block, "text")})

    def refused(self, block: Mapping[str, Any]) -> None:
        self.parts.append({"type": "refusal", "refusal": _words(block, "refusal")})

    def unwrapped(self, block: Mapping[str, Any]) -> None:
        """Take what langchain-core has no standard block for, as far as there is a place for it."""
        inner = block.get("value")
        kind = inner.get("type") if isinstance(inner, Mapping) else None
        if isinstance(kind, str) and kind in _WRAPPED:
            self.take(inner)

    def redacted(self, data: Any) -> None:
        """Reasoning that the provider shows to nobody; one piece, or several."""
        pieces = data if isinstance(data, list) else [data]
        texts = [piece.get("data") if isinstance(piece, dict) else piece for piece in pieces]
        self.parts[:0] = [
            {"type": "redacted_reasoning", "data": text} for text in texts if isinstance(text, str)
        ]

    def thought(self, text: str, signature: str | None) -> None:
        """Reasoning: sealed by the provider as a part, else as plain reasoning content."""
        if signature:
            self._seal({"type": "reasoning", "reasoning": text, "signature": signature})
        elif text:
            self.thoughts.append(text)

    def _seal(self, made: Part) -> None:
        self.parts.insert(self._sealed, made)
        self._sealed += 1


_TAKEN: dict[str, Callable[[_Said, Mapping[str, Any]], None]] = {
    "tool_use": _Said.called,
    "thinking": _Said.thinking,
    "reasoning": _Said.thinking,
    "reasoning_content": _Said.bedrocks_thought,
    "redacted_thinking": _Said.hidden_thought,
    "refusal": _Said.refused,
    "output_text": _Said.spoken,
    "non_standard": _Said.unwrapped,
}
_WRAPPED = {*_TAKEN, *_MEDIA, _DRAWING, "text"}


def _words(block: Mapping[str, Any], name: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise ValueError(f"a {block.get('type', 'reasoning')} block needs its {name} as text")
    return value


def _said_part(block: Any) -> Part:
    made = convert_block(block)
    if made["type"] != "text":
        raise ValueError(
            f"an assistant message cannot hold {describe_parts([made])} on this API; "
            "move it to a human message"
        )
    return {"type": "text", "text": made["text"]}


def _recall(said: _Said, kept: Mapping[str, Any]) -> None:
    """Add the reasoning that a message of ours keeps beside its content; tool turns need it."""
    if any(made["type"] == "reasoning" for made in said.parts):
        return
    items = kept.get("reasoning_items") or ()
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, Mapping) for item in items):
        raise ValueError("additional_kwargs.reasoning_items must be a list of dicts")
    if items or kept.get("reasoning_signature") or not said.thoughts:
        said.thoughts.clear()
        for item in items:
            said.thought(_words(item, "reasoning"), _words(item, "signature"))
        if not items:
            said.thought(_kept(kept, "reasoning_content"), _kept(kept, "reasoning_signature"))
        said.redacted(kept.get("redacted_reasoning"))


def _kept(kept: Mapping[str, Any], name: str) -> str:
    value = kept.get(name) or ""
    if not isinstance(value, str):
        raise ValueError(f"additional_kwargs.{name} must be text, not {type(value).__name__}")
    return value


def _calls(message: BaseMessage) -> list[Wire]:
    if not isinstance(message, AIMessage):
        return []
    signatures = message.additional_kwargs.get("thought_signatures") or {}
    if not isinstance(signatures, Mapping):
        raise ValueError("additional_kwargs.thought_signatures must be a dict of texts by call id")
    valid, invalid = message.tool_calls, message.invalid_tool_calls
    if not isinstance(message.content, str):
        valid, invalid = _in_blocks(message.content, valid, invalid)
    calls = [_call(call["id"], call["name"], call["args"]) for call in valid]
    calls += [
        _call(call["id"], call["name"], _as_it_came(call["args"]))
        for call in invalid
        if call["name"]  # one without a name, which no API takes, can only have come in a reply
    ]
    for call in calls:
        if signature := signatures.get(call["id"]):
            call["extra_content"] = {"google": {"thought_signature": signature}}
    return calls


def _as_it_came(arguments: Any) -> Any:
    return strip_invalid_suffix(arguments) if isinstance(arguments, str) else arguments or ""


def _in_blocks(content: list[Any], valid: list[Any], invalid: list[Any]) -> tuple[Any, Any]:
    """The calls of a message; those in its blocks too, where it was made of nothing else.

    langchain-core makes calls of ``content_blocks``, but no invalid ones, and none of ``content``.
    """
    valid = valid or _of_kind("tool_call", content)
    known = [call["id"] for call in valid]
    bad = (call for call in _of_kind("invalid_tool_call", content) if call["id"] not in known)
    return valid, invalid or [*bad]


def _of_kind(kind: str, content: list[Any]) -> list[dict[str, Any]]:
    blocks = (
        block for block in content if isinstance(block, Mapping) and block.get("type") == kind
    )
    return [
        {"id": block.get("id"), "name": block.get("name"), "args": block.get("args") or {}}
        for block in blocks
    ]


def _call(call_id: Any, name: Any, arguments: Any) -> Wire:
    if not isinstance(name, str) or not name:
        raise ValueError("a tool call has no name")
    if not isinstance(call_id, str) or not call_id:
        raise ValueError(f"the call of tool {name!r} has no id; its answer could not name it")
    where = f"arguments of {name}"
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, where).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}

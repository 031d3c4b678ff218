"""LangChain messages as the messages of a chat completion."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from orq_router_integrations.chat_models.blocks import PROVIDER
from orq_router_integrations.chat_models.content import Part, check_shape, check_sources, each, part
from orq_router_integrations.chat_models.seals import CHAT, unsealed
from orq_router_integrations.formats import checked_image
from orq_router_integrations.wire import json

Wire = dict[str, Any]
ToolMedia = Literal["user", "tool", "placeholder"]

_ROLES: dict[str, type[BaseMessage]] = {
    "user": HumanMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
    "assistant": AIMessage,
}
_SKIPPED = {"tool_call", "tool_call_chunk", "invalid_tool_call", "input_json_delta"}


def to_wire(
    messages: Sequence[BaseMessage],
    tool_media: ToolMedia = "user",
    upstream: str | None = None,
    api: str = CHAT,
) -> list[Wire]:
    """Convert a conversation for a model of this provider (``None``: for anyone, seals and all).

    A tool's answer holds only text in the router's schema. Its images, files and audio are put
    into a user message behind it (``tool_media="user"``), only mentioned (``"placeholder"``), or
    left where they are, for upstreams that take them there (``"tool"``).

    Raises:
        ValueError: there is no message, or one cannot be sent; its place is named.
    """
    if not messages:
        raise ValueError("messages: empty; send at least one")
    out: list[Wire] = []
    carried: list[Part] = []
    for index, message in enumerate(messages):
        if carried and not isinstance(message, ToolMessage):
            out.append({"role": "user", "content": carried})
            carried = []
        try:
            wire, media = _converted(_seen_by(upstream, api, message), tool_media)
        except ValueError as error:
            text = str(error)
            raise ValueError(f"messages[{index}]{'' if text[:1] == '.' else ': '}{text}") from None
        out.append(wire)
        carried += media if tool_media == "user" else []
    if carried:
        out.append({"role": "user", "content": carried})
    return out


def _seen_by(upstream: str | None, api: str, message: BaseMessage) -> BaseMessage:
    if upstream is None or not isinstance(message, AIMessage):
        return message
    return unsealed(message, upstream, api)


def _converted(message: BaseMessage, tool_media: ToolMedia) -> tuple[Wire, list[Part]]:
    if isinstance(message, ToolMessage):
        return _tool(message, in_place=tool_media == "tool")
    for kind, convert in _CONVERTERS.items():
        if isinstance(message, kind):
            return convert(message), []
    if isinstance(message, ChatMessage):
        return _with_role(message), []
    raise ValueError(
        f"a {type(message).__name__} cannot be sent; use a system, human, AI or tool message"
    )


def _with_role(message: ChatMessage) -> Wire:
    if message.role not in _ROLES:
        raise ValueError(f"unknown role {message.role!r}; known are {', '.join(_ROLES)}")
    wire = _CONVERTERS[_ROLES[message.role]](
        _ROLES[message.role](content=message.content, name=message.name)
    )
    return {**wire, "role": message.role}


def _named(wire: Wire, message: BaseMessage) -> Wire:
    return {**wire, "name": message.name} if message.name else wire


def _user(message: BaseMessage) -> Wire:
    content = message.content
    made = content if isinstance(content, str) else each(content, part)
    return _named({"role": "user", "content": made}, message)


def _system(message: BaseMessage) -> Wire:
    content = message.content
    made = content if isinstance(content, str) else each(content, _text_part)
    role = message.additional_kwargs.get("__openai_role__", "system")
    if role not in {"system", "developer"}:
        raise ValueError(f"unknown role {role!r}; a system message is system or developer")
    return _named({"role": role, "content": made}, message)


def _text_part(block: Any) -> Part:
    made = part(block)
    if made["type"] != "text":
        raise ValueError("a system message holds only text; move the rest to a human message")
    return made


def _tool(message: ToolMessage, *, in_place: bool) -> tuple[Wire, list[Part]]:
    if not message.tool_call_id:
        raise ValueError("a tool message needs the tool_call_id that it answers")
    wire: Wire = {"role": "tool", "tool_call_id": message.tool_call_id}
    if isinstance(message.content, str):
        return {**wire, "content": message.content}, []
    made = each(message.content, part)
    if in_place:
        return {**wire, "content": _joined(made)}, []
    texts = [item for item in made if item["type"] == "text"]
    carried = [item for item in made if item["type"] != "text"]
    if carried:
        note = f"[{len(carried)} attachment(s) of this tool result: {_kinds(carried)}]"
        texts.append({"type": "text", "text": note})
    return {**wire, "content": _joined(texts)}, carried


def _kinds(parts: list[Part]) -> str:
    names: dict[str, str] = {"image_url": "image", "input_audio": "audio"}
    kinds = (str(item["type"]) for item in parts)
    return ", ".join(names.get(kind, kind) for kind in kinds)


def _joined(parts: list[Part]) -> str | list[Part]:
    """Plain texts as one text, which every provider takes; parts only where they say more."""
    if all(item.keys() == {"type", "text"} for item in parts):
        return "".join(item["text"] for item in parts)
    return parts


@dataclass(slots=True)
class _Said:
    """What the content of an assistant message holds, sorted.

    Attributes:
        drawn: whether images and audio in it are the model's own, which no API takes back.
    """

    drawn: bool = False
    parts: list[Part] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[Wire] = field(default_factory=list)

    def take(self, block: Any) -> None:
        kind = block.get("type") if isinstance(block, Mapping) else None
        if kind in _SKIPPED or (self.drawn and kind in {"image", "audio"}):
            return
        if kind == "tool_use":
            arguments = block.get("input") or {}
            self.calls.append(_call(block.get("id"), block.get("name"), arguments))
        elif kind in {"thinking", "reasoning"}:
            self._think(block)
        elif kind == "redacted_thinking":
            self.parts.append({"type": "redacted_reasoning", "data": _words(block, "data")})
        elif kind == "refusal":
            self.parts.append({"type": "refusal", "refusal": _words(block, "refusal")})
        elif kind == "non_standard" and isinstance(inner := block.get("value"), Mapping):
            self.take(inner)
        else:
            self.parts.append(_said_part(block))

    def _think(self, block: Mapping[str, Any]) -> None:
        name = "thinking" if block["type"] == "thinking" else "reasoning"
        text = _words(block, name) if block.get(name) is not None else ""
        signature = block.get("signature") or (block.get("extras") or {}).get("signature")
        self.thought(text, signature)

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
            seal = {"type": "reasoning", "reasoning": text, "signature": signature}
            self.parts.insert(0, seal)
        elif text:
            self.thoughts.append(text)


def _words(block: Mapping[str, Any], name: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise ValueError(f"a {block.get('type', 'reasoning')} block needs its {name} as text")
    return value


def _said_part(block: Any) -> Part:
    made = part(block)
    if made["type"] != "text":
        raise ValueError(
            f"an assistant message cannot hold {_kinds([made])} on this API; "
            "move it to a human message"
        )
    return {"type": "text", "text": made["text"]}


def _assistant(message: BaseMessage) -> Wire:
    kept, content = message.additional_kwargs, message.content
    said = _Said(drawn=message.response_metadata.get("model_provider") == PROVIDER)
    each([content] if isinstance(content, str) and content else list(content), said.take)
    calls = _calls(message) or said.calls
    if calls:
        _recall(said, kept)
    wire: Wire = {"role": "assistant", "content": _joined(said.parts) or None}
    if calls:
        wire["tool_calls"] = calls
        if said.thoughts:
            wire["reasoning_content"] = "".join(said.thoughts)
    elif wire["content"] is None:
        wire["content"] = ""
    if kept.get("refusal") and not any(made["type"] == "refusal" for made in said.parts):
        wire["refusal"] = kept["refusal"]
    if isinstance(audio := kept.get("audio"), Mapping):
        if not audio.get("id"):
            raise ValueError("additional_kwargs.audio has no id by which it could be sent again")
        wire["audio"] = {"id": audio["id"]}
    return _named(wire, message)


def _recall(said: _Said, kept: Mapping[str, Any]) -> None:
    """Add the reasoning that a message of ours keeps beside its content; tool turns need it."""
    if any(made["type"] == "reasoning" for made in said.parts):
        return
    items = kept.get("reasoning_items") or ()
    if not isinstance(items, (list, tuple)) or not all(isinstance(item, Mapping) for item in items):
        raise ValueError("additional_kwargs.reasoning_items must be a list of dicts")
    if items or kept.get("reasoning_signature") or not said.thoughts:
        said.thoughts.clear()
        for item in reversed(items):
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
    calls = [_call(call["id"], call["name"], call["args"]) for call in message.tool_calls]
    calls += [
        _call(call["id"], call["name"], call["args"] or "") for call in message.invalid_tool_calls
    ]
    for call in calls:
        if signature := signatures.get(call["id"]):
            call["extra_content"] = {"google": {"thought_signature": signature}}
    return calls


def _call(call_id: Any, name: Any, arguments: Any) -> Wire:
    if not isinstance(name, str) or not name:
        raise ValueError("a tool call has no name")
    if not isinstance(call_id, str) or not call_id:
        raise ValueError(f"the call of tool {name!r} has no id; its answer could not name it")
    where = f"arguments of {name}"
    text = arguments if isinstance(arguments, str) else json.dump(arguments, where).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def examined(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Messages that langchain-core can trace: its tracing stumbles over what we can read.

    Images without a media type get theirs from their bytes; parts that it would refuse, or half
    drop, before they reach us are refused here, with their place.

    Raises:
        ValueError: a part has no source, or several.
    """
    return [
        _examined(message, index) if isinstance(message.content, list) else message
        for index, message in enumerate(messages)
    ]


def _examined(message: BaseMessage, index: int) -> BaseMessage:
    try:
        content = each(list(message.content), _traceable)
    except ValueError as error:
        raise ValueError(f"messages[{index}]{error}") from None
    if all(new is old for new, old in zip(content, message.content, strict=True)):
        return message
    return message.model_copy(update={"content": content})


def _traceable(block: Any) -> Any:
    if isinstance(block, Mapping):
        check_shape(block)
    match block:
        case {"type": "image", "base64": data} | {
            "type": "image",
            "source_type": "base64",
            "data": data,
        } if not block.get("mime_type"):
            return {**block, "mime_type": checked_image(data)[0]}
        case {"type": "input_audio", "input_audio": {"data": data}} if not data:
            raise ValueError("its data is empty")
        case {"type": "file", "file": {} as file}:
            check_sources(file)
    return block


_CONVERTERS: dict[type[BaseMessage], Callable[[BaseMessage], Wire]] = {
    HumanMessage: _user,
    AIMessage: _assistant,
    SystemMessage: _system,
}

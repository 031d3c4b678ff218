"""LangChain messages as the messages of a chat completion."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from orq_router_integrations.chat_models.assistant_messages import (
    convert_assistant_message,
    replace_audio_with_transcript,
)
from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, RESPONSES, ToolMedia
from orq_router_integrations.chat_models.content_parts import (
    Part,
    convert_block,
    convert_blocks,
    describe_parts,
    join_text_parts,
    validate_api_support,
    validate_block_shape,
    validate_content,
    validate_file_sources,
)
from orq_router_integrations.chat_models.reasoning_signatures import strip_foreign_signatures
from orq_router_integrations.media.mime import validate_image

Wire = dict[str, Any]

_ROLES: dict[str, type[BaseMessage]] = {
    "user": HumanMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
    "assistant": AIMessage,
}


def convert_messages(
    messages: Sequence[BaseMessage],
    tool_media: ToolMedia = "user",
    upstream: str | None = None,
    api: str = CHAT_COMPLETIONS,
) -> list[Wire]:
    """Convert a conversation for a model of this provider (``None``: for anyone, seals and all).

    A tool's answer holds only text in the router's schema; each of its texts begins a line. Its
    images, files and audio are put into a user message behind it (``tool_media="user"``), only
    mentioned (``"placeholder"``), or left where they are, for upstreams that take them there
    (``"tool"``).

    Images and speech of the model's own, which no API takes back, are left out of its turns. One
    that would be empty without them says what it was. Chat Completions finds speech again by its
    id; without one, and on the Responses API, its transcript is sent.

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
            validate_api_support(api, wire["content"], media)
        except ValueError as error:
            text = str(error)
            raise ValueError(f"messages[{index}]{'' if text[:1] == '.' else ': '}{text}") from None
        out.append(wire)
        carried += media if tool_media == "user" else []
    if carried:
        out.append({"role": "user", "content": carried})
    return out


def _seen_by(upstream: str | None, api: str, message: BaseMessage) -> BaseMessage:
    validate_content(message.content)
    plain = isinstance(message.content, str) and not message.additional_kwargs
    if plain or not isinstance(message, AIMessage):
        return message
    heard = replace_audio_with_transcript(message, accepts_audio_ids=api != RESPONSES)
    return heard if upstream is None else strip_foreign_signatures(heard, upstream, api)


def _converted(message: BaseMessage, tool_media: ToolMedia) -> tuple[Wire, list[Part]]:
    if isinstance(message, ToolMessage):
        return _tool(message, in_place=tool_media == "tool")
    for kind, convert in _CONVERTERS.items():
        if isinstance(message, kind):
            return _named(convert(message), message), []
    if isinstance(message, ChatMessage):
        return _with_role(message), []
    raise ValueError(
        f"a {type(message).__name__} cannot be sent; use a system, human, AI or tool message"
    )


def _with_role(message: ChatMessage) -> Wire:
    if message.role not in _ROLES:
        raise ValueError(f"unknown role {message.role!r}; known are {', '.join(_ROLES)}")
    wire = _CONVERTERS[_ROLES[message.role]](_ROLES[message.role](content=message.content))
    return _named({**wire, "role": message.role}, message)


def _named(wire: Wire, message: BaseMessage) -> Wire:
    return {**wire, "name": message.name} if message.name else wire


def _user(message: BaseMessage) -> Wire:
    content = message.content
    made = content if isinstance(content, str) else convert_blocks(content, convert_block)
    return {"role": "user", "content": made}


def _system(message: BaseMessage) -> Wire:
    content = message.content
    made = content if isinstance(content, str) else convert_blocks(content, _text_part)
    role = message.additional_kwargs.get("__openai_role__", "system")
    if role not in {"system", "developer"}:
        raise ValueError(f"unknown role {role!r}; a system message is system or developer")
    return {"role": role, "content": made}


def _text_part(block: Any) -> Part:
    made = convert_block(block)
    if made["type"] != "text":
        raise ValueError("a system message holds only text; move the rest to a human message")
    return made


def _tool(message: ToolMessage, *, in_place: bool) -> tuple[Wire, list[Part]]:
    if not message.tool_call_id:
        raise ValueError("a tool message needs the tool_call_id that it answers")
    wire: Wire = {"role": "tool", "tool_call_id": message.tool_call_id}
    if isinstance(message.content, str):
        return {**wire, "content": message.content}, []
    made = convert_blocks(message.content, convert_block)
    if in_place:
        return {**wire, "content": join_text_parts(made, "\n")}, []
    texts = [item for item in made if item["type"] == "text"]
    carried = [item for item in made if item["type"] != "text"]
    if carried:
        note = f"[{len(carried)} attachment(s) of this tool result: {describe_parts(carried)}]"
        texts.append({"type": "text", "text": f"\n{note}" if texts else note})
    return {**wire, "content": join_text_parts(texts, "\n")}, carried


def normalize_for_tracing(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
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
        content = convert_blocks(list(message.content), _traceable)
    except ValueError as error:
        raise ValueError(f"messages[{index}]{error}") from None
    if all(new is old for new, old in zip(content, message.content, strict=True)):
        return message
    return message.model_copy(update={"content": content})


def _traceable(block: Any) -> Any:
    if isinstance(block, Mapping):
        validate_block_shape(block)
    match block:
        case {"type": "image", "base64": data} | {
            "type": "image",
            "source_type": "base64",
            "data": data,
        } if not block.get("mime_type"):
            return {**block, "mime_type": validate_image(data)[0]}
        case {"type": "input_audio", "input_audio": {"data": data}} if not data:
            raise ValueError("its data is empty")
        case {"type": "file", "file": {} as file}:
            validate_file_sources(file)
    return block


_CONVERTERS: dict[type[BaseMessage], Callable[[BaseMessage], Wire]] = {
    HumanMessage: _user,
    AIMessage: convert_assistant_message,
    SystemMessage: _system,
}

"""Convert LangChain messages to the messages of Chat Completions."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
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
    MediaSource,
    Part,
    check_file_sources,
    check_source_keys,
    convert_block,
    convert_blocks,
    describe_parts,
)
from orq_router_integrations.chat_models.reasoning_signatures import strip_foreign_signatures
from orq_router_integrations.chat_models.tool_calls import parse_tool_calls
from orq_router_integrations.chat_models.tool_messages import (
    convert_or_dump,
    convert_tool_message,
)
from orq_router_integrations.media import mime
from orq_router_integrations.wire.json import replace_lone_surrogates
from orq_router_integrations.wire.reasoning import ITEM_KWARGS

_ROLES: dict[str, type[BaseMessage]] = {
    "user": HumanMessage,
    "system": SystemMessage,
    "developer": SystemMessage,
    "assistant": AIMessage,
}


def convert_messages(
    messages: Sequence[BaseMessage],
    tool_media: ToolMedia = "user",
    provider: str | None = None,
    api: str = CHAT_COMPLETIONS,
) -> list[dict[str, Any]]:
    """Convert a conversation to the messages of a request.

    The router only accepts text in tool messages. ``tool_media`` decides what happens to images,
    files and audio in a tool result: they are moved to a user message after it (``"user"``),
    replaced by a placeholder (``"placeholder"``), or left in the tool message for providers that
    accept them (``"tool"``).

    Reasoning signatures of providers other than ``provider`` are removed. If it is empty, because
    several providers may receive the request, all signatures are removed; ``None`` keeps them.
    """
    if not messages:
        raise ValueError("messages: Expected at least one message, got none.")
    payloads: list[dict[str, Any]] = []
    attachments: list[Part] = []
    for index, message in enumerate(_replace_function_calls(messages)):
        if attachments and not isinstance(message, ToolMessage):
            payloads.append({"role": "user", "content": attachments})
            attachments = []
        try:
            payload, tool_attachments = _convert_message(message, tool_media, provider, api)
        except ValueError as error:
            raise _add_index(error, index) from None
        payloads.append(payload)
        if tool_media == "user":
            attachments += tool_attachments
    if attachments:
        payloads.append({"role": "user", "content": attachments})
    return payloads


def _replace_function_calls(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Replace ``function_call`` and function messages, which preceded tool calls in OpenAI's API.

    The ids of the calls only depend on their position, so that a conversation is always sent the
    same way, which prompt caches require.
    """
    replaced: list[BaseMessage] = []
    open_calls: dict[str, str] = {}  # ids by function name
    for index, message in enumerate(messages):
        if isinstance(message, AIMessage) and (call := _get_function_call(message)):
            call_id = open_calls[str(call.get("name"))] = f"call_{index}"
            calls = parse_tool_calls([{"id": call_id, "function": call}])
            update = {"tool_calls": calls.valid, "invalid_tool_calls": calls.invalid}
            replaced.append(message.model_copy(update=update))
        elif isinstance(message, FunctionMessage):
            call_id = open_calls.pop(message.name, "")
            if not call_id:
                raise ValueError(
                    f"messages[{index}]: A FunctionMessage cannot be sent without a call of "
                    f"{message.name!r} before it. Use a ToolMessage with a tool_call_id."
                )
            replaced.append(ToolMessage(content=message.content, tool_call_id=call_id))
        else:
            replaced.append(message)
    return replaced


def _get_function_call(message: AIMessage) -> dict[str, Any] | None:
    call = message.additional_kwargs.get("function_call")
    if message.tool_calls or message.invalid_tool_calls or not isinstance(call, dict):
        return None
    return call


def _add_index(error: ValueError, index: int) -> ValueError:
    text = str(error)
    separator = "" if text.startswith(".") else ": "  # such as ".content[0]: ..."
    return ValueError(f"messages[{index}]{separator}{text}")


def _convert_message(
    message: BaseMessage, tool_media: ToolMedia, provider: str | None, api: str
) -> tuple[dict[str, Any], list[Part]]:
    """Return the payload of a message, and the media of a tool result."""
    content: object = message.content
    attachments: list[Part] = []
    if isinstance(message, ToolMessage):
        payload, attachments = convert_tool_message(message, keep_media=tool_media == "tool")
    elif not isinstance(content, (str, list, tuple)):  # the message was not validated
        type_name = type(content).__name__
        raise ValueError(f".content: Expected a str or a list, got {type_name}.")
    elif isinstance(message, AIMessage) and not (
        isinstance(content, str) and not message.additional_kwargs
    ):
        payload = _convert_chat_message(_prepare_for_provider(message, provider, api))
    else:
        payload = _convert_chat_message(message)
    if not isinstance(payload["content"], str) or attachments:
        _check_api_support(api, payload["content"], attachments)
    return payload, attachments


_REQUIRED_APIS = {
    "mcp_approval_response": (
        RESPONSES,
        "Chat Completions does not accept MCP approvals. Use api='responses'.",
    ),
    "input_audio": (
        CHAT_COMPLETIONS,
        "The Responses API does not accept audio. Use api='chat_completions'.",
    ),
    "image_file": (
        RESPONSES,
        (
            "Chat Completions does not accept an image by file_id. Pass its URL or its data, or "
            "use api='responses'."
        ),
    ),
}
"""The API that a type of part requires, and the error for the other API."""


def _check_api_support(api: str, *contents: Any) -> None:
    for content in contents:
        for index, part in enumerate(content if isinstance(content, list) else ()):
            required_api, error = _REQUIRED_APIS.get(part["type"], (api, ""))
            if required_api != api:
                raise ValueError(f".content[{index}]: {error}")


def _prepare_for_provider(message: AIMessage, provider: str | None, api: str) -> AIMessage:
    message = replace_audio_with_transcript(message, accepts_audio_ids=api != RESPONSES)
    if api != RESPONSES and not message.additional_kwargs.keys().isdisjoint(ITEM_KWARGS):
        kwargs = {k: v for k, v in message.additional_kwargs.items() if k not in ITEM_KWARGS}
        message = message.model_copy(update={"additional_kwargs": kwargs})
    return message if provider is None else strip_foreign_signatures(message, provider, api)


def _convert_chat_message(message: BaseMessage) -> dict[str, Any]:
    content = message.content
    match message:
        case HumanMessage():
            payload = {"role": "user", "content": _convert_content(content, convert_block)}
        case AIMessage():
            payload = replace_lone_surrogates(convert_assistant_message(message))
        case SystemMessage():
            content = _convert_content(content, _convert_text_block)
            payload = {"role": _get_system_role(message), "content": content}
        case ChatMessage(role=role) if role in _ROLES:
            payload = {**_convert_chat_message(_ROLES[role](content=content)), "role": role}
        case ChatMessage(role=role):
            raise ValueError(f"Unknown role {role!r}. Use one of {', '.join(_ROLES)}.")
        case _:
            type_name = type(message).__name__
            raise ValueError(
                f"A {type_name} cannot be sent. Use a system, human, AI or tool message."
            )
    return {**payload, "name": message.name} if message.name else payload


def _convert_content(content: Any, convert: Callable[[Any], Part]) -> Any:
    return content if isinstance(content, str) else convert_blocks(content, convert)


def _get_system_role(message: SystemMessage) -> str:
    role: str = message.additional_kwargs.get("__openai_role__", "system")  # set by langchain-core
    if role not in {"system", "developer"}:
        raise ValueError(f"Unknown role {role!r} of a system message. Use system or developer.")
    return role


def _convert_text_block(block: Any) -> Part:
    part = convert_block(block)
    if part["type"] != "text":
        raise ValueError(
            f"A system message cannot contain {describe_parts([part])}. Move it to a human message."
        )
    return part


def normalize_for_tracing(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return messages that langchain-core can trace.

    langchain-core traces messages before this package converts them. It requires the MIME type of
    images, which is detected here, and it crashes on incomplete blocks or silently drops part of
    them, so they raise here.
    """
    return [
        _normalize_message(message, index) if isinstance(message.content, list) else message
        for index, message in enumerate(messages)
    ]


def _normalize_message(message: BaseMessage, index: int) -> BaseMessage:
    normalize: Callable[[Any], Any] = _normalize_block
    if isinstance(message, ToolMessage):
        normalize = partial(convert_or_dump, convert=_normalize_block)
    try:
        content = convert_blocks(list(message.content), normalize)
    except ValueError as error:
        raise _add_index(error, index) from None
    if all(new is old for new, old in zip(content, message.content, strict=True)):
        return message
    return message.model_copy(update={"content": content})


def _normalize_block(block: Any) -> Any:
    if isinstance(block, Mapping):
        check_source_keys(block)
    match block:
        case {"type": "image", "base64": _} | {"type": "image", "source_type": "base64"} if (
            not block.get("mime_type")
        ):
            data = MediaSource.from_block(block).require_data()
            return {**block, "mime_type": mime.validate_image(data)[0]}
        case {"type": "input_audio", "input_audio": {"data": data}} if not data:
            raise ValueError("'input_audio.data' is empty. Set it to base64 text.")
        case {"type": "file", "file": {} as file}:
            check_file_sources(file)
    return block

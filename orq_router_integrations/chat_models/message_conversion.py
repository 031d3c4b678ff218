"""Convert LangChain messages to the messages of Chat Completions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, groupby
from typing import Any

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)

from orq_router_integrations.chat_models import content_parts
from orq_router_integrations.chat_models.assistant_messages import convert_assistant_message
from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, ToolMedia
from orq_router_integrations.chat_models.tool_calls import ToolCalls
from orq_router_integrations.media import mime
from orq_router_integrations.wire.json import as_dict, replace_lone_surrogates

_CHAT_ROLES = ("user", "system", "developer", "assistant")  # roles that a ``ChatMessage`` may have
_ROLE_KWARG = "__openai_role__"  # where LangChain stores the role ``developer``

_TRACED_TYPES = {"image", "audio", "input_audio", "file"}
_TRACED_FIELDS = {"base64", "source_type", "input_audio", "file"}
"""Types of blocks that langchain-core reads for traces if they have one of these fields."""


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
    accept them (``"tool"``). For ``provider``, see ``convert_assistant_message``.
    """
    if not messages:
        raise ValueError("messages: Expected at least one message, got none.")

    def convert(message: BaseMessage) -> tuple[dict[str, Any], list[content_parts.Part]]:
        if isinstance(message, ToolMessage):
            return _convert_tool_message(message, tool_media, api)
        return _convert_chat_message(message, provider, api), []

    converted = content_parts.convert_items(_replace_function_calls(messages), convert, "messages")
    payloads: list[dict[str, Any]] = []
    for _, group in groupby(converted, key=lambda pair: pair[0]["role"] == "tool"):
        group_payloads, attachments = zip(*group, strict=True)
        payloads += group_payloads
        if parts := list(chain.from_iterable(attachments)):
            payloads.append({"role": "user", "content": parts})
    return payloads


def _replace_function_calls(messages: Sequence[BaseMessage]) -> Iterator[BaseMessage]:
    """Replace ``function_call`` and function messages, which preceded tool calls in OpenAI's API.

    The ids of the calls only depend on their position, so that a conversation is always sent in the
    same form, as prompt caches require.
    """
    open_calls: dict[str, str] = {}  # ids by function name
    for index, message in enumerate(messages):
        call = as_dict(message.additional_kwargs.get("function_call"))
        if isinstance(message, FunctionMessage) and message.name in open_calls:
            call_id = open_calls.pop(message.name)
            yield ToolMessage(content=message.content, tool_call_id=call_id)
        elif (
            call
            and isinstance(message, AIMessage)
            and not (message.tool_calls or message.invalid_tool_calls)
        ):
            call_id = open_calls[str(call.get("name"))] = f"call_{index}"
            valid, invalid = ToolCalls([{"id": call_id, "function": call}]).parse()
            update = {"tool_calls": valid, "invalid_tool_calls": invalid}
            yield message.model_copy(update=update)
        else:
            yield message


def _convert_chat_message(message: BaseMessage, provider: str | None, api: str) -> dict[str, Any]:
    if isinstance(message, ChatMessage):
        if message.role not in _CHAT_ROLES:
            roles = ", ".join(_CHAT_ROLES)
            raise ValueError(f"Unknown role {message.role!r}. Use one of {roles}.")
        fields = {"role": message.role, "content": message.content, "name": message.name}
        (message,) = convert_to_messages([fields])
    content: Any = message.content
    if not isinstance(content, (str, list, tuple)):  # the message was not validated
        raise ValueError(f".content: Expected a str or a list, got {type(content).__name__}.")
    match message:
        case HumanMessage():
            convert = partial(content_parts.convert_block, api=api)
            payload = {"role": "user", "content": content_parts.convert_blocks(content, convert)}
        case AIMessage():
            payload = replace_lone_surrogates(convert_assistant_message(message, provider, api))
        case SystemMessage():
            convert = partial(content_parts.convert_text_block, container="A system message")
            role = message.additional_kwargs.get(_ROLE_KWARG, "system")
            payload = {"role": role, "content": content_parts.convert_blocks(content, convert)}
        case _:
            type_name = type(message).__name__
            raise ValueError(
                f"A {type_name} cannot be sent. Use a system, human, AI or tool message."
            )
    return {**payload, "name": message.name} if message.name else payload


# Tool results come from third parties, such as MCP servers, and cannot be corrected by the caller.
# So results that are neither text nor media are sent as JSON; media types are read from the data.


def _convert_tool_message(
    message: ToolMessage, tool_media: ToolMedia, api: str
) -> tuple[dict[str, Any], list[content_parts.Part]]:
    """Return the payload of a tool result, and the media to send in a user message."""
    if not message.tool_call_id:
        raise ValueError("A tool message has no tool_call_id. Set it to the id of the tool call.")
    payload: dict[str, Any] = {"role": "tool", "tool_call_id": message.tool_call_id}
    content: Any = replace_lone_surrogates(message.content)
    blocks: list[Any] = []
    for block in content if isinstance(content, list) else [content]:
        is_wrapper = as_dict(block).get("type") == "custom_tool_call_output"
        unwrapped = (block.get("output") or "") if is_wrapper else block
        blocks += unwrapped if isinstance(unwrapped, list) else [unwrapped]
    convert = partial(content_parts.convert_block, api=api, is_third_party=True)
    parts = content_parts.convert_blocks(blocks, partial(_convert_or_dump, convert=convert))
    if tool_media == "tool":
        return {**payload, "content": content_parts.join_text_parts(parts, "\n")}, []
    texts = [part for part in parts if part["type"] == "text"]
    attachments = [part for part in parts if part["type"] != "text"]
    if attachments:
        types = content_parts.describe_parts(attachments)
        placeholder = f"[{len(attachments)} attachment(s) of this tool result: {types}]"
        texts.append({"type": "text", "text": f"\n{placeholder}" if texts else placeholder})
    payload["content"] = content_parts.join_text_parts(texts, "\n")
    return payload, attachments if tool_media == "user" else []


def _convert_or_dump(block: Any, convert: Callable[[Any], Any]) -> Any:
    """Convert a block; if that fails, return its JSON as text, unless it contains media data."""
    try:
        return convert(block)
    except ValueError:
        if _has_media_data(block):  # which would be useless as text
            raise
        return content_parts.create_json_block(block)


def _has_media_data(block: Any) -> bool:
    if not isinstance(block, Mapping) or block.get("type") not in content_parts.MEDIA_TYPES:
        return False
    nested = [value for value in block.values() if isinstance(value, Mapping)]
    return any(
        (value and name in content_parts.DATA_FIELDS) or mime.is_data_url(value)
        for fields in (block, *nested)
        for name, value in fields.items()
    )


def normalize_for_tracing(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Return messages that langchain-core can trace.

    langchain-core traces messages before this package converts them. It requires the MIME type of
    images, which is detected here, and it crashes on incomplete blocks or silently drops part of
    them, so they raise here.
    """
    return content_parts.convert_items(messages, _normalize_message, "messages")


def _normalize_message(message: BaseMessage) -> BaseMessage:
    if not isinstance(message.content, list):
        return message
    normalize: Callable[[Any], Any] = _normalize_block
    if isinstance(message, ToolMessage):
        normalize = partial(_convert_or_dump, convert=_normalize_block)
    content = content_parts.convert_blocks(message.content, normalize)
    is_same = content == message.content
    return message if is_same else message.model_copy(update={"content": content})


def _normalize_block(block: Any) -> Any:
    if not isinstance(block, Mapping):
        return block
    block_type = block.get("type")
    if not isinstance(block_type, str | None):
        raise ValueError(f"Expected a str in 'type', got {type(block_type).__name__}.")
    if block_type in _TRACED_TYPES and not _TRACED_FIELDS.isdisjoint(block):
        source = content_parts.read_source(block)
        if block_type == "image" and source["base64"] and not block.get("mime_type"):
            return {**block, "mime_type": mime.validate_media("image", source["base64"])[0]}
    return block

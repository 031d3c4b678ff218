"""Convert tool results to tool messages.

Tool results come from third parties, such as MCP servers, and cannot be corrected by the caller. So
a result that is neither text nor media is sent as JSON, and the data of media decides its type.
"""

import json as stdlib_json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from langchain_core.messages import ToolMessage

from orq_router_integrations.chat_models.content_parts import (
    MEDIA_TYPES,
    Part,
    convert_block,
    convert_blocks,
    describe_parts,
    join_text_parts,
)
from orq_router_integrations.media.mime import is_data_url
from orq_router_integrations.wire import json

_DATA_KEYS = {"base64", "data", "file_data"}  # keys with the content of media


def convert_tool_message(
    message: ToolMessage, *, keep_media: bool
) -> tuple[dict[str, Any], list[Part]]:
    """Return the payload of a tool result, and the media to send in a user message."""
    if not message.tool_call_id:
        raise ValueError("A tool message has no tool_call_id. Set it to the id of the tool call.")
    payload: dict[str, Any] = {"role": "tool", "tool_call_id": message.tool_call_id}
    content: Any = message.content
    content = json.replace_lone_surrogates(content)
    if isinstance(content, str):
        return {**payload, "content": content}, []
    blocks = content if isinstance(content, list) else [content]
    convert = partial(convert_or_dump, convert=partial(convert_block, is_third_party=True))
    parts = convert_blocks(list(_iter_blocks(blocks)), convert)
    if keep_media:
        return {**payload, "content": join_text_parts(parts, "\n")}, []
    texts = [part for part in parts if part["type"] == "text"]
    attachments = [part for part in parts if part["type"] != "text"]
    if attachments:
        types = describe_parts(attachments)
        placeholder = f"[{len(attachments)} attachment(s) of this tool result: {types}]"
        texts.append({"type": "text", "text": f"\n{placeholder}" if texts else placeholder})
    return {**payload, "content": join_text_parts(texts, "\n")}, attachments


def _iter_blocks(blocks: list[Any]) -> Iterator[Any]:
    """Yield the blocks of a tool result, and the output of ``custom_tool_call_output`` blocks."""
    for block in blocks:
        if isinstance(block, Mapping) and block.get("type") == "custom_tool_call_output":
            output = block.get("output")
            yield from output if isinstance(output, list) else [output or ""]
        else:
            yield block


def convert_or_dump(block: Any, convert: Callable[[Any], Any]) -> Any:
    """Convert a block; if that fails, return its JSON as text, unless it contains media data."""
    try:
        return convert(block)
    except ValueError:
        if _has_media_data(block):
            raise
        return create_json_block(block)


def create_json_block(block: Any) -> Part:
    """Create a text block with the JSON of a value of any type."""
    try:
        text = json.dumps(block, nan_as_null=True).decode()
    except ValueError:
        text = stdlib_json.dumps(block, default=str)
    return {"type": "text", "text": text}


def _has_media_data(block: Any) -> bool:
    """Return whether a block contains media data, which would be useless as text."""
    if not isinstance(block, Mapping) or block.get("type") not in MEDIA_TYPES:
        return False
    fields = list(block.items())
    for value in block.values():
        fields += value.items() if isinstance(value, Mapping) else ()
    return any(
        (value and name in _DATA_KEYS)
        or isinstance(value, (bytes, bytearray))
        or is_data_url(value)
        for name, value in fields
    )

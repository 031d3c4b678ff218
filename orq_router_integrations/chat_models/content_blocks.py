"""Translate the router's answers to LangChain's standard content blocks.

langchain-core calls this translator for ``message.content_blocks``. Messages have their text in
``content`` and everything else in ``additional_kwargs``, because streamed strings merge without
loss. The order of the blocks is: reasoning, text with its citations, server-side tools, images,
audio, refusal, tool calls.
"""

import base64
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk, content
from langchain_core.messages.content import ContentBlock

from orq_router_integrations.chat_models.response_metadata import get_refusal
from orq_router_integrations.chat_models.tool_calls import create_invalid_call
from orq_router_integrations.media.mime import detect_mime_type, is_data_url, parse_data_url
from orq_router_integrations.wire.json import as_dict, as_dicts, as_str
from orq_router_integrations.wire.reasoning import REASONING_FIELDS, THOUGHT_SIGNATURES_KWARG

Block = dict[str, Any]


def translate_content(message: AIMessage) -> list[ContentBlock]:
    """Create the content blocks of a complete message, or of a chunk."""
    if isinstance(message, AIMessageChunk):
        # The last chunk itself has no ids, unlike the sum of all chunks.
        has_call_ids = any(call["id"] for call in message.tool_call_chunks)
        if message.chunk_position != "last" or not has_call_ids:
            return _translate_chunk(message)
    blocks = list(_iter_content(message))
    signatures = message.additional_kwargs.get(THOUGHT_SIGNATURES_KWARG) or {}
    for call in message.tool_calls:
        block: Block = {"type": "tool_call", **{k: call[k] for k in ("id", "name", "args")}}
        if signature := signatures.get(call["id"]):
            block["extras"] = {"thought_signature": signature}
        blocks.append(block)
    blocks += [
        dict(create_invalid_call(call["name"], call["args"] or "", call["id"]))
        for call in message.invalid_tool_calls
    ]
    return cast("list[ContentBlock]", blocks)


def _translate_chunk(chunk: AIMessageChunk) -> list[ContentBlock]:
    """Create the content blocks of a chunk, with the indices by which they are merged.

    The indices are strings because langchain-core would merge a text block and a tool call that
    have the same integer index.
    """
    blocks = [
        {**block, "index": f"lc_orq_{block['type']}{number or ''}"}
        for number, block in enumerate_by_type(_iter_content(chunk))
    ]
    blocks += [
        {**call, "type": "tool_call_chunk", "index": f"lc_orq_call_{call['index']}"}
        for call in chunk.tool_call_chunks
    ]
    return cast("list[ContentBlock]", blocks)


def enumerate_by_type(blocks: Iterable[Block]) -> Iterator[tuple[int, Block]]:
    """Yield blocks with their position among the blocks of their type, starting at 0."""
    counts: Counter[str] = Counter()
    for block in blocks:
        yield counts[block["type"]], block
        counts[block["type"]] += 1


def _iter_content(message: AIMessage) -> Iterator[Block]:
    """Yield all blocks except tool calls."""
    if not isinstance(message.content, str):
        raise NotImplementedError  # langchain-core then reads the blocks in content itself
    kwargs = message.additional_kwargs
    reasoning = {
        field.block_key: kwargs[field.kwarg]
        for field in REASONING_FIELDS
        if field.block_key and kwargs.get(field.kwarg)
    }
    if reasoning:
        block: Block = {"type": "reasoning", "reasoning": reasoning.pop("reasoning", "")}
        yield {**block, "extras": reasoning} if reasoning else block
    if message.content or kwargs.get("annotations"):
        text: Block = {"type": "text", "text": message.content}
        citations = [_create_citation(item) for item in kwargs.get("annotations") or ()]
        yield {**text, "annotations": citations} if citations else text
    for item in as_dicts(kwargs.get("output_items")):
        yield from _iter_server_tool(item)
    yield from map(_create_image, kwargs.get("images") or ())
    if audio := kwargs.get("audio"):
        yield _create_audio(audio)
    if (refusal := get_refusal(message)) is not None:
        block = {"type": "refusal", "refusal": refusal}
        has_type = hasattr(content, "RefusalContentBlock")  # in langchain-core since 1.7.5
        yield block if has_type else {"type": "non_standard", "value": block}


def _create_citation(annotation: Any) -> Block:
    """Create a standard citation of a URL; wrap any other annotation."""
    if as_dict(annotation).get("type") != "url_citation":
        fields = annotation if isinstance(annotation, dict) else {"value": annotation}
        return {"type": "non_standard_annotation", "value": fields}
    citation = as_dict(annotation.get("url_citation")) or annotation
    names = ("url", "title", "start_index", "end_index")
    values = {name: citation[name] for name in names if citation.get(name) is not None}
    return {"type": "citation", **values}


_SERVER_TOOLS = {
    "web_search_call", "file_search_call", "code_interpreter_call", "mcp_call", "mcp_list_tools",
    "tool_search_call",
}  # fmt: skip
_OUTPUT_FIELDS = ("results", "outputs", "output", "tools", "error")
_NOT_ARGUMENTS = {"type", "id", "status", "call_id", *_OUTPUT_FIELDS}


def _iter_server_tool(item: Block) -> Iterator[Block]:
    """Yield the call and the result of a server-side tool; wrap any other item."""
    item_type, item_id = as_str(item.get("type")), as_str(item.get("id"))
    if item_type not in _SERVER_TOOLS:
        yield {"type": "non_standard", "value": item}
        return
    args = {k: v for k, v in item.items() if k not in _NOT_ARGUMENTS and v is not None}
    args |= as_dict(args.pop("action", None))
    name = item_type.removesuffix("_call")
    yield {"type": "server_tool_call", "id": item_id, "name": name, "args": args}
    if item.get("status") in {"in_progress", "searching", "interpreting", "incomplete"}:
        return
    status = "error" if item.get("error") or item.get("status") == "failed" else "success"
    result: Block = {"type": "server_tool_result", "tool_call_id": item_id, "status": status}
    values = [item[field] for field in _OUTPUT_FIELDS if item.get(field)]
    yield {**result, "output": values[-1]} if values else result


def _create_image(image: Any) -> Block:
    """Create an image block from a URL, a data URL or base64 text."""
    source = as_dict(image).get("image_url", image)
    data = as_dict(source).get("b64_json")
    if isinstance(data, str) and not is_data_url(data):
        return {"type": "image", "base64": data, "mime_type": detect_base64_type(data, "image/png")}
    url = str(data or as_dict(source).get("url", source))
    try:
        mime_type, data = parse_data_url(url)
    except ValueError:
        return {"type": "image", "url": url}
    return {"type": "image", "base64": data, "mime_type": mime_type}


def _create_audio(audio: Block) -> Block:
    block: Block = {"type": "audio", "base64": as_str(audio.get("data"))}
    if "mime_type" in audio:
        block["mime_type"] = audio["mime_type"]
    names = ("id", "transcript", "expires_at")
    return {**block, "extras": {name: audio[name] for name in names if name in audio}}


def detect_base64_type(data: str, default: str) -> str:
    """Detect the MIME type of base64 data by its first bytes."""
    with suppress(ValueError):  # it is not base64
        return detect_mime_type(base64.b64decode(data[:64])) or default
    return default

"""Standard content blocks for the answers of the router: what ``message.content_blocks`` shows.

Messages keep text in ``content`` and the rest in ``additional_kwargs``, because streamed strings
merge without loss. LangChain asks this translator for the blocks: reasoning first, then text with
its citations, images, audio, a refusal, and tool calls. Indices are texts of our own, for
langchain-core would merge a text and a tool call that both count from 0.
"""

import base64
import binascii
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, cast

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.content import ContentBlock

from orq_router_integrations.media.mime import detect_mime_type, parse_data_url

Block = dict[str, Any]


def translate_content(message: AIMessage) -> list[ContentBlock]:
    """The blocks of a whole message."""
    calls = [_call(call, message) for call in message.tool_calls]
    invalid = [{**call, "type": "invalid_tool_call"} for call in message.invalid_tool_calls]
    return cast("list[ContentBlock]", [*_said(message), *calls, *invalid])


def translate_content_chunk(chunk: AIMessageChunk) -> list[ContentBlock]:
    """The blocks of a piece of a stream, with the indices by which they merge."""
    calls_told = [*chunk.tool_calls, *chunk.invalid_tool_calls]
    if chunk.chunk_position == "last" and any(call["id"] for call in calls_told):
        return translate_content(chunk)  # a whole stream, put together
    said = [
        {**block, "index": f"lc_orq_{block['type']}{place or ''}"}
        for place, block in number_by_type(_said(chunk))
    ]
    calls = [
        {
            "type": "tool_call_chunk",
            "id": call["id"],
            "name": call["name"],
            "args": call["args"],
            "index": f"lc_orq_call_{call['index']}",
        }
        for call in chunk.tool_call_chunks
    ]
    return cast("list[ContentBlock]", [*said, *calls])


def number_by_type(blocks: Iterable[Block]) -> Iterator[tuple[int, Block]]:
    """Blocks with their numbers among those of their type, from 0."""
    seen: Counter[str] = Counter()
    for block in blocks:
        yield seen[block["type"]], block
        seen[block["type"]] += 1


def _said(message: AIMessage) -> Iterator[Block]:
    """Everything but the tool calls."""
    if not isinstance(message.content, str):
        raise NotImplementedError  # blocks already: langchain-core reads them
    kept = message.additional_kwargs
    yield from _reasoning(kept)
    if message.content or kept.get("annotations"):
        text: Block = {"type": "text", "text": message.content}
        citations = [_citation(note) for note in kept.get("annotations") or ()]
        yield {**text, "annotations": citations} if citations else text
    for image in kept.get("images") or ():
        yield _image(image)
    if audio := kept.get("audio"):
        yield _audio(audio)
    if refusal := kept.get("refusal"):
        yield {"type": "non_standard", "value": {"type": "refusal", "refusal": refusal}}


def _reasoning(kept: Block) -> Iterator[Block]:
    sealed = {
        "signature": kept.get("reasoning_signature"),
        "redacted_data": kept.get("redacted_reasoning"),
    }
    extras = {name: value for name, value in sealed.items() if value}
    text = kept.get("reasoning_content") or ""
    if text or extras:
        block: Block = {"type": "reasoning", "reasoning": text}
        yield {**block, "extras": extras} if extras else block


def _call(call: Any, message: AIMessage) -> Block:
    signature = (message.additional_kwargs.get("thought_signatures") or {}).get(call["id"])
    block = {"type": "tool_call", "id": call["id"], "name": call["name"], "args": call["args"]}
    return {**block, "extras": {"thought_signature": signature}} if signature else block


def _citation(note: Any) -> Block:
    """A standard citation of a URL; other annotations stay as they are, marked as such."""
    found: Block = note if isinstance(note, dict) else {"value": note}
    if found.get("type") != "url_citation":
        return {"type": "non_standard_annotation", "value": found}
    nested = found.get("url_citation")
    inner: Block = nested if isinstance(nested, dict) else found
    names = ("url", "title", "start_index", "end_index")
    known = {name: inner[name] for name in names if inner.get(name) is not None}
    return {"type": "citation", **known}


def _image(image: Any) -> Block:
    """A standard image of what upstreams put into ``images``: a URL, or data."""
    inner = image.get("image_url", image) if isinstance(image, dict) else image
    url = inner.get("url") if isinstance(inner, dict) else inner
    if isinstance(inner, dict) and isinstance(data := inner.get("b64_json"), str):
        return {"type": "image", "base64": data, "mime_type": _type_of(data) or "image/png"}
    try:
        mime_type, data = parse_data_url(str(url))
    except ValueError:
        return {"type": "image", "url": str(url)}
    return {"type": "image", "base64": data, "mime_type": mime_type}


def _audio(audio: Block) -> Block:
    data = audio.get("data")
    known = {"mime_type": audio["mime_type"]} if "mime_type" in audio else {}
    extras = {name: audio[name] for name in ("id", "transcript", "expires_at") if name in audio}
    return {
        "type": "audio",
        "base64": data if isinstance(data, str) else "",
        **known,
        "extras": extras,
    }


def detect_audio_mime_type(data: Any) -> str:
    """The media type of a spoken answer, by its first bytes; raw samples have no mark."""
    return (_type_of(data) if isinstance(data, str) else None) or "audio/pcm"


def _type_of(data: str) -> str | None:
    try:
        return detect_mime_type(base64.b64decode(data[:64]))
    except (binascii.Error, ValueError):
        return None

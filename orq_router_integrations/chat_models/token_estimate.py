"""About how many tokens a conversation has: an estimate, offline and without a tokenizer.

The rates are set so that the counts OpenAI publishes for GPT-4o come out a little high: other
tokenizers cut finer, and a context that overflows costs more than a summary that comes early.
"""

import math
import re
import reprlib
from bisect import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import BaseMessage

from orq_router_integrations.chat_models.constants import ToolMedia
from orq_router_integrations.chat_models.content_parts import convert_block
from orq_router_integrations.chat_models.message_conversion import convert_messages
from orq_router_integrations.media import mime as formats
from orq_router_integrations.media.metadata import (
    Base64View,
    ImageSize,
    count_pdf_pages,
    read_audio_seconds,
    read_image_size,
)
from orq_router_integrations.wire import json
from orq_router_integrations.wire.request_encoding import DeferredBase64

Wire = Mapping[str, Any]

_MESSAGE, _NAME, _REPLY, _TOOL = 3, 1, 3, 8
_IMAGE_BASE, _IMAGE_TILE, _TILE, _LONGEST, _SHORTEST = 85, 170, 512, 2048, 768
_UNSEEN: ImageSize = (1024, 1024)
_PAGE_TEXT, _PAGE_BYTES, _UNREAD_PAGES = 800, 5, 4
_AUDIO, _UNHEARD = 10, 30


def estimate_tokens(
    messages: Sequence[BaseMessage],
    tools: Sequence[dict[str, Any]] | None = None,
    tool_media: ToolMedia = "user",
) -> int:
    """About how many tokens a model reads: an ESTIMATE, made without a tokenizer.

    Texts, tool calls, names and framing count as OpenAI counts them; tools as the JSON of their
    schemas; images by OpenAI's tiles (85, and 170 for each of 512 pixels; 765 where the size
    cannot be read, as behind a URL); each page of a PDF as an image and the text that may be on
    it; audio as 10 tokens a second. Expect English within about 15 % of GPT-4o's count, and other
    languages, code and JSON within about 25 %. Other tokenizers often count 10 to 30 % more, and
    other providers count media in their own ways. ``usage_metadata`` of a reply is exact.

    Nothing is fetched, and content that cannot be read or sent counts as if it were of usual size.

    Args:
        messages: the conversation.
        tools: schemas as they are sent, from ``tools.to_wire``.
        tool_media: where media of a tool's answer go, as ``ChatOrq`` has it.
    """
    said = sum(_message_tokens(message, tool_media) for message in messages)
    total = said + (_REPLY if messages else 0)
    return total + sum(_TOOL + _json_tokens(tool.get("function", tool)) for tool in tools or ())


def estimate_text(text: str) -> int:
    """About how many tokens a text has: an ESTIMATE, made without a tokenizer.

    Words, numbers, signs and line breaks are counted, long words by their length; characters of
    other scripts by a rate for each script.

    >>> estimate_text("tiktoken is great!")
    5
    """
    words = sum(map(_word_cost, map(len, _WORDS.findall(text))))
    numbers = sum(-(-length // 3) for length in map(len, _NUMBERS.findall(text)))
    signs = sum(-(-length // 4) for length in map(len, _SIGNS.findall(text)))
    gaps = sum(-(-length // 80) for length in map(len, _GAPS.findall(text)))
    cost = words + numbers + signs + gaps
    if not text.isascii():
        cost += 0.2 * len(_ACCENTS.findall(text))
        found = Counter(_LATIN.sub("", text))
        cost += sum(count * _character_cost(ord(char)) for char, count in found.items())
    return math.ceil(cost)


# Text

_ACCENTED = "\u00c0-\u024f\u1e00-\u1eff"
_ACCENTS = re.compile(f"[{_ACCENTED}]")
_LATIN = re.compile(r"[\x00-\u024f\u1e00-\u1eff\s]+")
_WORDS = re.compile(rf"[A-Z]?[a-z{_ACCENTED}]+|[A-Z]+")
_NUMBERS = re.compile(r"\d+", re.ASCII)
_SIGNS = re.compile(r"[!-/:-@\[-^`{-\u00bf]+(?![A-Za-z])|_{2,}")  # one sign joins the next word
_GAPS = re.compile(r"[ \t]*[\r\n]+[ \t]*|[ \t]{2,}| (?=\d)")

_SCRIPTS = (
    (0x0250, 1.0),
    (0x0370, 0.5),  # Greek
    (0x0400, 0.32),  # Cyrillic
    (0x0530, 0.6),
    (0x0590, 0.5),  # Hebrew
    (0x0600, 0.4),  # Arabic
    (0x0780, 1.0),
    (0x0900, 0.42),  # the scripts of India
    (0x0E00, 0.5),  # Thai, Lao
    (0x0F00, 1.0),
    (0x10A0, 0.6),  # Georgian
    (0x1100, 1.0),
    (0x2000, 0.7),  # typographic signs
    (0x2070, 1.5),
    (0x3000, 0.7),  # kana and the signs of East Asia
    (0x3130, 1.0),
    (0x3400, 1.3),
    (0x4E00, 0.8),  # Chinese characters
    (0xA000, 1.3),
    (0xAC00, 0.62),  # Hangul
    (0xD7B0, 1.5),
    (0xFF00, 0.9),  # full-width signs
    (0x10000, 2.5),  # emoji and rare scripts
)
_STARTS = [start for start, _ in _SCRIPTS]


def _word_cost(length: int) -> float:
    if length <= 4:
        return 1.0
    return 1 + 0.05 * min(length - 4, 5) + 0.28 * max(0, length - 9)


def _character_cost(code: int) -> float:
    return _SCRIPTS[bisect(_STARTS, code) - 1][1]


def _json_tokens(value: Any) -> int:
    try:
        return estimate_text(json.dumps(value).decode())
    except ValueError:  # it cannot be sent
        return estimate_text(reprlib.repr(value))


# Messages


def _message_tokens(message: BaseMessage, tool_media: ToolMedia) -> int:
    try:
        return sum(map(_wire_tokens, convert_messages([message], tool_media)))
    except (ValueError, TypeError, AttributeError):  # it cannot be sent; counting must not fail
        calls = getattr(message, "tool_calls", None)
        content = [message.content] if isinstance(message.content, str) else message.content
        called = _json_tokens(calls) if calls else 0
        return _MESSAGE + 1 + called + sum(map(_block_tokens, content))


def _wire_tokens(wire: Wire) -> int:
    total = _MESSAGE + 1 + _content_tokens(wire.get("content"))
    if name := wire.get("name"):
        total += _NAME + estimate_text(name)
    for call in wire.get("tool_calls") or ():
        function = call["function"]
        total += _TOOL + estimate_text(function["name"]) + estimate_text(function["arguments"])
    for member in ("reasoning_content", "refusal"):
        total += estimate_text(wire.get(member) or "")
    return total + (_AUDIO * _UNHEARD if wire.get("audio") else 0)


def _content_tokens(content: Any) -> int:
    if isinstance(content, str):
        return estimate_text(content)
    return sum(map(_part_tokens, content or ()))


def _part_tokens(made: Wire) -> int:
    match made:
        case {"type": "image_url", "image_url": image}:
            return _image_tokens(image["url"], image.get("detail"))
        case {"type": "input_audio", "input_audio": {"data": data}}:
            return _audio_tokens(Base64View(data))
        case {"type": "file", "file": file}:
            return _file_tokens(file)
    texts = (made.get(name) for name in ("text", "reasoning", "refusal"))
    return sum(estimate_text(text) for text in texts if text)


def _block_tokens(block: Any) -> int:
    """Tokens of a block that may be one that cannot be sent: then its texts, or a usual size."""
    try:
        return _part_tokens(convert_block(block))
    except (ValueError, TypeError, AttributeError):
        known = block if isinstance(block, Mapping) else {}
    texts = [known.get(name) for name in ("text", "thinking", "reasoning", "refusal", "content")]
    found = [text for text in texts if isinstance(text, str)]
    return sum(map(estimate_text, found)) if found else _tiles(_UNSEEN)


# Media


def _image_tokens(url: str, detail: str | None) -> int:
    if detail == "low":
        return _IMAGE_BASE
    data = _inline(url)
    return _tiles(read_image_size(data) or _UNSEEN if data else _UNSEEN)


def _tiles(size: ImageSize) -> int:
    """OpenAI's count: scaled down to 2048 pixels, then the shorter side to 768, then tiled."""
    width, height = size
    scale = min(1.0, _LONGEST / max(size))
    scale = min(scale, _SHORTEST / min(size))
    across, down = (max(1, math.ceil(side * scale / _TILE)) for side in (width, height))
    return _IMAGE_BASE + _IMAGE_TILE * across * down


def _file_tokens(file: Wire) -> int:
    kind = str(file.get("mimeType") or formats.PDF_TYPE)
    if kind.startswith("audio/"):
        return _AUDIO * _UNHEARD
    if kind != formats.PDF_TYPE:
        return _tiles(_UNSEEN)
    data = _inline(file.get("file_data") or "")
    pages = (data and count_pdf_pages(data)) or _UNREAD_PAGES
    text = min(_PAGE_TEXT, len(data) // pages // _PAGE_BYTES) if data else _PAGE_TEXT
    return pages * (_tiles(_UNSEEN) + text)


def _audio_tokens(data: Base64View) -> int:
    return math.ceil(_AUDIO * (read_audio_seconds(data) or _UNHEARD))


def _inline(url: str) -> Base64View | None:
    """What a data URL holds."""
    if isinstance(url, DeferredBase64):
        return Base64View(url.source) if isinstance(url.source, str) else None
    try:
        return Base64View(formats.parse_data_url(url)[1])
    except ValueError:
        return None

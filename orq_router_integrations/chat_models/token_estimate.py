"""Token estimates for text and conversations, made offline and without a tokenizer.

The rates are calibrated to slightly exceed the counts that OpenAI publishes for GPT-4o,
because other tokenizers produce more tokens, and exceeding a context window is worse than
summarizing a conversation too early.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.messages.utils import count_tokens_approximately

from orq_router_integrations.chat_models.constants import ToolMedia
from orq_router_integrations.chat_models.message_conversion import convert_messages
from orq_router_integrations.media import metadata, mime
from orq_router_integrations.wire import json
from orq_router_integrations.wire.request_encoding import DeferredBase64

_TOKENS_PER_MESSAGE = 4
_TOKENS_PER_TOOL = 8
_TOKENS_BEFORE_ANSWER = 3
_TOKENS_PER_IMAGE, _TOKENS_PER_TILE = 85, 170
_DEFAULT_IMAGE_SIZE = (1024, 1024)
_TOKENS_PER_PAGE = 765  # as an image, without its text
_MAX_TEXT_TOKENS_PER_PAGE = 800
_PDF_BYTES_PER_TOKEN = 5
_DEFAULT_PDF_PAGES = 4
_TOKENS_PER_AUDIO_SECOND, _DEFAULT_AUDIO_SECONDS = 10, 30


def estimate_tokens(
    messages: Sequence[BaseMessage],
    tools: Sequence[dict[str, Any]] = (),
    tool_media: ToolMedia = "user",
) -> int:
    """Estimate how many input tokens a conversation has.

    Text, tool calls, names and message overhead are counted the way OpenAI counts them, and tools
    as the JSON of their schemas. Images count 85 tokens plus 170 for each tile of 512 x 512
    pixels (765 if the size is unknown, as for a URL). Each page of a PDF counts as an image plus
    its text, and audio counts 10 tokens per second.

    Expect English text within about 15 % of GPT-4o's count; other languages, code and JSON within
    about 25 %. Other tokenizers often count 10 to 30 % more, and other providers count media
    differently. Exact numbers are in ``usage_metadata`` of each answer.

    Nothing is downloaded. A message that cannot be sent is counted roughly, by langchain-core.
    """
    total = _TOKENS_BEFORE_ANSWER if messages else 0
    for message in messages:
        try:
            total += sum(map(_estimate_payload, convert_messages([message], tool_media)))
        except (ValueError, TypeError, AttributeError):  # the message cannot be sent
            total += count_tokens_approximately([message])
    for tool in tools:
        schema = json.dumps(tool.get("function", tool)).decode()
        total += _TOKENS_PER_TOOL + estimate_text(schema)
    return total


def _estimate_payload(payload: dict[str, Any]) -> int:
    content = payload.get("content") or ""
    parts = [{"text": content}] if isinstance(content, str) else content
    total = _TOKENS_PER_MESSAGE + sum(map(_estimate_part, parts))
    texts = [payload.get(field) or "" for field in ("name", "reasoning_content", "refusal")]
    for tool_call in payload.get("tool_calls") or ():
        total += _TOKENS_PER_TOOL
        texts += [tool_call["function"]["name"], tool_call["function"]["arguments"]]
    if payload.get("name"):
        total += 1
    if payload.get("audio"):
        total += _TOKENS_PER_AUDIO_SECOND * _DEFAULT_AUDIO_SECONDS
    return total + sum(map(estimate_text, texts))


def _estimate_part(part: dict[str, Any]) -> int:
    match part:
        case {"type": "image_url", "image_url": image}:
            return _estimate_image(image["url"], image.get("detail"))
        case {"type": "input_audio", "input_audio": {"data": data}}:
            seconds = metadata.read_audio_seconds(mime.Base64View(data)) or _DEFAULT_AUDIO_SECONDS
            return math.ceil(_TOKENS_PER_AUDIO_SECOND * seconds)
        case {"type": "file", "file": file}:
            return _estimate_file(file)
    texts = (part.get(field) for field in ("text", "reasoning", "refusal"))
    return sum(estimate_text(text) for text in texts if text)


def _estimate_image(url: str, detail: str | None) -> int:
    """Count an image like OpenAI, which scales it down and cuts it into tiles."""
    if detail == "low":
        return _TOKENS_PER_IMAGE
    data = _get_embedded_data(url)
    size = (data and metadata.read_image_size(data)) or _DEFAULT_IMAGE_SIZE
    scale = min(1.0, 2048 / max(size))
    scale = min(scale, 768 / min(size))
    columns, rows = (max(1, math.ceil(side * scale / 512)) for side in size)
    return _TOKENS_PER_IMAGE + _TOKENS_PER_TILE * columns * rows


def _estimate_file(file: dict[str, Any]) -> int:
    if file.get("mimeType", mime.PDF_TYPE) != mime.PDF_TYPE:
        return _TOKENS_PER_PAGE
    pages, text_tokens = _DEFAULT_PDF_PAGES, _MAX_TEXT_TOKENS_PER_PAGE
    if data := _get_embedded_data(file.get("file_data") or ""):
        pages = metadata.count_pdf_pages(data) or pages
        text_tokens = min(text_tokens, len(data) // pages // _PDF_BYTES_PER_TOKEN)
    return pages * (_TOKENS_PER_PAGE + text_tokens)


def _get_embedded_data(url: str) -> mime.Base64View | None:
    """Return the data of a data URL, or ``None`` for other URLs."""
    if isinstance(url, DeferredBase64):
        return mime.Base64View(url.source) if isinstance(url.source, str) else None
    try:
        return mime.Base64View(mime.parse_data_url(url)[1])
    except ValueError:
        return None


_PIECES = re.compile(
    "[A-Z]?[a-z\u00c0-\u024f\u1e00-\u1eff]+|[A-Z]+"  # words
    r"|\d{1,3}"
    # Punctuation; a single character before a letter is part of the word's token.
    "|[!-/:-@\\[-`{-\u00bf]{1,4}(?![A-Za-z])"
    # Whitespace other than single spaces.
    r"|[\r\n][ \t\r\n]*|[ \t]{2,80}| (?=\d)",
    re.ASCII,
)
_TOKENS_PER_CHARACTER = {
    re.compile("[\u00c0-\u024f\u1e00-\u1eff]"): 0.2,  # accented letters
    re.compile("[\u0250-\u052f]"): 0.32,  # Greek, Cyrillic
    re.compile("[\u0530-\u0eff]"): 0.42,  # Hebrew, Arabic, Indic scripts, Thai
    re.compile("[\u0f00-\u1dff\u1f00-\u33ff]"): 0.7,  # typographic punctuation, kana
    re.compile("[\u3400-\uabff]"): 0.8,  # Chinese
    re.compile("[\uac00-\ud7af]"): 0.62,  # Korean
    re.compile("[\ud7b0-\uffff]"): 0.9,  # full-width forms
    re.compile("[\U00010000-\U0010ffff]"): 2.5,  # emoji, rare scripts
}


def estimate_text(text: str) -> int:
    """Estimate how many tokens a string has.

    >>> estimate_text("tiktoken is great!")
    5
    """
    lengths = (len(piece) if piece.isalpha() else 1 for piece in _PIECES.findall(text))
    # A word is one token. Longer words count more, those of ten letters or more the most.
    total = sum(1 + 0.05 * min(max(n - 4, 0), 5) + 0.28 * max(n - 9, 0) for n in lengths)
    if not text.isascii():
        total += sum(
            rate * len(characters.findall(text))
            for characters, rate in _TOKENS_PER_CHARACTER.items()
        )
    return math.ceil(total)

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

_TOKENS_PER_MESSAGE = 4
_TOKENS_PER_TOOL = 8
_TOKENS_BEFORE_ANSWER = 3
_TOKENS_PER_IMAGE, _TOKENS_PER_SMALL_IMAGE = 765, 85
_TOKENS_PER_PAGE, _DEFAULT_PDF_PAGES = 1500, 4
_TOKENS_PER_AUDIO_SECOND, _DEFAULT_AUDIO_SECONDS = 10, 30


def estimate_tokens(
    messages: Sequence[BaseMessage],
    tools: Sequence[dict[str, Any]] = (),
    tool_media: ToolMedia = "user",
) -> int:
    """Estimate how many input tokens a conversation has.

    Text, tool calls, names and message overhead are counted the way OpenAI counts them, and tools
    as the JSON of their schemas. An image counts 765 tokens (85 with ``detail="low"``), a page of a
    PDF 1,500, and a second of audio 10.

    Expect English text within about 15% of GPT-4o's count; other languages, code and JSON within
    about 25%. Other tokenizers often count 10 to 30% more, and other providers count media
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
    functions = [call["function"] for call in payload.get("tool_calls", ())]
    texts = [payload.get(field) or "" for field in ("name", "reasoning_content", "refusal")]
    texts += [text for function in functions for text in function.values()]
    overhead = _TOKENS_PER_MESSAGE + _TOKENS_PER_TOOL * len(functions)
    return overhead + sum(map(_estimate_part, parts)) + sum(map(estimate_text, texts))


def _estimate_part(part: dict[str, Any]) -> int:
    match part:
        case {"type": "image_url", "image_url": image}:
            is_small = image.get("detail") == "low"
            return _TOKENS_PER_SMALL_IMAGE if is_small else _TOKENS_PER_IMAGE
        case {"type": "input_audio", "input_audio": {"data": data}}:
            seconds = metadata.read_audio_seconds(mime.Base64View(data)) or _DEFAULT_AUDIO_SECONDS
            return math.ceil(_TOKENS_PER_AUDIO_SECOND * seconds)
        case {"type": "file", "file": file}:
            data = file.get("file_data", "")
            data = getattr(data, "source", data)  # unwraps a ``DeferredBase64``
            pages = None
            if isinstance(data, str):  # and not a file that is read while the request is sent
                pages = metadata.count_pdf_pages(mime.Base64View(data.rpartition(",")[2]))
            return _TOKENS_PER_PAGE * (pages or _DEFAULT_PDF_PAGES)
    texts = (part.get(field) for field in ("text", "reasoning", "refusal"))
    return sum(estimate_text(text) for text in texts if text)


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

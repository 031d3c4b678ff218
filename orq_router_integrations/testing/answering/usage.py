"""Estimate token usage: text by characters, images by tiles, audio by seconds."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.prompt import CHARS_PER_TOKEN, Prompt
from orq_router_integrations.testing.chat.messages import AssistantMessage, Message
from orq_router_integrations.testing.chat.parts import (
    AnyPart,
    AudioPart,
    FilePart,
    ImagePart,
    TextPart,
    decode_base64,
    get_text,
    parse_data_uri,
)
from orq_router_integrations.testing.media.audio_info import SAMPLE_RATE, read_audio_info
from orq_router_integrations.testing.media.describe import iter_parts
from orq_router_integrations.testing.media.image_info import read_image_info
from orq_router_integrations.testing.media.pdf import read_pdf

AUDIO_TOKENS = 10
"""Tokens per second of audio."""

SAMPLE_BYTES = 2 * SAMPLE_RATE
"""Bytes per second of the audio in answers."""

_BASE, _TILE, _SIDE = 85, 170, 512  # tokens per image and per tile, pixels of a tile's side


def estimate_tokens(text: str) -> int:
    """Estimate the number of tokens of a string."""
    return math.ceil(len(text) / CHARS_PER_TOKEN)


class PromptCache:
    """Emulates the prompt caches of providers."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def count_cached(self, model: str, prompt: Prompt) -> tuple[int, int]:
        """Count the tokens that a request reads from the cache and writes to it."""
        prefixes = _list_cacheable_prefixes(model, prompt)
        read = max((tokens for digest, tokens in prefixes if digest in self._seen), default=0)
        self._seen.update(digest for digest, _ in prefixes)
        return read, max((tokens for _, tokens in prefixes), default=0) - read


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts. All but the first two are part of these.

    Attributes:
        prompt_tokens: input tokens.
        completion_tokens: output tokens.
        cached_tokens: input tokens read from a provider's prompt cache.
        cache_creation_tokens: input tokens written to the prompt cache.
        audio_input_tokens: input tokens of audio.
        reasoning_tokens: output tokens of reasoning.
        audio_output_tokens: output tokens of audio.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_creation_tokens: int
    audio_input_tokens: int
    reasoning_tokens: int
    audio_output_tokens: int


def count_usage(prompt: Prompt, answers: Iterable[Answer], cached: tuple[int, int]) -> Usage:
    """Count the tokens of a request and its answers."""
    audio_tokens = _count_audio_tokens(prompt)
    counts = [_count_answer_tokens(answer) for answer in answers]
    completion, reasoning, audio = (sum(column) for column in zip(*counts, strict=True))
    return Usage(
        prompt_tokens=sum(map(_count_message_tokens, prompt.messages))
        + audio_tokens
        + _count_tool_tokens(prompt),
        completion_tokens=completion,
        cached_tokens=cached[0],
        cache_creation_tokens=cached[1],
        audio_input_tokens=audio_tokens,
        reasoning_tokens=reasoning,
        audio_output_tokens=audio,
    )


def override_usage(
    usage: dict[str, Any], over: Mapping[str, Any] | None, names: Mapping[str, str]
) -> dict[str, Any]:
    """Apply scripted usage fields; nested details are merged.

    Args:
        usage: usage in the format of the endpoint, updated in place.
        over: scripted fields, named as in any endpoint.
        names: this endpoint's names of fields that other endpoints name differently.
    """
    for key, value in (over or {}).items():
        name = names.get(key, key)
        has_details = isinstance(value, Mapping) and isinstance(usage.get(name), Mapping)
        usage[name] = {**usage[name], **value} if has_details else value
    return usage


def _count_answer_tokens(answer: Answer) -> tuple[int, int, int]:
    """Count completion, reasoning and audio tokens; the first includes the others."""
    reasoning = estimate_tokens(answer.reasoning or "")
    audio = math.ceil(AUDIO_TOKENS * len(answer.audio or b"") / SAMPLE_BYTES)
    text = estimate_tokens(answer.text) + estimate_tokens(answer.refusal or "")
    calls = sum(estimate_tokens(call.name + call.arguments_json) for call in answer.calls)
    return max(1, text + calls + reasoning + audio), reasoning, audio


def _count_message_tokens(message: Message) -> int:
    """Count the tokens of a message without its audio, plus 3 for its structure."""
    calls = (message.tool_calls or ()) if isinstance(message, AssistantMessage) else ()
    call_tokens = sum(
        estimate_tokens(call.function.name + call.function.arguments) for call in calls
    )
    return (
        3
        + estimate_tokens(get_text(message.content))
        + call_tokens
        + sum(map(_count_part_tokens, iter_parts([message])))
    )


def _count_part_tokens(part: AnyPart) -> int:
    match part:
        case ImagePart(image_url=image):
            return _count_image_tokens(image.url, image.detail)
        case FilePart(file=file) if file.file_data:
            mime_type, data = parse_data_uri(file.file_data)
            pdf = read_pdf(data) if mime_type == "application/pdf" else None
            return _BASE * max(1, pdf.pages) + estimate_tokens(pdf.text) if pdf else len(data) // 4
        case FilePart():
            return _BASE
        case AudioPart() | TextPart():
            return 0  # counted with the audio and with the message's text
    return estimate_tokens(part.model_dump_json())


def _count_image_tokens(url: str, detail: str) -> int:
    if detail == "low":
        return _BASE
    size = read_image_info(parse_data_uri(url)[1]).size if url.startswith("data:") else None
    width, height = size or (_SIDE, _SIDE)
    return _BASE + _TILE * math.ceil(width / _SIDE) * math.ceil(height / _SIDE)


def _count_audio_tokens(prompt: Prompt) -> int:
    parts = [part for part in iter_parts(prompt.messages) if isinstance(part, AudioPart)]
    seconds = [read_audio_info(decode_base64(part.input_audio.data)).seconds or 1 for part in parts]
    return sum(math.ceil(AUDIO_TOKENS * length) for length in seconds)


def _count_tool_tokens(prompt: Prompt) -> int:
    return sum(estimate_tokens(tool.model_dump_json(exclude_unset=True)) for tool in prompt.tools)


def _list_cacheable_prefixes(model: str, prompt: Prompt) -> list[tuple[str, int]]:
    """Return digest and token count of each prefix of the prompt marked for caching."""
    prefixes: list[tuple[str, int]] = []
    digest = hashlib.blake2b(f"{model} {prompt.cache_key}".encode(), digest_size=16)
    tokens = _count_tool_tokens(prompt)
    for message in prompt.messages[: _count_marked_messages(prompt)]:
        digest.update(message.model_dump_json(exclude_unset=True).encode())
        tokens += _count_message_tokens(message)
        prefixes.append((digest.hexdigest(), tokens))
    return prefixes


def _count_marked_messages(prompt: Prompt) -> int:
    """Return the number of messages up to the last one marked for caching."""
    if prompt.caches_everything or prompt.cache_key:
        return len(prompt.messages)
    count = 0
    for index, message in enumerate(prompt.messages, start=1):
        parts = [message, *iter_parts([message])]
        if any(getattr(part, "cache_control", None) for part in parts):
            count = index
    return count

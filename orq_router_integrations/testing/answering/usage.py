"""Counting tokens: about four characters each, images by tile, sound by the second."""

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
"""Tokens per second of sound."""

SAMPLE_BYTES = 2 * SAMPLE_RATE
"""Bytes per second of the sound that answers are made of."""

_BASE, _TILE, _SIDE = 85, 170, 512


def estimate_tokens(text: str) -> int:
    """Tokens of a text."""
    return math.ceil(len(text) / CHARS_PER_TOKEN)


class PromptCache:
    """The providers' prompt caches: which prompt prefixes each model has seen marked."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def count_cached(self, model: str, prompt: Prompt) -> tuple[int, int]:
        """Tokens read from the cache, and tokens written to it, by this request."""
        prefixes = _list_cacheable_prefixes(model, prompt)
        read = max((tokens for digest, tokens in prefixes if digest in self._seen), default=0)
        self._seen.update(digest for digest, _ in prefixes)
        return read, max((tokens for _, tokens in prefixes), default=0) - read


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Counted tokens; those after the first two are part of them.

    Attributes:
        prompt: what was sent.
        completion: what was answered.
        cached: read from a provider's prompt cache.
        cache_written: written to it.
        heard: sound that was sent.
        reasoning: reasoning.
        spoken: sound that was answered.
    """

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_creation_tokens: int
    audio_input_tokens: int
    reasoning_tokens: int
    audio_output_tokens: int


def count_usage(prompt: Prompt, answers: Iterable[Answer], cached: tuple[int, int]) -> Usage:
    """The tokens of a request with these answers to it."""
    heard = _count_audio_tokens(prompt)
    counts = [_count_answer_tokens(answer) for answer in answers]
    completion, reasoning, spoken = (sum(column) for column in zip(*counts, strict=True))
    return Usage(
        prompt_tokens=sum(map(_count_message_tokens, prompt.messages))
        + heard
        + _count_tool_tokens(prompt),
        completion_tokens=completion,
        cached_tokens=cached[0],
        cache_creation_tokens=cached[1],
        audio_input_tokens=heard,
        reasoning_tokens=reasoning,
        audio_output_tokens=spoken,
    )


def override_usage(
    usage: dict[str, Any], over: Mapping[str, Any] | None, names: Mapping[str, str]
) -> dict[str, Any]:
    """The usage with the members of a scripted one in it, details member by member.

    Args:
        usage: as the endpoint has it.
        over: what is scripted, in the words of any endpoint.
        names: this endpoint's words for those of others.
    """
    for foreign, value in (over or {}).items():
        name = names.get(foreign, foreign)
        both = isinstance(value, Mapping) and isinstance(usage.get(name), Mapping)
        usage[name] = {**usage[name], **value} if both else value
    return usage


def _count_answer_tokens(answer: Answer) -> tuple[int, int, int]:
    """Completion, reasoning and audio tokens; the last two are part of the first."""
    reasoning = estimate_tokens(answer.reasoning or "")
    spoken = math.ceil(AUDIO_TOKENS * len(answer.audio or b"") / SAMPLE_BYTES)
    said = estimate_tokens(answer.text) + estimate_tokens(answer.refusal or "")
    called = sum(estimate_tokens(call.name + call.arguments_json) for call in answer.calls)
    return max(1, said + called + reasoning + spoken), reasoning, spoken


def _count_message_tokens(message: Message) -> int:
    """Tokens of a message without its sounds; a few more for its frame."""
    calls = (message.tool_calls or ()) if isinstance(message, AssistantMessage) else ()
    called = sum(estimate_tokens(call.function.name + call.function.arguments) for call in calls)
    return (
        3
        + estimate_tokens(get_text(message.content))
        + called
        + sum(map(_count_part_tokens, iter_parts([message])))
    )


def _count_part_tokens(part: AnyPart) -> int:
    match part:
        case ImagePart(image_url=image):
            return _count_image_tokens(image.url, image.detail)
        case FilePart(file=file) if file.file_data:
            mime_type, data = parse_data_uri(file.file_data)
            read = read_pdf(data) if mime_type == "application/pdf" else None
            return (
                _BASE * max(1, read.pages) + estimate_tokens(read.text) if read else len(data) // 4
            )
        case FilePart():
            return _BASE
        case AudioPart() | TextPart():
            return 0  # counted elsewhere
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
    """Digest and tokens of every beginning of the prompt that is marked for the cache."""
    found: list[tuple[str, int]] = []
    digest = hashlib.blake2b(f"{model} {prompt.cache_key}".encode(), digest_size=16)
    tokens = _count_tool_tokens(prompt)
    for message in prompt.messages[: _count_marked_messages(prompt)]:
        digest.update(message.model_dump_json(exclude_unset=True).encode())
        tokens += _count_message_tokens(message)
        found.append((digest.hexdigest(), tokens))
    return found


def _count_marked_messages(prompt: Prompt) -> int:
    """How many messages are to be cached."""
    if prompt.caches_everything or prompt.cache_key:
        return len(prompt.messages)
    marked = 0
    for index, message in enumerate(prompt.messages, start=1):
        parts = [message, *iter_parts([message])]
        if any(getattr(part, "cache_control", None) for part in parts):
            marked = index
    return marked

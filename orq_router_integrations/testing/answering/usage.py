"""Counting tokens: about four characters each, images by tile, sound by the second."""

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.prompt import CHARACTERS, Prompt
from orq_router_integrations.testing.chat.messages import AssistantMessage, Message
from orq_router_integrations.testing.chat.parts import (
    AnyPart,
    AudioPart,
    FilePart,
    ImagePart,
    TextPart,
    data_uri,
    decoded,
    text_of,
)
from orq_router_integrations.testing.media.describe import parts_of
from orq_router_integrations.testing.media.pdf import pdf
from orq_router_integrations.testing.media.pictures import picture
from orq_router_integrations.testing.media.sound import RATE, sound

AUDIO_TOKENS = 10
"""Tokens per second of sound."""

SAMPLE_BYTES = 2 * RATE
"""Bytes per second of the sound that answers are made of."""

_BASE, _TILE, _SIDE = 85, 170, 512


def tokens_of(text: str) -> int:
    """Tokens of a text."""
    return math.ceil(len(text) / CHARACTERS)


class PromptCache:
    """The providers' prompt caches: which prompt prefixes each model has seen marked."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def count(self, model: str, prompt: Prompt) -> tuple[int, int]:
        """Tokens read from the cache, and tokens written to it, by this request."""
        prefixes = _prefixes(model, prompt)
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

    prompt: int
    completion: int
    cached: int
    cache_written: int
    heard: int
    reasoning: int
    spoken: int


def usage_of(prompt: Prompt, answers: Iterable[Answer], cached: tuple[int, int]) -> Usage:
    """The tokens of a request with these answers to it."""
    heard = _audio_tokens(prompt)
    counts = [_answer_tokens(answer) for answer in answers]
    completion, reasoning, spoken = (sum(column) for column in zip(*counts, strict=True))
    return Usage(
        prompt=sum(map(_message_tokens, prompt.messages)) + heard + _tool_tokens(prompt),
        completion=completion,
        cached=cached[0],
        cache_written=cached[1],
        heard=heard,
        reasoning=reasoning,
        spoken=spoken,
    )


def overridden(
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


def _answer_tokens(answer: Answer) -> tuple[int, int, int]:
    """Completion, reasoning and audio tokens; the last two are part of the first."""
    reasoning = tokens_of(answer.reasoning or "")
    spoken = math.ceil(AUDIO_TOKENS * len(answer.audio or b"") / SAMPLE_BYTES)
    said = tokens_of(answer.text) + tokens_of(answer.refusal or "")
    called = sum(tokens_of(call.name + call.json) for call in answer.tool_calls)
    return max(1, said + called + reasoning + spoken), reasoning, spoken


def _message_tokens(message: Message) -> int:
    """Tokens of a message without its sounds; a few more for its frame."""
    calls = (message.tool_calls or ()) if isinstance(message, AssistantMessage) else ()
    called = sum(tokens_of(call.function.name + call.function.arguments) for call in calls)
    return 3 + tokens_of(text_of(message.content)) + called + sum(map(_part, parts_of([message])))


def _part(part: AnyPart) -> int:
    match part:
        case ImagePart(image_url=image):
            return _image_tokens(image.url, image.detail)
        case FilePart(file=file) if file.file_data:
            mime_type, data = data_uri(file.file_data)
            read = pdf(data) if mime_type == "application/pdf" else None
            return _BASE * max(1, read.pages) + tokens_of(read.text) if read else len(data) // 4
        case FilePart():
            return _BASE
        case AudioPart() | TextPart():
            return 0  # counted elsewhere
    return tokens_of(part.model_dump_json())


def _image_tokens(url: str, detail: str) -> int:
    if detail == "low":
        return _BASE
    size = picture(data_uri(url)[1]).size if url.startswith("data:") else None
    width, height = size or (_SIDE, _SIDE)
    return _BASE + _TILE * math.ceil(width / _SIDE) * math.ceil(height / _SIDE)


def _audio_tokens(prompt: Prompt) -> int:
    parts = [part for part in parts_of(prompt.messages) if isinstance(part, AudioPart)]
    seconds = [sound(decoded(part.input_audio.data)).seconds or 1 for part in parts]
    return sum(math.ceil(AUDIO_TOKENS * length) for length in seconds)


def _tool_tokens(prompt: Prompt) -> int:
    return sum(tokens_of(tool.model_dump_json(exclude_unset=True)) for tool in prompt.tools)


def _prefixes(model: str, prompt: Prompt) -> list[tuple[str, int]]:
    """Digest and tokens of every beginning of the prompt that is marked for the cache."""
    found: list[tuple[str, int]] = []
    digest = hashlib.blake2b(f"{model} {prompt.cache_key}".encode(), digest_size=16)
    tokens = _tool_tokens(prompt)
    for message in prompt.messages[: _marked(prompt)]:
        digest.update(message.model_dump_json(exclude_unset=True).encode())
        tokens += _message_tokens(message)
        found.append((digest.hexdigest(), tokens))
    return found


def _marked(prompt: Prompt) -> int:
    """How many messages are to be cached."""
    if prompt.cached_whole or prompt.cache_key:
        return len(prompt.messages)
    marked = 0
    for index, message in enumerate(prompt.messages, start=1):
        parts = [message, *parts_of([message])]
        if any(getattr(part, "cache_control", None) for part in parts):
            marked = index
    return marked

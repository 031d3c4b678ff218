"""Estimate token usage: text by characters, audio by seconds, other files by a fixed number."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.media.metadata import read_audio_info
from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.prompt import CHARS_PER_TOKEN, Prompt
from orq_router_integrations.testing.chat.messages import AssistantMessage, Message
from orq_router_integrations.testing.chat.parts import (
    AudioPart,
    FilePart,
    ImagePart,
    decode_base64,
    get_text,
)
from orq_router_integrations.testing.media.audio_info import SAMPLE_RATE
from orq_router_integrations.testing.media.describe import iter_parts

AUDIO_TOKENS = 10
"""Tokens per second of audio."""

FILE_TOKENS = 85
"""Tokens of an image or a file."""

_SAMPLE_BYTES = 2 * SAMPLE_RATE


def estimate_tokens(text: str) -> int:
    return math.ceil(len(text) / CHARS_PER_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts. All but the first two are part of these."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int
    cache_creation_tokens: int
    audio_input_tokens: int
    reasoning_tokens: int
    audio_output_tokens: int


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


def count_usage(prompt: Prompt, answers: Sequence[Answer], cached: tuple[int, int]) -> Usage:
    """Count the tokens of a request and its answers."""
    audio_input = _count_audio_tokens(prompt)
    reasoning = sum(estimate_tokens(answer.reasoning or "") for answer in answers)
    audio_output = sum(
        math.ceil(AUDIO_TOKENS * len(answer.audio or b"") / _SAMPLE_BYTES) for answer in answers
    )
    text = sum(max(1, _count_text_tokens(answer)) for answer in answers)
    return Usage(
        prompt_tokens=_count_message_tokens(prompt.messages)
        + audio_input
        + _count_tool_tokens(prompt),
        completion_tokens=text + reasoning + audio_output,
        cached_tokens=cached[0],
        cache_creation_tokens=cached[1],
        audio_input_tokens=audio_input,
        reasoning_tokens=reasoning,
        audio_output_tokens=audio_output,
    )


def override_usage(
    usage: dict[str, Any], over: Mapping[str, Any] | None, names: Mapping[str, str]
) -> dict[str, Any]:
    """Apply scripted usage fields; nested details are merged."""
    for key, value in (over or {}).items():
        name = names.get(key, key)
        has_details = isinstance(value, Mapping) and isinstance(usage.get(name), Mapping)
        usage[name] = {**usage[name], **value} if has_details else value
    return usage


def _count_text_tokens(answer: Answer) -> int:
    calls = sum(estimate_tokens(call.name + call.arguments_json) for call in answer.calls)
    return estimate_tokens(answer.text) + estimate_tokens(answer.refusal or "") + calls


def _count_message_tokens(messages: Iterable[Message]) -> int:
    """Count the tokens of messages, 3 of them for the structure of each, without their audio."""
    tokens = 0
    for message in messages:
        tokens += 3 + estimate_tokens(get_text(message.content))
        if isinstance(message, AssistantMessage):
            functions = [call.function for call in message.tool_calls or ()]
            tokens += sum(estimate_tokens(item.name + item.arguments) for item in functions)
        files = (part for part in iter_parts([message]) if isinstance(part, FilePart | ImagePart))
        tokens += FILE_TOKENS * sum(1 for _ in files)
    return tokens


def _count_audio_tokens(prompt: Prompt) -> int:
    parts = [part for part in iter_parts(prompt.messages) if isinstance(part, AudioPart)]
    infos = [read_audio_info(decode_base64(part.input_audio.data)) for part in parts]
    return sum(math.ceil(AUDIO_TOKENS * ((info and info.seconds) or 1)) for info in infos)


def _count_tool_tokens(prompt: Prompt) -> int:
    return sum(estimate_tokens(tool.model_dump_json(exclude_unset=True)) for tool in prompt.tools)


def _list_cacheable_prefixes(model: str, prompt: Prompt) -> list[tuple[str, int]]:
    """Return digest and token count of each prefix of the prompt marked for caching."""
    prefixes: list[tuple[str, int]] = []
    digest = hashlib.blake2b(f"{model} {prompt.cache_key}".encode(), digest_size=16)
    tokens = _count_tool_tokens(prompt)
    for message in prompt.messages[: _count_marked_messages(prompt)]:
        digest.update(message.model_dump_json(exclude_unset=True).encode())
        tokens += _count_message_tokens([message])
        prefixes.append((digest.hexdigest(), tokens))
    return prefixes


def _count_marked_messages(prompt: Prompt) -> int:
    """Return the number of messages up to the last one marked for caching."""
    if prompt.caches_everything or prompt.cache_key:
        return len(prompt.messages)
    marked = [
        index
        for index, message in enumerate(prompt.messages, start=1)
        for part in (message, *iter_parts([message]))
        if getattr(part, "cache_control", None)
    ]
    return max(marked, default=0)

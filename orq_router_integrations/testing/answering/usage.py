"""Estimate token usage: text by characters, audio by seconds, other files by a fixed number."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.prompt import Prompt, estimate_tokens
from orq_router_integrations.testing.media.attachment import AUDIO_TOKENS
from orq_router_integrations.testing.media.audio import SAMPLE_RATE

_CHAT_NAMES = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}
"""Names of usage fields on /chat/completions by their names on /responses."""

_OTHER_NAMES = _CHAT_NAMES | {chat: name for name, chat in _CHAT_NAMES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Token counts. All but the first two are part of these."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_creation_tokens: int
    audio_input_tokens: int
    reasoning_tokens: int
    audio_output_tokens: int


class UsageCounter:
    """Counts tokens, and emulates the prompt caches of providers."""

    def __init__(self) -> None:
        self._cached_prefixes: set[tuple[object, ...]] = set()

    def count(self, prompt: Prompt, answers: Sequence[Answer], model: str) -> Usage:
        """Count the tokens of a request and its answers."""
        cached, created = self._count_cached(prompt, model)
        attachments = [item for message in prompt.messages for item in message.attachments]
        audio_input = sum(attachment.audio_tokens for attachment in attachments)
        reasoning = sum(estimate_tokens(answer.reasoning or "") for answer in answers)
        audio_bytes = sum(len(answer.audio or b"") for answer in answers)
        audio_output = math.ceil(AUDIO_TOKENS * audio_bytes / (2 * SAMPLE_RATE))
        text = sum(max(1, _count_text_tokens(answer)) for answer in answers)
        return Usage(
            input_tokens=_count_prefix(prompt, len(prompt.messages)) + audio_input,
            output_tokens=text + reasoning + audio_output,
            cached_tokens=cached,
            cache_creation_tokens=created,
            audio_input_tokens=audio_input,
            reasoning_tokens=reasoning,
            audio_output_tokens=audio_output,
        )

    def _count_cached(self, prompt: Prompt, model: str) -> tuple[int, int]:
        """Count the tokens that a request reads from the cache and writes to it."""
        caches_all = prompt.caches_everything or bool(prompt.cache_key)
        marks = [caches_all or message.ends_cached_prefix for message in prompt.messages]
        length = max((number for number, mark in enumerate(marks, start=1) if mark), default=0)
        prefixes = {
            number: (model, prompt.cache_key, *prompt.messages[:number])
            for number in range(1, length + 1)
        }
        known = [number for number in prefixes if prefixes[number] in self._cached_prefixes]
        self._cached_prefixes.update(prefixes.values())
        read = _count_prefix(prompt, max(known)) if known else 0
        return read, (_count_prefix(prompt, length) if length else 0) - read


def _count_prefix(prompt: Prompt, length: int) -> int:
    """Count the tokens of the tools and the first messages, without their audio."""
    tools = sum(estimate_tokens(json.dumps(tool)) for tool in prompt.tools)
    return tools + sum(message.tokens for message in prompt.messages[:length])


def _count_text_tokens(answer: Answer) -> int:
    calls = sum(estimate_tokens(call.name + call.arguments_json) for call in answer.calls)
    return estimate_tokens(answer.text) + estimate_tokens(answer.refusal or "") + calls


def override_usage(usage: dict[str, Any], over: Mapping[str, Any] | None) -> dict[str, Any]:
    """Apply scripted usage fields in the format of either endpoint; nested details are merged."""
    for key, value in (over or {}).items():
        name = key if key in usage else _OTHER_NAMES.get(key, key)
        has_details = isinstance(value, Mapping) and isinstance(usage.get(name), Mapping)
        usage[name] = {**usage[name], **value} if has_details else value
    return usage

"""Estimate token usage: text by characters, audio by seconds, other files by a fixed number."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.prompt import Prompt, estimate_text_tokens
from orq_router_integrations.testing.media.attachment import AUDIO_TOKENS
from orq_router_integrations.testing.media.tone_codec import SAMPLE_RATE
from orq_router_integrations.testing.serialization import encode_json

CHAT_NAMES = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}
"""Names of usage fields on /chat/completions by their names on /responses."""

_NAMES = {chat_name: name for name, chat_name in CHAT_NAMES.items()}


class UsageCounter:
    """Counts tokens, and emulates the prompt caches of providers."""

    def __init__(self) -> None:
        self._cached_prefixes: set[tuple[object, ...]] = set()

    def count(self, prompt: Prompt, answers: Sequence[Answer], model: str) -> dict[str, Any]:
        """Return the usage of a request and its answers in the format of /responses."""
        cached, created = self._count_cached(prompt, model)
        attachments = [item for message in prompt.messages for item in message.attachments]
        audio_input = sum(attachment.audio_tokens for attachment in attachments)
        reasoning = sum(estimate_text_tokens(answer.reasoning or "") for answer in answers)
        audio_bytes = sum(len(answer.audio or b"") for answer in answers)
        audio_output = math.ceil(AUDIO_TOKENS * audio_bytes / (2 * SAMPLE_RATE))
        text = sum(max(1, _count_text_tokens(answer)) for answer in answers)
        input_tokens = _count_prefix(prompt, len(prompt.messages)) + audio_input
        output_tokens = text + reasoning + audio_output
        usage = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
            "input_tokens_details": {
                "cached_tokens": cached,
                "cache_creation_tokens": created,
                "audio_tokens": audio_input,
            },
            "output_tokens_details": {
                "reasoning_tokens": reasoning,
                "audio_tokens": audio_output,
            },
        }
        return _merge_scripted_usage(usage, answers[0].usage or {})

    def _count_cached(self, prompt: Prompt, model: str) -> tuple[int, int]:
        """Count the tokens that a request reads from the cache and writes to it."""
        key = prompt.body.get("prompt_cache_key")
        caches_all = bool(key or prompt.body.get("cache_control"))
        marks = [caches_all or message.ends_cached_prefix for message in prompt.messages]
        length = max((number for number, mark in enumerate(marks, start=1) if mark), default=0)
        prefixes = {
            number: (model, key, *prompt.messages[:number]) for number in range(1, length + 1)
        }
        known = [number for number in prefixes if prefixes[number] in self._cached_prefixes]
        self._cached_prefixes.update(prefixes.values())
        read = _count_prefix(prompt, max(known)) if known else 0
        return read, (_count_prefix(prompt, length) if length else 0) - read


def _count_prefix(prompt: Prompt, length: int) -> int:
    """Count the tokens of the tools and the first messages, without their audio."""
    tools = sum(estimate_text_tokens(encode_json(tool).decode()) for tool in prompt.tools)
    return tools + sum(message.tokens for message in prompt.messages[:length])


def _count_text_tokens(answer: Answer) -> int:
    calls = sum(estimate_text_tokens(call.name + call.arguments_json) for call in answer.calls)
    return estimate_text_tokens(answer.text) + estimate_text_tokens(answer.refusal or "") + calls


def _merge_scripted_usage(usage: dict[str, Any], scripted: Mapping[str, Any]) -> dict[str, Any]:
    """Apply scripted fields in the format of either endpoint; nested details are merged."""
    for key, value in scripted.items():
        name = _NAMES.get(key, key)
        has_details = isinstance(value, Mapping) and isinstance(usage.get(name), Mapping)
        usage[name] = {**usage[name], **value} if has_details else value
    return usage

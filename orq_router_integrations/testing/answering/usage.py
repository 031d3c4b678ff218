"""Estimate token usage: text by characters, audio by seconds, other files by a fixed number."""

import math
from collections.abc import Mapping
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


def count_usage(prompt: Prompt, answer: Answer, choices: int = 1) -> dict[str, Any]:
    """Return the usage of a request in the format of /responses.

    Scripted usage replaces or extends it, in the format of either endpoint.
    """
    attachments = [item for message in prompt.messages for item in message.attachments]
    tools = estimate_text_tokens(*(encode_json(tool).decode() for tool in prompt.tools))
    audio_input = sum(attachment.audio_tokens for attachment in attachments)
    input_tokens = tools + audio_input + sum(message.tokens for message in prompt.messages)
    calls = (call.name + call.arguments for call in answer.calls)
    text = max(1, estimate_text_tokens(answer.text, answer.refusal or "", *calls))
    reasoning = choices * estimate_text_tokens(answer.reasoning or "")
    audio_seconds = choices * len(answer.audio or b"") / (2 * SAMPLE_RATE)
    audio_output = math.ceil(AUDIO_TOKENS * audio_seconds)
    output_tokens = choices * text + reasoning + audio_output
    usage: dict[str, Any] = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "input_tokens_details": {"cached_tokens": 0, "audio_tokens": audio_input},
        "output_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": audio_output},
    }
    for key, value in (answer.usage or {}).items():
        name = _NAMES.get(key, key)
        has_details = isinstance(value, Mapping) and isinstance(usage.get(name), Mapping)
        usage[name] = {**usage[name], **value} if has_details else value
    return usage

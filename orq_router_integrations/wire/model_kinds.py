"""Kinds of well-known models, to reject a model that an endpoint cannot use."""

import re
from typing import Literal

from orq_router_integrations.wire.model_names import get_base_name

ModelKind = Literal[
    "chat", "embedding", "image", "moderation", "ocr", "rerank", "speech", "transcription"
]

_NAME_PATTERNS: dict[ModelKind, str] = {
    "embedding": r"embed|^bge-m3",
    "rerank": r"rerank",
    "moderation": r"moderation",
    "ocr": r"-ocr",
    "transcription": r"-transcribe|^whisper-",
    "speech": r"-tts|^tts-1",
    "image": r"^(dall-e|gpt-image)-",
    "chat": r"^(claude|deepseek|gemini|gpt-3\.5|grok|o4)-|^(gpt-[45]|o[13]|llama-3)"
    r"|^mistral-(large|small)",
}
"""Patterns of model names without their provider. The first one that matches decides."""


def get_model_kind(model: str) -> ModelKind | None:
    """Return the kind of a model, or ``None`` if it is not known.

    >>> get_model_kind("openai/text-embedding-3-small"), get_model_kind("openai/gpt-4o")
    ('embedding', 'chat')
    """
    name = get_base_name(model)
    matches = (kind for kind, pattern in _NAME_PATTERNS.items() if re.search(pattern, name))
    return next(matches, None)


def check_model_kind(model: str, expected: ModelKind, example: str) -> None:
    """Reject a model that is known to be of another kind. Unknown models pass."""
    kind = get_model_kind(model)
    if kind not in {expected, None}:
        raise ValueError(
            f"model: {model} is for {kind}. Use a model for {expected}, such as {example}."
        )

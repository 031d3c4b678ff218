"""The kind of well-known models: embedding, rerank, chat and so on.

A call is rejected early if its model certainly does not fit the endpoint. Unknown models are never
rejected.
"""

from typing import Literal

ModelKind = Literal[
    "chat", "embedding", "image", "moderation", "ocr", "rerank", "speech", "transcription"
]

_KIND_BY_PART: dict[str, ModelKind] = {
    "embed": "embedding",
    "rerank": "rerank",
    "moderation": "moderation",
    "-ocr": "ocr",
    "-transcribe": "transcription",
    "-tts": "speech",
}
"""Parts of model names that identify their kind."""

_KIND_BY_PREFIX: dict[str, ModelKind] = {
    "bge-m3": "embedding",
    "claude-": "chat",
    "dall-e-": "image",
    "deepseek-": "chat",
    "gemini-": "chat",
    "gpt-3.5-": "chat",
    "gpt-4": "chat",
    "gpt-5": "chat",
    "gpt-image-": "image",
    "grok-": "chat",
    "llama-3": "chat",
    "mistral-large": "chat",
    "mistral-small": "chat",
    "o1": "chat",
    "o3": "chat",
    "o4-": "chat",
    "tts-1": "speech",
    "whisper-": "transcription",
}


def get_base_name(model: str) -> str:
    """Return the name of a model without its provider, in lower case."""
    return model.partition("/")[2].lower()


def get_model_kind(model: str) -> ModelKind | None:
    """Return the kind of a model, or ``None`` if it is not known.

    >>> get_model_kind("openai/text-embedding-3-small"), get_model_kind("openai/gpt-4o")
    ('embedding', 'chat')
    """
    name = get_base_name(model)
    for part, kind in _KIND_BY_PART.items():
        if part in name:
            return kind
    return next((kind for start, kind in _KIND_BY_PREFIX.items() if name.startswith(start)), None)


def check_model_kind(model: str, expected: ModelKind, example: str) -> None:
    """Reject a model that is known to be of another kind. The error suggests ``example``."""
    kind = get_model_kind(model)
    if kind not in {expected, None}:
        raise ValueError(
            f"model: {model} is {_add_article(kind)} model. Use {_add_article(expected)} model, "
            f"such as {example}."
        )


def _add_article(kind: ModelKind | None) -> str:
    if kind == "ocr":
        return "an OCR"
    return f"an {kind}" if kind in {"embedding", "image"} else f"a {kind}"

"""Names of models: their provider, their kind, and the model that answered a call."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from orq_router_integrations.wire.controls import RouterControls

ANSWERED_MODEL_HEADER = "x-orq-offline-model"
"""Header in which the offline router names the model that answered.

The real router has no such header, and its image and audio responses do not name the model.
"""

_SNAPSHOT_SUFFIX = re.compile(r"[-@](?:\d[\d-]*|latest)")


@dataclass(frozen=True, slots=True)
class ModelCandidates:
    """The models that may answer a call."""

    model: str  # the requested one
    candidates: tuple[str, ...]  # models of the load balancer or the requested one, then fallbacks
    fallbacks: tuple[str, ...] = ()  # the candidates that are only used if the others fail

    @classmethod
    def from_controls(cls, model: str, controls: RouterControls) -> "ModelCandidates":
        """Collect the candidates from the requested model and the controls of a call."""
        balancer = controls.load_balancer
        primaries = [weighted.model for weighted in balancer.models] if balancer else [model]
        fallbacks = tuple(item.model for item in controls.fallbacks or ())
        return cls(model, (*primaries, *fallbacks), fallbacks)

    @property
    def primaries(self) -> tuple[str, ...]:
        return self.candidates[: len(self.candidates) - len(self.fallbacks)]

    @property
    def primary_provider(self) -> str:
        """The provider that is tried first. Empty if there are several."""
        return _get_common_provider(self.primaries)

    def resolve_provider(self, answering_model: str) -> str:
        """Return the provider of the model that answered, or an empty string if it is unknown."""
        return get_provider(answering_model) or _get_common_provider(self.candidates)

    def is_fallback(self, answering_model: str) -> bool:
        """Check whether the model that answered is a fallback and not a primary candidate."""
        return bool(_match_name(answering_model, self.fallbacks)) and not _match_name(
            answering_model, self.primaries
        )

    def qualify_name(self, name: str) -> str:
        """Add the provider to a model name.

        The router reports the provider's name of the model, often with the date of a snapshot, but
        not the provider. The name is returned unchanged unless exactly one candidate matches it.
        """
        matches = _match_name(name, self.candidates)
        if len(matches) != 1 or name == matches[0] or _is_snapshot(name, matches[0]):
            return name  # ambiguous, or it already includes the provider
        provider = get_provider(matches[0])
        return f"{provider}/{name}" if provider else name

    def resolve_model(self, body_model: Any, headers: Mapping[str, str]) -> str | None:
        """Return the id of the model that answered, or ``None`` if it cannot be determined.

        >>> ModelCandidates("openai/dall-e-2", ("openai/dall-e-2",)).resolve_model(None, {})
        'openai/dall-e-2'
        """
        if isinstance(body_model, str) and body_model:
            return self.qualify_name(body_model)
        if header := headers.get(ANSWERED_MODEL_HEADER):
            return header
        return self.candidates[0] if len(set(self.candidates)) == 1 else None


def get_provider(model: str) -> str:
    """Return the provider of a model id.

    Bare model names, smart routers (``workspace@orq/name``) and agents have none, so the result is
    empty.
    """
    provider, slash, _ = model.partition("/")
    return provider if slash and "@" not in provider and provider != "agent" else ""


def _get_common_provider(models: tuple[str, ...]) -> str:
    providers = {get_provider(model) for model in models}
    return providers.pop() if len(providers) == 1 else ""


@lru_cache(maxsize=256)  # saves 8 microseconds for each answer
def _match_name(name: str, candidates: tuple[str, ...]) -> tuple[str, ...]:
    """Return the candidates that a name with or without provider may refer to."""
    spellings = {model: (model, model.partition("/")[2]) for model in candidates}
    exact = tuple(model for model, names in spellings.items() if name in names)
    return exact or tuple(
        model
        for model, names in spellings.items()
        if any(_is_snapshot(name, spelling) for spelling in names)
    )


def _is_snapshot(name: str, model: str) -> bool:
    base = model.removesuffix("-latest")
    return name.startswith(base) and _SNAPSHOT_SUFFIX.fullmatch(name, len(base)) is not None


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


def get_base_name(model: str) -> str:
    """Return the name of a model without its provider, in lower case."""
    return model.partition("/")[2].lower()


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

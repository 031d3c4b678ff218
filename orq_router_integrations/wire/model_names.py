"""Model names: find their provider, and the model that answered a call."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from orq_router_integrations.wire.controls import RouterControls

ANSWERED_MODEL_HEADER = "x-orq-offline-model"
"""Header in which the offline router names the model that answered.

The real router has no such header, and its image and audio responses do not name the model.
"""

_SNAPSHOT_SUFFIX = re.compile(r"[-@](?:\d[\d-]*|latest)")  # such as -2024-08-06, @001 and -latest


@dataclass(frozen=True, slots=True)
class ModelCandidates:
    """The models that may answer a call."""

    model: str  # the requested one
    candidates: tuple[str, ...]  # models of the load balancer or the requested one, then fallbacks
    fallbacks: tuple[str, ...] = ()  # the candidates that are only used if the others fail

    @classmethod
    def from_controls(cls, model: str, controls: RouterControls) -> "ModelCandidates":
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
        is_primary = bool(_match_name(answering_model, self.primaries))
        return not is_primary and bool(_match_name(answering_model, self.fallbacks))

    def qualify_name(self, name: str) -> str:
        """Add the provider to a model name.

        The router reports the provider's name of the model, often with the date of a snapshot, but
        not the provider. The name is returned unchanged unless exactly one candidate matches it.
        """
        matches = _match_name(name, self.candidates)
        provider = get_provider(matches[0]) if len(matches) == 1 else ""
        is_complete = not provider or name.startswith(f"{provider}/")
        return name if is_complete else f"{provider}/{name}"

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


def get_base_name(model: str) -> str:
    """Return the name of a model without its provider, in lower case."""
    return model.partition("/")[2].lower()

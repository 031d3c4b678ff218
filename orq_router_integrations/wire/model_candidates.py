"""Which models a call may be answered by, and which of them did."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.wire.controls import RouterControls

ANSWERED_MODEL_HEADER = "x-orq-offline-model"
"""The header in which the offline router names the model that answered.

The real one has no such header that is known (contract, section 8), and its replies with images
or sound do not name the model at all.
"""

SNAPSHOT = re.compile(r"[-@](?:\d[\d-]*|latest)")
"""What a provider adds to the name of a model of a certain date."""


@dataclass(frozen=True, slots=True)
class ModelCandidates:
    """The models that a call may be answered by.

    Attributes:
        model: the one that was asked for.
        candidates: all that the router may ask: a load balancer's, or the model's own and then
            the fallbacks.
        fallbacks: the candidates that are asked only when the others fail.
    """

    model: str
    candidates: tuple[str, ...]
    fallbacks: tuple[str, ...] = ()

    @classmethod
    def from_controls(cls, model: str, controls: RouterControls) -> "ModelCandidates":
        """The candidates for a model under these controls."""
        balancer = controls.load_balancer
        first = [weighted.model for weighted in balancer.models] if balancer else [model]
        fallbacks = tuple(item.model for item in controls.fallbacks or ())
        return cls(model, (*first, *fallbacks), fallbacks)

    @property
    def primaries(self) -> tuple[str, ...]:
        """The candidates that are asked first."""
        return self.candidates[: len(self.candidates) - len(self.fallbacks)]

    @property
    def primary_provider(self) -> str:
        """The provider that is asked first; empty where it may be one of several."""
        return _sole_provider(self.primaries)

    def resolve_provider(self, answering_model: str) -> str:
        """The provider of the model that answered; empty where nothing tells."""
        return get_provider(answering_model) or _sole_provider(self.candidates)

    def is_fallback(self, answering_model: str) -> bool:
        """Whether the model that answered is a fallback, as far as its name tells."""
        return bool(self._fitting(answering_model, self.fallbacks)) and not self._fitting(
            answering_model, self.primaries
        )

    def qualify_name(self, name: str) -> str:
        """The full id of the candidate that a provider's own name stands for.

        The wire gives the provider's name of the model, often a dated snapshot, and never the
        provider (contract section 1.5). Where exactly one candidate fits, its provider is put
        before the name; where none or several fit, the name stays as it is.
        """
        fitting = self._fitting(name, self.candidates)
        if len(fitting) != 1 or name == fitting[0] or _is_snapshot(name, fitting[0]):
            return name  # not certain, or in full already, as some proxies say it
        provider = get_provider(fitting[0])
        return f"{provider}/{name}" if provider else name

    @staticmethod
    def _fitting(name: str, candidates: tuple[str, ...]) -> list[str]:
        """The candidates that a name may stand for, with its provider or without."""
        names = {own: (own, own.partition("/")[2]) for own in candidates}
        exact = [own for own, both in names.items() if name in both]
        return exact or [
            own for own, both in names.items() if any(_is_snapshot(name, end) for end in both)
        ]

    def resolve_model(self, body_model: Any, headers: Mapping[str, str]) -> str | None:
        """The full id of the model that answered, as far as it is known.

        By what the reply's body names, by the offline router's header, or because only one model
        was asked; ``None`` where several were and nothing tells which of them it was.

        Args:
            body_model: the body's ``model``, where there is one.
            headers: the reply's.

        >>> ModelCandidates("openai/dall-e-2", ("openai/dall-e-2",)).resolve_model(None, {})
        'openai/dall-e-2'
        """
        if isinstance(body_model, str) and body_model:
            return self.qualify_name(body_model)
        if told := headers.get(ANSWERED_MODEL_HEADER):
            return told
        return self.candidates[0] if len(set(self.candidates)) == 1 else None


def _is_snapshot(name: str, model: str) -> bool:
    base = model.removesuffix("-latest")
    return name.startswith(base) and SNAPSHOT.fullmatch(name, len(base)) is not None


def get_provider(model: str) -> str:
    """The provider in a model's id; empty for a bare name, a smart router and an agent."""
    provider, slash, _ = model.partition("/")
    return provider if slash and "@" not in provider and provider != "agent" else ""


def _sole_provider(models: tuple[str, ...]) -> str:
    found = {get_provider(model) for model in models}
    return found.pop() if len(found) == 1 else ""

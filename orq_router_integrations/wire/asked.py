"""Which models a call may be answered by, and which of them did."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.wire.controls import RouterControls

ANSWERED_BY = "x-orq-offline-model"
"""The header in which the offline router names the model that answered.

The real one has no such header that is known (contract, section 8), and its replies with images
or sound do not name the model at all.
"""

SNAPSHOT = re.compile(r"[-@](?:\d[\d-]*|latest)")
"""What a provider adds to the name of a model of a certain date."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The models that a call may be answered by.

    Attributes:
        model: the one that was asked for.
        candidates: all that the router may ask: a load balancer's, or the model's own and then
            the fallbacks.
    """

    model: str
    candidates: tuple[str, ...]

    @classmethod
    def by(cls, model: str, controls: RouterControls) -> "Asked":
        """The candidates for a model under these controls."""
        balancer = controls.load_balancer
        first = [weighted.model for weighted in balancer.models] if balancer else [model]
        return cls(model, (*first, *(item.model for item in controls.fallbacks or ())))

    def answered_by(self, name: str) -> str:
        """The full id of the candidate that a provider's own name stands for.

        The wire gives the provider's name of the model, often a dated snapshot, and never the
        provider (contract section 1.5). Where exactly one candidate fits, its provider is put
        before the name; where none or several fit, the name stays as it is.
        """
        ends = {candidate: candidate.partition("/")[2] for candidate in self.candidates}
        exact = [candidate for candidate, end in ends.items() if end == name]
        dated = [
            candidate
            for candidate, end in ends.items()
            if name.startswith(end) and SNAPSHOT.fullmatch(name, len(end))
        ]
        fitting = exact or dated
        provider = fitting[0].partition("/")[0] if len(fitting) == 1 else ""
        return f"{provider}/{name}" if provider else name

    def answering(self, named: Any, headers: Mapping[str, str]) -> str | None:
        """The full id of the model that answered, as far as it is known.

        By what the reply's body names, by the offline router's header, or because only one model
        was asked; ``None`` where several were and nothing tells which of them it was.

        Args:
            named: the body's ``model``, where there is one.
            headers: the reply's.

        >>> Asked("openai/dall-e-2", ("openai/dall-e-2",)).answering(None, {})
        'openai/dall-e-2'
        """
        if isinstance(named, str) and named:
            return self.answered_by(named)
        if told := headers.get(ANSWERED_BY):
            return told
        return self.candidates[0] if len(set(self.candidates)) == 1 else None

"""Who answered, and how the call went: the ``response_metadata`` of a message."""

import re
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.chat_models.blocks import PROVIDER
from orq_router_integrations.wire.call import Reply
from orq_router_integrations.wire.controls import RouterControls

_FROM_BODY = ("id", "created", "system_fingerprint", "service_tier")
_LIMITS = "x-ratelimit-"
_SNAPSHOT = re.compile(r"[-@](?:\d[\d-]*|latest)")


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
            if name.startswith(end) and _SNAPSHOT.fullmatch(name, len(end))
        ]
        fitting = exact or dated
        provider = fitting[0].partition("/")[0] if len(fitting) == 1 else ""
        return f"{provider}/{name}" if provider else name


def provenance(body: dict[str, Any], reply: Reply, asked: Asked) -> dict[str, Any]:
    """What a reply says about where it comes from.

    ``model_name`` is the model that answered, ``response_model`` its name on the wire, and
    ``requested_model`` the one that was asked for.
    """
    named = body.get("model")
    limits = {name: value for name, value in reply.headers.items() if name.startswith(_LIMITS)}
    found = {
        "model_provider": PROVIDER,
        "model_name": asked.answered_by(named) if isinstance(named, str) else None,
        "response_model": named,
        "requested_model": asked.model,
        **{name: body.get(name) for name in _FROM_BODY},
        "trace_id": reply.trace_id,
        "attempts": reply.attempts,
        "rate_limits": limits or None,
        "offline": reply.headers.get("x-orq-offline") == "1" or None,
    }
    return {name: value for name, value in found.items() if value is not None}

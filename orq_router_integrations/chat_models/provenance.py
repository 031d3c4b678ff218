"""Who answered, and how the call went: the ``response_metadata`` of a message."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from langchain_core.messages import BaseMessage

from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.model_candidates import ModelCandidates

_FROM_BODY = ("api", "id", "created", "system_fingerprint", "service_tier")
_LIMITS = "x-ratelimit-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where an answer comes from: a typed view of its ``response_metadata``.

    Attributes:
        requested_model: the model that was asked for.
        answering_model: the one that answered, with its provider where that is certain.
        response_model: its name on the wire.
        finish_reason: why the answer ends.
        attempts: requests the client sent; the router's own retries are not on the wire.
        trace_id: the router's trace.
        rate_limits: the router's ``x-ratelimit-*`` headers.
        latency: seconds from the first request to the end of the answer.
        cost: US dollars, where the router states it (the Responses API).
        offline: whether the offline router answered, which says nothing about the real one.
        upstream: the provider that answered, where the name of the model or the only provider
            asked tells it.
        fell_back: whether a fallback answered, as far as the name of the model tells.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> message = ChatOrq(model="openai/gpt-4o", client=OfflineRouter().client()).invoke("Hi")
    >>> Provenance.of(message).answering_model
    'openai/gpt-4o'
    """

    requested_model: str | None = None
    answering_model: str | None = None
    response_model: str | None = None
    finish_reason: str | None = None
    attempts: int = 1
    trace_id: str | None = None
    rate_limits: dict[str, str] = field(default_factory=dict)
    latency: float | None = None
    cost: float | None = None
    offline: bool = False
    upstream: str | None = None
    fell_back: bool = False

    @classmethod
    def of(cls, message: BaseMessage) -> "Provenance":
        """The provenance of a message, whole or added up from a stream."""
        metadata = {**message.response_metadata}
        metadata["answering_model"] = metadata.get("model_name")
        return cls(**{f.name: metadata[f.name] for f in fields(cls) if f.name in metadata})


def create_response_metadata(
    body: dict[str, Any], reply: Response, asked: ModelCandidates
) -> dict[str, Any]:
    """What a reply says about where it comes from: the ``response_metadata`` of its message."""
    named = body.get("model")
    answered = asked.qualify_name(named) if isinstance(named, str) else None
    limits = {name: value for name, value in reply.headers.items() if name.startswith(_LIMITS)}
    found = {
        "model_provider": PROVIDER,
        "model_name": answered,
        "response_model": named,
        "requested_model": asked.model,
        **{name: body.get(name) for name in _FROM_BODY},
        "trace_id": reply.trace_id,
        "attempts": reply.attempts,
        "rate_limits": limits or None,
        "latency": round(reply.elapsed_seconds, 6),
        "cost": _cost(body.get("usage")),
        "upstream": asked.resolve_provider(answered or "") or None,
        "fell_back": asked.is_fallback(answered or "") or None,
        "offline": reply.headers.get("x-orq-offline") == "1" or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _cost(usage: Any) -> float | None:
    cost = usage.get("total_cost") if isinstance(usage, dict) else None
    return float(cost) if isinstance(cost, (int, float)) and math.isfinite(cost) else None

"""Provenance of an answer: the model that created it, and the requests that were needed."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from langchain_core.messages import BaseMessage

from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.model_candidates import ModelCandidates

_BODY_FIELDS = ("api", "id", "created", "system_fingerprint", "service_tier")
_RATE_LIMIT_PREFIX = "x-ratelimit-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A typed view of the ``response_metadata`` of a message.

    Attributes:
        requested_model: model that was requested.
        answering_model: model that answered; with its provider, if that is certain.
        response_model: name of the model in the response.
        finish_reason: reason why the answer ended, such as ``stop`` or ``length``.
        attempts: number of requests that the client sent. Retries by the router are not counted,
            because the response does not show them.
        trace_id: id of the router's trace.
        rate_limits: ``x-ratelimit-*`` headers of the response.
        latency: seconds from the first request to the end of the answer.
        cost: price in US dollars; only the Responses API returns it.
        offline: whether the answer comes from the offline router instead of a real model.
        upstream: provider that answered, if the name of the model or the request identifies it.
        fell_back: whether a fallback model answered, if the name of the model identifies it.

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
        """Read the provenance of a complete message, or of the sum of its streamed chunks."""
        metadata = {**message.response_metadata}
        metadata["answering_model"] = metadata.get("model_name")
        return cls(**{f.name: metadata[f.name] for f in fields(cls) if f.name in metadata})


def create_response_metadata(
    body: dict[str, Any], response: Response, candidates: ModelCandidates
) -> dict[str, Any]:
    """Create the ``response_metadata`` of a message; unknown values are left out.

    Args:
        body: the completion, or the merged chunks of a stream without their choices.
        response: response with the headers; its body may be missing.
        candidates: models that may have answered.
    """
    response_model = body.get("model")
    model = candidates.qualify_name(response_model) if isinstance(response_model, str) else None
    prefix = _RATE_LIMIT_PREFIX
    limits = {name: value for name, value in response.headers.items() if name.startswith(prefix)}
    metadata = {
        "model_provider": PROVIDER,
        "model_name": model,
        "response_model": response_model,
        "requested_model": candidates.model,
        **{name: body.get(name) for name in _BODY_FIELDS},
        "trace_id": response.trace_id,
        "attempts": response.attempts,
        "rate_limits": limits or None,
        "latency": round(response.elapsed_seconds, 6),
        "cost": _get_cost(body.get("usage")),
        "upstream": candidates.resolve_provider(model or "") or None,
        "fell_back": candidates.is_fallback(model or "") or None,
        "offline": response.headers.get("x-orq-offline") == "1" or None,
    }
    return {name: value for name, value in metadata.items() if value is not None}


def _get_cost(usage: Any) -> float | None:
    cost = usage.get("total_cost") if isinstance(usage, dict) else None
    return float(cost) if isinstance(cost, (int, float)) and math.isfinite(cost) else None

"""Describe which model created an answer, and how its call went."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

from langchain_core.messages import BaseMessage

from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.json import as_dict
from orq_router_integrations.wire.model_candidates import ModelCandidates

_BODY_FIELDS = ("api", "id", "created", "system_fingerprint", "service_tier")
_RATE_LIMIT_PREFIX = "x-ratelimit-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A typed view of the ``response_metadata`` of a message.

    Attributes:
        requested_model: Model that was requested.
        answering_model: Model that answered, including its provider if it is certain.
        response_model: Name of the model in the response, usually without a provider.
        finish_reason: Reason why the answer ended, such as ``stop`` or ``length``.
        attempts: Number of requests that the client sent. Retries of the router are not included;
            responses do not report them.
        trace_id: ID of the router's trace.
        rate_limits: ``x-ratelimit-*`` headers of the response.
        latency: Seconds from the first request to the end of the answer.
        cost: Price in US dollars. Only the Responses API reports it.
        offline: Whether the offline router created the answer, instead of a real model.
        upstream: Provider that answered, if the response or the request identifies it.
        fell_back: Whether a fallback answered, if the model name in the response shows it.

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
        """Read the provenance from a message, which may be the sum of streamed chunks.

        Raises:
            RouterInputError: If it is not a message.
        """
        if not isinstance(message, BaseMessage):
            raise RouterInputError(
                f"message: Expected an AIMessage, got {type(message).__name__}. With structured "
                "output, pass include_raw=True and use the message under 'raw'."
            )
        metadata = {**message.response_metadata}
        metadata["answering_model"] = metadata.get("model_name")
        return cls(**{f.name: metadata[f.name] for f in fields(cls) if f.name in metadata})


def create_response_metadata(
    body: dict[str, Any], response: Response, candidates: ModelCandidates
) -> dict[str, Any]:
    """Create the ``response_metadata`` of a message, without unknown values.

    Args:
        body: The completion, or the merged chunks of a stream.
        response: The response; only its headers and timing are used.
        candidates: Models that may have answered.
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
    try:
        cost = float(as_dict(usage).get("total_cost"))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return cost if math.isfinite(cost) else None

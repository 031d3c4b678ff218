"""Metadata of an answer: its model, its call, its finish reason and its token usage."""

from dataclasses import dataclass, field, fields
from typing import Any, cast

from langchain_core.messages import BaseMessage
from langchain_core.messages.ai import UsageMetadata

from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.html_table import format_table
from orq_router_integrations.wire.json import as_dict, as_float, as_str
from orq_router_integrations.wire.model_names import ModelCandidates

_BODY_FIELDS = ("api", "id", "created", "system_fingerprint", "service_tier")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """A typed view of the ``response_metadata`` of a message.

    Attributes:
        requested_model: Model that was requested.
        answering_model: Model that answered, including its provider if it is certain.
        response_model: Name of the model in the response, usually without a provider.
        finish_reason: Reason why the answer ended, such as ``stop`` or ``length``.
        attempts: Number of requests that the client sent. Retries by the router are not included,
            because responses do not report them.
        trace_id: Id of the router's trace.
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
            RouterInputError: It is not a message.
        """
        if not isinstance(message, BaseMessage):
            raise RouterInputError(
                f"message: Expected an AIMessage, got {type(message).__name__}. With structured "
                "output, pass include_raw=True and use the message under 'raw'."
            )
        metadata = {**message.response_metadata}
        metadata["answering_model"] = metadata.get("model_name")
        return cls(**{f.name: metadata[f.name] for f in fields(cls) if f.name in metadata})

    def _repr_html_(self) -> str:
        rows = [(f.name, getattr(self, f.name)) for f in fields(self)]
        return format_table(("", "value"), [row for row in rows if row[1] not in (None, {})])


def create_response_metadata(
    body: dict[str, Any], response: Response, candidates: ModelCandidates
) -> dict[str, Any]:
    """Create the ``response_metadata`` from a completion, or from the merged chunks of a stream."""
    response_model = body.get("model")
    model = candidates.qualify_name(response_model) if isinstance(response_model, str) else None
    headers = response.headers.items()
    limits = {name: value for name, value in headers if name.startswith("x-ratelimit-")}
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
        "cost": as_float(as_dict(body.get("usage")).get("total_cost")),
        "upstream": candidates.resolve_provider(model or "") or None,
        "fell_back": candidates.is_fallback(model or "") or None,
        "offline": response.is_offline or None,
    }
    return {name: value for name, value in metadata.items() if value is not None}


# Finish reasons

FINISH_FIELDS = ("finish_reason", "normalized_finish_reason", "finish_state")
"""Fields of ``response_metadata`` that the last event of a stream repeats."""

_NORMALIZED = {
    **dict.fromkeys(("stop", "end_turn", "stop_sequence", "eos", "eos_token"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length"), "length"),
    "model_context_window_exceeded": "length",
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use", "function_call"), "tool_call"),
    **dict.fromkeys(("content_filter", "recitation", "spii", "image_safety"), "content_filter"),
    # Gemini's reasons are refusals in LangChain's own integration, too.
    **dict.fromkeys(("refusal", "safety", "prohibited_content", "blocklist"), "refusal"),
}
"""The normalized reason, by the provider's reason in lower case."""

_FINISH_STATES = {
    **dict.fromkeys(("stop", "tool_call"), "completed"),
    **dict.fromkeys(("length", "content_filter", "refusal"), "incomplete"),
}


def normalize_finish_reason(reason: Any) -> str | None:
    """Return ``stop``, ``length``, ``tool_call``, ``content_filter``, ``refusal`` or ``None``."""
    return _NORMALIZED.get(str(reason).lower())


def get_refusal(message: BaseMessage) -> str | None:
    """Return the text of a refusal, which may be empty, or ``None`` if the model did not refuse."""
    if refusal := as_str(message.additional_kwargs.get("refusal")):
        return refusal
    reason = message.response_metadata.get("finish_reason")
    return "" if normalize_finish_reason(reason) == "refusal" else None


def create_finish_metadata(
    reason: Any, *, has_refusal: bool, has_tool_calls: bool
) -> dict[str, str]:
    """Create the fields of ``response_metadata`` that describe why an answer ended.

    The result is empty if the provider gave no reason. Providers may send ``stop`` with refusals
    and tool calls.
    """
    if not reason:
        return {}
    normalized = normalize_finish_reason(reason)
    if has_refusal:
        normalized = "refusal"
    elif has_tool_calls and normalized == "stop":
        normalized = "tool_call"
    state = "cancelled" if reason == "cancelled" else _FINISH_STATES.get(normalized or "")
    values = (reason, normalized, state)
    return {name: value for name, value in zip(FINISH_FIELDS, values, strict=True) if value}


# Token usage

_INPUT_DETAILS = {
    "cached_tokens": "cache_read",
    "cache_creation_tokens": "cache_creation",
    "cache_write_tokens": "cache_creation",
    "audio_tokens": "audio",
}
_OUTPUT_DETAILS = {"reasoning_tokens": "reasoning", "audio_tokens": "audio"}


def create_usage_metadata(body: dict[str, Any]) -> UsageMetadata | None:
    """Create usage metadata from the ``usage`` of a response, or ``None`` if it is missing.

    Providers use the names of Chat Completions (``prompt_tokens``) and of the Responses API
    (``input_tokens``) with both APIs, so both are read. For service tiers with their own prices,
    the details are named as in langchain-openai: for example, ``flex_cache_read`` for cached input
    tokens and ``flex`` for the others.
    """
    payload, service_tier = body.get("usage"), body.get("service_tier")
    if not isinstance(payload, dict):
        return None
    counts = {
        name.replace("prompt_", "input_").replace("completion_", "output_"): value
        for name, value in payload.items()
        if value
    }
    usage: dict[str, Any] = {}
    for kind, names, excluded in (
        ("input", _INPUT_DETAILS, "cache_read"),
        ("output", _OUTPUT_DETAILS, "reasoning"),
    ):
        count = parse_token_count(counts.get(f"{kind}_tokens"))
        values = as_dict(counts.get(f"{kind}_tokens_details"))
        details = {
            name: parse_token_count(values[key])
            for key, name in names.items()
            if values.get(key) is not None
        }
        if service_tier in ("flex", "priority"):
            remaining = count - details.get(excluded, 0)
            details = {
                name if name == "audio" else f"{service_tier}_{name}": value
                for name, value in details.items()
            }
            details[service_tier] = remaining
        usage[f"{kind}_tokens"] = count
        if details:
            usage[f"{kind}_token_details"] = details
    total = parse_token_count(counts.get("total_tokens"))
    usage["total_tokens"] = total or usage["input_tokens"] + usage["output_tokens"]
    return cast("UsageMetadata", usage)


def parse_token_count(value: Any) -> int:
    """Convert a token count to an int; anything but a positive number becomes 0."""
    return max(int(as_float(value) or 0), 0)

"""Convert the token usage of a response to LangChain's usage metadata."""

import math
from typing import Any

from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata

from orq_router_integrations.wire.json import as_dict, as_int

_SEPARATELY_PRICED_TIERS = ("flex", "priority")

_INPUT_DETAILS = {
    "cached_tokens": "cache_read",
    "cache_creation_tokens": "cache_creation",
    "cache_write_tokens": "cache_creation",
    "audio_tokens": "audio",
}
_OUTPUT_DETAILS = {"reasoning_tokens": "reasoning", "audio_tokens": "audio"}


def create_usage_metadata(payload: Any, service_tier: Any = None) -> UsageMetadata | None:
    """Create usage metadata from the ``usage`` of a response, or ``None`` if it is missing.

    Providers use the names of Chat Completions (``prompt_tokens``) and of the Responses API
    (``input_tokens``) with both APIs, so both are read. For service tiers with their own prices,
    the details are named as in langchain-openai: for example, ``flex_cache_read`` for cached input
    tokens and ``flex`` for the others.
    """
    if not isinstance(payload, dict):
        return None
    input_tokens = parse_token_count(_get_first(payload, "prompt_tokens", "input_tokens"))
    output_tokens = parse_token_count(_get_first(payload, "completion_tokens", "output_tokens"))
    usage = UsageMetadata(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=parse_token_count(payload.get("total_tokens")) or input_tokens + output_tokens,
    )
    input_details = _parse_details(
        _get_first(payload, "prompt_tokens_details", "input_tokens_details"), _INPUT_DETAILS
    )
    output_details = _parse_details(
        _get_first(payload, "completion_tokens_details", "output_tokens_details"), _OUTPUT_DETAILS
    )
    if service_tier in _SEPARATELY_PRICED_TIERS:
        input_details = _apply_service_tier(input_details, input_tokens, service_tier, "cache_read")
        output_details = _apply_service_tier(
            output_details, output_tokens, service_tier, "reasoning"
        )
    if input_details:
        usage["input_token_details"] = InputTokenDetails(**input_details)  # type: ignore[typeddict-item]
    if output_details:
        usage["output_token_details"] = OutputTokenDetails(**output_details)  # type: ignore[typeddict-item]
    return usage


def parse_token_count(value: Any) -> int:
    """Convert a token count to an int; anything but a positive number becomes 0."""
    if isinstance(value, float) and math.isfinite(value):
        value = int(value)
    return max(as_int(value) or 0, 0)


def _get_first(payload: dict[str, Any], *names: str) -> Any:
    """Return the first value that is neither missing nor null."""
    return next((payload[name] for name in names if payload.get(name) is not None), None)


def _parse_details(payload: Any, names: dict[str, str]) -> dict[str, int]:
    details = as_dict(payload)
    return {
        name: parse_token_count(details[key])
        for key, name in names.items()
        if details.get(key) is not None
    }


def _apply_service_tier(
    details: dict[str, int], total: int, tier: str, excluded: str
) -> dict[str, int]:
    """Prefix details with the tier, and add a count of the tokens that are not ``excluded``."""
    prefixed = {
        name if name == "audio" else f"{tier}_{name}": count for name, count in details.items()
    }
    return {**prefixed, tier: total - details.get(excluded, 0)}

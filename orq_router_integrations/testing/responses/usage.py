"""The usage of a response, with its cost."""

from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.usage import Usage, override_usage
from orq_router_integrations.testing.responses.response_builder import SEARCHES

INPUT_COST = 1e-6
"""USD per token that is sent. Made up: no price of any model."""

OUTPUT_COST = 4e-6
"""USD per token that is answered. Made up: no price of any model."""

USAGE_NAMES = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"} | {
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}
"""This endpoint's names of what /chat/completions calls otherwise."""


def build_usage(usage: Usage, answer: Answer) -> dict[str, Any]:
    """The ``usage`` of a response, with what the answer scripts of it."""
    found: dict[str, Any] = {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_creation_tokens": usage.cache_creation_tokens,
            "cache_write_tokens": usage.cache_creation_tokens,
        },
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
    searches = sum(call.name in SEARCHES for call in answer.calls)
    if searches:
        found["server_tool_use"] = {"web_search_requests": searches}
    counted = override_usage(found, answer.usage, USAGE_NAMES)
    return _compute_costs(counted) | counted


def _compute_costs(counted: dict[str, Any]) -> dict[str, float]:
    cost_in = round((counted["input_tokens"] or 0) * INPUT_COST, 9)
    cost_out = round((counted["output_tokens"] or 0) * OUTPUT_COST, 9)
    total = round(cost_in + cost_out, 9)
    return {"input_cost": cost_in, "output_cost": cost_out, "total_cost": total}

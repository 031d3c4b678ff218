"""The usage of a response, with its cost (contract section 2.13)."""

from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.usage import Usage, overridden
from orq_router_integrations.testing.responses.replies import SEARCHES

INPUT_COST = 1e-6
"""USD per token that is sent. Made up: no price of any model."""

OUTPUT_COST = 4e-6
"""USD per token that is answered. Made up: no price of any model."""

NAMES = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"} | {
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}
"""This endpoint's names of what /chat/completions calls otherwise."""


def written(usage: Usage, answer: Answer) -> dict[str, Any]:
    """The ``usage`` of a response, with what the answer scripts of it."""
    found: dict[str, Any] = {
        "input_tokens": usage.prompt,
        "input_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_creation_tokens": usage.cache_written,
            "cache_write_tokens": usage.cache_written,
        },
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.prompt + usage.completion,
    }
    searches = sum(call.name in SEARCHES for call in answer.tool_calls)
    if searches:
        found["server_tool_use"] = {"web_search_requests": searches}
    counted = overridden(found, answer.usage, NAMES)
    return _costs(counted) | counted


def _costs(counted: dict[str, Any]) -> dict[str, float]:
    cost_in = round((counted["input_tokens"] or 0) * INPUT_COST, 9)
    cost_out = round((counted["output_tokens"] or 0) * OUTPUT_COST, 9)
    total = round(cost_in + cost_out, 9)
    return {"input_cost": cost_in, "output_cost": cost_out, "total_cost": total}

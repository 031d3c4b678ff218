"""Build the usage of a response, including costs."""

from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.usage import Usage, override_usage
from orq_router_integrations.testing.responses.response_builder import SEARCH_TOOLS

USD_PER_INPUT_TOKEN = 1e-6
"""Fictitious price of an input token, in USD."""

USD_PER_OUTPUT_TOKEN = 4e-6
"""Fictitious price of an output token, in USD."""

USAGE_NAMES = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"} | {
    "prompt_tokens_details": "input_tokens_details",
    "completion_tokens_details": "output_tokens_details",
}
"""Names of usage fields on this endpoint by their names on /chat/completions."""


def build_usage(usage: Usage, answer: Answer) -> dict[str, Any]:
    """Return the ``usage`` of a response, with the fields scripted by the answer."""
    body: dict[str, Any] = {
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
    searches = sum(call.name in SEARCH_TOOLS for call in answer.calls)
    if searches:
        body["server_tool_use"] = {"web_search_requests": searches}
    body = override_usage(body, answer.usage, USAGE_NAMES)
    return _compute_costs(body) | body


def _compute_costs(body: dict[str, Any]) -> dict[str, float]:
    input_cost = round((body["input_tokens"] or 0) * USD_PER_INPUT_TOKEN, 9)
    output_cost = round((body["output_tokens"] or 0) * USD_PER_OUTPUT_TOKEN, 9)
    total_cost = round(input_cost + output_cost, 9)
    return {"input_cost": input_cost, "output_cost": output_cost, "total_cost": total_cost}

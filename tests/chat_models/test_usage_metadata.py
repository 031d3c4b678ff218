"""Token usage in the spellings of both APIs."""

from typing import Any

import pytest

from orq_router_integrations.chat_models.response_metadata import (
    create_usage_metadata,
    parse_token_count,
)

TOKENS = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
USAGE = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
USAGES = {
    "totals": (TOKENS, USAGE),
    "no total": ({**TOKENS, "total_tokens": None}, USAGE),
    "prompt details": (
        {
            **TOKENS,
            "prompt_tokens_details": {
                "cached_tokens": 4,
                "cache_creation_tokens": 3,
                "audio_tokens": 2,
            },
        },
        {**USAGE, "input_token_details": {"cache_read": 4, "cache_creation": 3, "audio": 2}},
    ),
    "completion details": (
        {**TOKENS, "completion_tokens_details": {"reasoning_tokens": 4, "audio_tokens": 1}},
        {**USAGE, "output_token_details": {"reasoning": 4, "audio": 1}},
    ),
    "zero is kept": (
        {**TOKENS, "prompt_tokens_details": {"cached_tokens": 0}},
        {**USAGE, "input_token_details": {"cache_read": 0}},
    ),
    "null is left out": (
        {**TOKENS, "prompt_tokens_details": {"cached_tokens": None, "audio_tokens": 1}},
        {**USAGE, "input_token_details": {"audio": 1}},
    ),
    "null details": ({**TOKENS, "prompt_tokens_details": None}, USAGE),
    "invalid details": ({**TOKENS, "completion_tokens_details": "many"}, USAGE),
    "names of the Responses API": (
        {
            "input_tokens": 10,
            "output_tokens": 5,
            "total_tokens": 15,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
            "output_tokens_details": {"reasoning_tokens": 2},
        },
        {
            **USAGE,
            "input_token_details": {"cache_read": 4, "cache_creation": 3},
            "output_token_details": {"reasoning": 2},
        },
    ),
    "names of both APIs": ({"prompt_tokens": 10, "output_tokens": 5}, USAGE),
    "null in one of the spellings": ({**TOKENS, "input_tokens": None, "prompt_tokens": 10}, USAGE),
    "strings": ({"prompt_tokens": "10", "completion_tokens": "5", "total_tokens": "15.0"}, USAGE),
    "details as strings": (
        {**TOKENS, "completion_tokens_details": {"reasoning_tokens": "4"}},
        {**USAGE, "output_token_details": {"reasoning": 4}},
    ),
    "floats": ({**TOKENS, "prompt_tokens": 10.0}, USAGE),
    "invalid counts": (
        {"prompt_tokens": None, "completion_tokens": "five"},
        {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
    ),
    "no usage": (None, None),
    "usage as a list": ([1, 2], None),
}


@pytest.mark.parametrize(("payload", "usage"), USAGES.values(), ids=USAGES)
def test_usage_metadata_has_details(payload: Any, usage: Any) -> None:
    assert create_usage_metadata({"usage": payload}) == usage


@pytest.mark.parametrize("tier", ["flex", "priority"])
def test_tokens_of_a_separately_priced_tier_are_named_after_it(tier: str) -> None:
    payload = {
        "prompt_tokens": 10,
        "completion_tokens": 6,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    usage: Any = create_usage_metadata({"usage": payload, "service_tier": tier})
    assert usage["input_token_details"] == {f"{tier}_cache_read": 4, "audio": 1, tier: 6}
    assert usage["output_token_details"] == {f"{tier}_reasoning": 2, tier: 4}
    default = create_usage_metadata({"usage": payload, "service_tier": "default"})
    assert default == create_usage_metadata({"usage": payload})


COUNTS: dict[str, tuple[Any, int]] = {
    "int": (3, 3),
    "float": (3.0, 3),
    "fraction": (3.7, 3),
    "negative": (-1, 0),
    "nan": (float("nan"), 0),
    "bool": (True, 0),
    "string": ("3", 3),
    "string with a decimal point": ("3.0", 3),
    "text": ("three", 0),
    "null": (None, 0),
}


@pytest.mark.parametrize(("value", "count"), COUNTS.values(), ids=COUNTS)
def test_parse_token_count(value: Any, count: int) -> None:
    assert parse_token_count(value) == count

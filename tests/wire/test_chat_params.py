"""Parameters of both chat APIs: names in the request body, and combinations that are invalid."""

from typing import Any

import pytest
from pydantic import ValidationError

from orq_router_integrations.wire.chat_params import ChatParams, ResponsesParams


def test_only_set_params_are_sent() -> None:
    assert ChatParams().build_chat_params() == {}
    assert ResponsesParams().build_responses_params() == {}


def test_empty_list_is_not_sent() -> None:
    assert ChatParams(stop=[]).build_chat_params() == {}


def test_max_tokens_has_another_name_in_the_body() -> None:
    assert ChatParams(max_tokens=5).build_chat_params() == {"max_completion_tokens": 5}


def test_nested_objects_are_sent_without_unset_fields() -> None:
    params = ChatParams.model_validate({"cache_control": {"type": "ephemeral"}})
    assert params.build_chat_params() == {"cache_control": {"type": "ephemeral"}}
    params = ResponsesParams.model_validate({"reasoning": {"effort": "low"}})
    assert params.build_responses_params() == {"reasoning": {"effort": "low"}}


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "top_logprobs": ({"top_logprobs": 2}, "top_logprobs: Requires logprobs=True"),
    "audio": ({"modalities": ["audio"]}, "audio: Required because modalities contains 'audio'"),
    "thinking": (
        {"thinking": {"type": "enabled", "budget_tokens": 2048}, "max_tokens": 2048},
        "thinking.budget_tokens: Must be smaller than max_tokens",
    ),
}


@pytest.mark.parametrize(("params", "message"), INVALID.values(), ids=INVALID)
def test_invalid_combination_is_rejected(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ChatParams.model_validate(params)


def test_background_requires_store() -> None:
    with pytest.raises(ValidationError, match="background: Requires the response to be stored"):
        ResponsesParams(background=True, store=False)
    assert ResponsesParams(background=True).build_responses_params() == {"background": True}

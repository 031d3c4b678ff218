"""Parameters of both chat APIs, their names in the request body, and combinations of them."""

from typing import Any

import pytest

from orq_router_integrations.wire.chat_params import RESPONSES_PARAMS, ChatParams, check_params


def test_params_of_the_responses_api_are_described_as_such() -> None:
    names = {
        name
        for name, field in ChatParams.model_fields.items()
        if str(field.description).endswith("Responses API only.")
    }
    assert names == RESPONSES_PARAMS


def test_only_set_params_are_sent() -> None:
    assert ChatParams().build_params() == {}


def test_empty_list_is_not_sent() -> None:
    assert ChatParams(stop=[]).build_params() == {}


def test_max_tokens_has_another_name_in_the_body() -> None:
    assert ChatParams(max_tokens=5).build_params() == {"max_completion_tokens": 5}


def test_nested_objects_are_sent_without_unset_fields() -> None:
    params = ChatParams.model_validate({"cache_control": {"type": "ephemeral"}})
    assert params.build_params() == {"cache_control": {"type": "ephemeral"}}
    params = ChatParams.model_validate({"reasoning": {"effort": "low"}})
    assert params.build_params() == {"reasoning": {"effort": "low"}}


AUDIO = {"voice": "alloy", "format": "wav"}


def thinking(budget: int, max_tokens: int) -> dict[str, Any]:
    return {
        "thinking": {"type": "enabled", "budget_tokens": budget},
        "max_completion_tokens": max_tokens,
    }


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "top_logprobs": ({"top_logprobs": 2}, "top_logprobs: .* Set logprobs=True"),
    "disabled logprobs": ({"top_logprobs": 2, "logprobs": False}, "top_logprobs: "),
    "audio": ({"modalities": ["text", "audio"]}, "modalities: .* Set audio"),
    "no budget": ({"thinking": {"type": "enabled"}}, "thinking: .* Set budget_tokens"),
    "large budget": (thinking(2048, 2048), "thinking.budget_tokens: .* less than max_tokens"),
}
VALID: dict[str, dict[str, Any]] = {
    "nothing": {},
    "logprobs": {"top_logprobs": 2, "logprobs": True},
    "no top_logprobs": {"top_logprobs": 0},
    "audio": {"modalities": ["audio"], "audio": AUDIO},
    "text": {"modalities": ["text"]},
    "adaptive": {"thinking": {"type": "adaptive"}, "max_completion_tokens": 5},
    "disabled": {"thinking": {"type": "disabled"}},
    "level": {"thinking": {"type": "enabled", "thinking_level": "low"}},
    "budget": thinking(2047, 2048),
    "no max_tokens": {"thinking": {"type": "enabled", "budget_tokens": 2048}},
}
INVALID_RESPONSES: dict[str, tuple[dict[str, Any], str]] = {
    "background": ({"background": True, "store": False}, "background: .* Remove store=False"),
    "large budget": (thinking(2049, 2048), "thinking.budget_tokens: .* max_tokens"),
}
VALID_RESPONSES: dict[str, dict[str, Any]] = {
    "background": {"background": True},
    "stored background": {"background": True, "store": True},
    "not stored": {"store": False, "background": False},
    "top_logprobs": {"top_logprobs": 2},
    "no budget": {"thinking": {"type": "enabled"}},
    "budget": thinking(2048, 2048),
}


@pytest.mark.parametrize(("params", "message"), INVALID.values(), ids=INVALID)
def test_invalid_combination_raises(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_params(params, {}, for_responses=False)


@pytest.mark.parametrize(("params", "message"), INVALID_RESPONSES.values(), ids=INVALID_RESPONSES)
def test_combination_that_the_responses_api_rejects_raises(
    params: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check_params(params, {}, for_responses=True)


@pytest.mark.parametrize("params", VALID.values(), ids=VALID)
def test_valid_combination_is_accepted(params: dict[str, Any]) -> None:
    check_params(params, {}, for_responses=False)


@pytest.mark.parametrize("params", VALID_RESPONSES.values(), ids=VALID_RESPONSES)
def test_combination_that_the_responses_api_accepts(params: dict[str, Any]) -> None:
    check_params(params, {}, for_responses=True)


def test_required_params_may_be_in_extra_body() -> None:
    extra_body = {"audio": {"voice": "new", "format": "wav"}, "logprobs": True}
    params = {"modalities": ["audio"], "top_logprobs": 2}
    check_params(params, extra_body, for_responses=False)


def test_extra_body_is_not_checked() -> None:
    extra_body = {"thinking": 5, "modalities": None, "top_logprobs": 2}
    check_params({}, extra_body, for_responses=False)

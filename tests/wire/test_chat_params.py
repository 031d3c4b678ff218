"""Parameters of both chat APIs, and their names in the request body."""

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

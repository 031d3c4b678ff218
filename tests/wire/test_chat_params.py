"""Parameters of both chat APIs, and their names in the request body."""

from orq_router_integrations.wire.chat_params import RESPONSES_PARAMS, ChatParams


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

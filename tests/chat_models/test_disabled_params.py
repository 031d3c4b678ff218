"""Parameters that a model refuses are never sent, whoever sets them."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from orq_router_integrations import ChatOrq, OfflineRouter


class City(BaseModel):
    """A city."""

    name: str


def sent(disabled: Any, api: str = "chat_completions", **kwargs: Any) -> Any:
    router = OfflineRouter()
    model = ChatOrq(
        model="openai/gpt-5", api=api, disabled_params=disabled, client=router.client(), **kwargs
    )
    model.with_structured_output(City, method="function_calling").invoke("Hi")
    return router.requests[0].body


def test_a_parameter_can_be_left_out_for_good() -> None:
    assert sent({})["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in sent({"parallel_tool_calls": None})


def test_a_parameter_can_be_left_out_with_some_values() -> None:
    assert "temperature" not in sent({"temperature": [0, 0.5]}, temperature=0)
    assert sent({"temperature": [0, 0.5]}, temperature=1)["temperature"] == 1


def test_no_values_leave_nothing_out() -> None:
    assert sent({"temperature": []}, temperature=1)["temperature"] == 1


def test_parameters_of_the_responses_api_too() -> None:
    disabled = {"store": None, "parallel_tool_calls": None}
    body = sent(disabled, "responses", store=False, max_tool_calls=3)
    assert body.keys() & {"store", "parallel_tool_calls", "max_tool_calls"} == {"max_tool_calls"}


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
def test_a_parameter_that_has_another_name_on_the_wire(api: str) -> None:
    name = {"chat_completions": "max_completion_tokens", "responses": "max_output_tokens"}[api]
    assert sent({}, api, max_tokens=50)[name] == 50
    assert name not in sent({"max_tokens": None}, api, max_tokens=50)
    assert name not in sent({"max_tokens": [50]}, api, max_tokens=50)
    assert sent({"max_tokens": [50]}, api, max_tokens=51)[name] == 51


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
def test_what_needs_a_parameter_goes_with_it(api: str) -> None:
    body = sent({"logprobs": None}, api, logprobs=True, top_logprobs=2)
    assert not body.keys() & {"logprobs", "top_logprobs", "include"}
    assert sent({"top_logprobs": None}, logprobs=True, top_logprobs=2)["logprobs"] is True


def test_a_parameter_that_another_one_would_set() -> None:
    assert sent({}, "responses", reasoning_effort="low")["reasoning"] == {"effort": "low"}
    assert "reasoning" not in sent({"reasoning": None}, "responses", reasoning_effort="low")


def test_what_is_no_parameter_is_told() -> None:
    with pytest.raises(ValidationError, match=r"'temprature' is not a parameter. Did you mean 'temper"):
        ChatOrq(model="openai/gpt-5", api_key="k", disabled_params={"temprature": None})

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


def test_what_is_no_parameter_is_told() -> None:
    with pytest.raises(ValidationError, match=r"temprature: no parameter; did you mean 'temper"):
        ChatOrq(model="openai/gpt-5", api_key="k", disabled_params={"temprature": None})

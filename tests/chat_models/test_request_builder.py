"""Request bodies: parameters, controls, disabled parameters and ``extra_body``."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.runnables import ConfigurableField
from pydantic import BaseModel
from support.chat import CLAUDE, GPT, create_model, last_body

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.chat_params import RESPONSES_PARAMS, ChatParams

AUDIO = {"voice": "alloy", "format": "mp3"}
THINKING = {"type": "enabled", "budget_tokens": 1024}
CACHE_CONTROL = {"type": "ephemeral", "ttl": "1h"}

PARAMS: dict[str, tuple[Any, str, Any]] = {
    "temperature": (0.0, "temperature", 0),
    "top_p": (0.5, "top_p", 0.5),
    "top_k": (40, "top_k", 40),
    "max_tokens": (2000, "max_completion_tokens", 2000),
    "frequency_penalty": (-2, "frequency_penalty", -2),
    "presence_penalty": (2, "presence_penalty", 2),
    "n": (2, "n", 2),
    "logprobs": (True, "logprobs", True),
    "top_logprobs": (3, "top_logprobs", 3),
    "seed": (7, "seed", 7),
    "stop": ("END", "stop", ["END"]),
    "modalities": (["text", "audio"], "modalities", ["text", "audio"]),
    "audio": (AUDIO, "audio", AUDIO),
    "reasoning_effort": ("high", "reasoning_effort", "high"),
    "thinking": (THINKING, "thinking", THINKING),
    "verbosity": ("low", "verbosity", "low"),
    "cache_control": (CACHE_CONTROL, "cache_control", CACHE_CONTROL),
    "prompt_cache_key": ("k", "prompt_cache_key", "k"),
}
"""For each parameter: a value, its name in the body, and its value in the body."""

REQUIRED_WITH = {"top_logprobs": {"logprobs": True}, "modalities": {"audio": AUDIO}}

each_param = pytest.mark.parametrize("name", PARAMS)
each_api = pytest.mark.parametrize("api", ["chat_completions", "responses"])


class City(BaseModel):
    """A city."""

    name: str


def test_params_table_is_complete() -> None:
    assert PARAMS.keys() == ChatParams.model_fields.keys() - RESPONSES_PARAMS


@each_param
def test_constructor_param_is_sent(router: OfflineRouter, name: str) -> None:
    value, body_name, body_value = PARAMS[name]
    create_model(router, **{name: value}, **REQUIRED_WITH.get(name, {})).invoke("Hi")
    assert last_body(router)[body_name] == body_value


@each_param
def test_call_param_is_sent(router: OfflineRouter, name: str) -> None:
    value, body_name, body_value = PARAMS[name]
    create_model(router).invoke("Hi", **{name: value}, **REQUIRED_WITH.get(name, {}))
    assert last_body(router)[body_name] == body_value


def test_unset_params_are_not_sent(model: ChatOrq, router: OfflineRouter) -> None:
    model.invoke("Hi")
    assert last_body(router) == {"model": GPT, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("params", [{"temperature": None}, {"stop": []}], ids=["none", "empty"])
def test_empty_call_param_unsets_constructor_param(
    router: OfflineRouter, params: dict[str, Any]
) -> None:
    create_model(router, temperature=1, stop="END").invoke("Hi", **params)
    assert not params.keys() & last_body(router).keys()


OVERRIDES: dict[str, Callable[[ChatOrq], Any]] = {
    "invoke": lambda model: model.invoke("Hi", temperature=0.5, model=CLAUDE),
    "bind": lambda model: model.bind(temperature=0.5, model=CLAUDE).invoke("Hi"),
    "model_copy": lambda model: model.model_copy(
        update={"temperature": 0.5, "model": CLAUDE}
    ).invoke("Hi"),
    "configurable_fields": lambda model: (
        model.configurable_fields(
            temperature=ConfigurableField(id="t"), model=ConfigurableField(id="m")
        )
        .with_config(configurable={"t": 0.5, "m": CLAUDE})
        .invoke("Hi")
    ),
}


@pytest.mark.parametrize("override", OVERRIDES.values(), ids=OVERRIDES)
def test_constructor_params_can_be_overridden(router: OfflineRouter, override: Any) -> None:
    model = create_model(router, temperature=1, top_p=0.9)
    assert CLAUDE in override(model).text
    assert (last_body(router)["temperature"], last_body(router)["top_p"]) == (0.5, 0.9)
    assert (model.temperature, model.model) == (1, GPT)


def test_stop_can_be_overridden(router: OfflineRouter) -> None:
    create_model(router, stop=["END"]).invoke("Hi", stop=["STOP", "HALT"])
    assert last_body(router)["stop"] == ["STOP", "HALT"]


def test_controls_of_call_model_and_client_are_merged() -> None:
    router = OfflineRouter()
    client = router.client(controls={"name": "c", "thread": "c", "identity": "c", "cache": {}})
    model = ChatOrq(model=GPT, client=client, controls={"name": "m", "thread": "m", "cache": None})
    model.invoke("Hi", controls={"name": "call"})
    body = last_body(router)
    assert body["name"] == "call"
    assert body["thread"] == {"id": "m"}
    assert body["identity"] == {"id": "c"}
    assert "cache" not in body
    assert model.controls is not None
    assert model.controls.name == "m"


# extra_body


def test_extra_body_is_sent() -> None:
    router = OfflineRouter(lenient=True)
    create_model(router, extra_body={"vendor": {"a": [1]}}).invoke("Hi")
    assert last_body(router)["vendor"] == {"a": [1]}


CONFLICTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "parameter": ({"temperature": 1}, {"temperature": 1}, "must not contain 'temperature'"),
    "model": ({}, {"model": CLAUDE}, "must not contain 'model'"),
    "messages": ({}, {"messages": []}, "must not contain 'messages'"),
    "control": ({"controls": {"name": "a"}}, {"name": "b"}, "must not contain 'name'"),
    "unset control": ({}, {"retry": {}}, "must not contain 'retry'"),
    "orq": ({}, {"orq": {}}, "must not contain 'orq'"),
    "stream": ({}, {"stream": True}, "must not contain 'stream'"),
    "body name of max_tokens": (
        {"max_tokens": 5},
        {"max_completion_tokens": 5},
        "must not contain 'max_completion_tokens'",
    ),
}


@pytest.mark.parametrize(("params", "extra_body", "error"), CONFLICTS.values(), ids=CONFLICTS)
def test_extra_body_must_not_repeat_other_arguments(
    router: OfflineRouter, params: dict[str, Any], extra_body: dict[str, Any], error: str
) -> None:
    with pytest.raises(RouterInputError, match=error):
        create_model(router, extra_body=extra_body, **params).invoke("Hi")
    assert router.requests == []


# Requests that cannot be streamed


@pytest.mark.parametrize("source", ["constructor", "call", "extra_body"])
def test_streaming_several_answers_raises(router: OfflineRouter, source: str) -> None:
    params = {"constructor": {"n": 2}, "extra_body": {"extra_body": {"n": 2}}}.get(source, {})
    model = create_model(router, **params)
    with pytest.raises(RouterInputError, match=r"Cannot stream several answers \(n > 1\)"):
        list(model.stream("Hi", **({"n": 2} if source == "call" else {})))
    assert router.requests == []


def test_null_n_in_extra_body_can_be_streamed(router: OfflineRouter) -> None:
    assert list(create_model(router, extra_body={"n": None}).stream("Hi"))


# disabled_params


def send_with_disabled(disabled: Any, api: str = "chat_completions", **params: Any) -> Any:
    """Return the body that a model with these disabled parameters sends."""
    router = OfflineRouter()
    model = create_model(router, model="openai/gpt-5", api=api, disabled_params=disabled, **params)
    model.with_structured_output(City, method="function_calling").invoke("Hi")
    return last_body(router)


def test_param_can_be_disabled() -> None:
    assert send_with_disabled({})["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in send_with_disabled({"parallel_tool_calls": None})


def test_param_can_be_disabled_for_some_values() -> None:
    disabled = {"temperature": [0, 0.5]}
    assert "temperature" not in send_with_disabled(disabled, temperature=0)
    assert send_with_disabled(disabled, temperature=1)["temperature"] == 1


def test_empty_list_of_values_disables_nothing() -> None:
    assert send_with_disabled({"temperature": []}, temperature=1)["temperature"] == 1


def test_responses_params_can_be_disabled() -> None:
    disabled = {"store": None, "parallel_tool_calls": None}
    body = send_with_disabled(disabled, "responses", store=False, max_tool_calls=3)
    assert body.keys() & {"store", "parallel_tool_calls", "max_tool_calls"} == {"max_tool_calls"}


def test_disabled_params_are_not_checked_with_others() -> None:
    body = send_with_disabled({"top_logprobs": None}, top_logprobs=2)
    assert "top_logprobs" not in body


@each_api
def test_param_with_another_name_in_the_body_can_be_disabled(api: str) -> None:
    name = {"chat_completions": "max_completion_tokens", "responses": "max_output_tokens"}[api]
    assert send_with_disabled({}, api, max_tokens=50)[name] == 50
    assert name not in send_with_disabled({"max_tokens": None}, api, max_tokens=50)
    assert name not in send_with_disabled({"max_tokens": [50]}, api, max_tokens=50)
    assert send_with_disabled({"max_tokens": [50]}, api, max_tokens=51)[name] == 51

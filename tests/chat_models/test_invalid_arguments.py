"""Invalid arguments of ``ChatOrq`` and its calls raise a typed error before any request."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from pydantic import ValidationError

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError

GPT = "openai/gpt-4o"
NAN, INFINITY = float("nan"), float("inf")

Case = tuple[dict[str, Any], str]

MODELS: dict[str, Case] = {
    "empty": ({"model": ""}, "'provider/model'"),
    "blank": ({"model": "   "}, "'provider/model'"),
    "no provider": ({"model": "gpt-4o"}, "'provider/model'"),
    "no name": ({"model": "openai/"}, "'provider/model'"),
    "empty provider": ({"model": "/gpt-4o"}, "'provider/model'"),
    "line break": ({"model": "openai/gpt\r\n-4o"}, "'provider/model'"),
    "NUL": ({"model": "openai/gpt\0"}, "'provider/model'"),
    "int": ({"model": 4}, "valid string"),
}

PARAMS: dict[str, Case] = {
    "temperature NaN": ({"temperature": NAN}, "finite number"),
    "temperature infinite": ({"temperature": INFINITY}, "finite number"),
    "temperature below 0": ({"temperature": -0.1}, "greater than or equal to 0"),
    "temperature above 2": ({"temperature": 2.1}, "less than or equal to 2"),
    "temperature str": ({"temperature": "hot"}, "valid number"),
    "temperature bool": ({"temperature": True}, "valid number"),
    "top_p above 1": ({"top_p": 1.5}, "less than or equal to 1"),
    "top_k below 0": ({"top_k": -1}, "greater than or equal to 0"),
    "frequency_penalty below -2": ({"frequency_penalty": -3}, "greater than or equal to -2"),
    "presence_penalty above 2": ({"presence_penalty": 3}, "less than or equal to 2"),
    "n 0": ({"n": 0}, "greater than or equal to 1"),
    "n float": ({"n": 1.5}, "valid integer"),
    "max_tokens 0": ({"max_tokens": 0}, "greater than or equal to 1"),
    "top_logprobs above 20": ({"top_logprobs": 21, "logprobs": True}, "less than or equal to 20"),
    "top_logprobs without logprobs": ({"top_logprobs": 2}, "Set logprobs=True"),
    "seed float": ({"seed": 0.5}, "valid integer"),
    "five stop sequences": ({"stop": ["a", "b", "c", "d", "e"]}, "at most 4"),
    "empty stop sequence": ({"stop": [""]}, "at least 1 character"),
    "unknown effort": ({"reasoning_effort": "huge"}, "'high'"),
    "small thinking budget": ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "1024"),
    "thinking without budget": ({"thinking": {"type": "enabled"}}, "Set budget_tokens"),
    "audio modality without audio": ({"modalities": ["audio"]}, "Set audio"),
    "unknown audio format": ({"audio": {"voice": "alloy", "format": "ogg"}}, "'wav'"),
}

UNKNOWN_ARGUMENTS: dict[str, Case] = {
    "misspelled": ({"temprature": 1}, "Did you mean 'temperature'?"),
    "similar to another name": ({"max_completion_token": 5}, "Unknown argument"),
    "unlike any name": ({"xyz": 1}, "Unknown argument 'xyz'"),
    "control outside of controls": ({"fallbacks": ["a/b"]}, "Unknown argument 'fallbacks'"),
}


def load_balancer(models: list[Any], **fields: Any) -> dict[str, Any]:
    return {"load_balancer": {"models": models, **fields}}


CONTROLS: dict[str, Case] = {
    "retry count 0": ({"retry": {"count": 0}}, "retry.count"),
    "retry count 6": ({"retry": {"count": 6}}, "retry.count"),
    "retry count float": ({"retry": {"count": 1.5}}, "retry.count"),
    "retry count str": ({"retry": {"count": "2"}}, "retry.count"),
    "retry code 600": ({"retry": {"on_codes": [600]}}, "retry.on_codes"),
    "retry code str": ({"retry": {"on_codes": ["500"]}}, "retry.on_codes"),
    "no retry codes": ({"retry": {"on_codes": []}}, "retry.on_codes"),
    "fallback code 600": ({"fallback_on_codes": [600]}, "fallback_on_codes"),
    "repeated fallback code": ({"fallback_on_codes": [500, 500]}, "fallback_on_codes"),
    "21 fallback codes": ({"fallback_on_codes": list(range(500, 521))}, "fallback_on_codes"),
    "fallbacks str": ({"fallbacks": "openai/gpt-4o"}, "fallbacks"),
    "fallback without provider": ({"fallbacks": ["gpt-4o"]}, "fallbacks.0"),
    "fallback with params": ({"fallbacks": [{"model": "a/b", "temperature": 1}]}, "fallbacks.0"),
    "unknown load balancer": (load_balancer(["a/b"], type="random"), "load_balancer.type"),
    "load balancer of another API": (
        load_balancer(["a/b"], type="round_robin"),
        "load_balancer.type",
    ),
    "load balancer without models": (load_balancer([]), "load_balancer.models"),
    "weight 0": (
        load_balancer([{"model": "a/b", "weight": 0}]),
        "load_balancer.models.0.weight",
    ),
    "timeout 0": ({"timeout": {"call_timeout": 0}}, "timeout.call_timeout"),
    "timeout in seconds": ({"timeout": {"call_timeout": 1.5}}, "timeout.call_timeout"),
    "cache above three days": ({"cache": {"ttl": 259_201}}, "cache.ttl"),
    "cache ttl 0": ({"cache": {"ttl": 0}}, "cache.ttl"),
    "unknown control": ({"fallback": ["a/b"]}, "fallback"),
    "unknown field": ({"cache": {"tll": 5}}, "Unknown argument 'tll'"),
    "17 metadata items": ({"metadata": {str(i): "v" for i in range(17)}}, "metadata"),
    "long metadata key": ({"metadata": {"k" * 65: "v"}}, "metadata"),
    "long metadata value": ({"metadata": {"k": "v" * 513}}, "metadata.k"),
    "metadata int": ({"metadata": {"k": 5}}, "metadata.k"),
}

ARGUMENTS = {
    **{f"model: {name}": case for name, case in MODELS.items()},
    **{f"param: {name}": case for name, case in PARAMS.items()},
    **{f"unknown: {name}": case for name, case in UNKNOWN_ARGUMENTS.items()},
    **{f"controls: {name}": ({"controls": case[0]}, case[1]) for name, case in CONTROLS.items()},
}
each_argument = pytest.mark.parametrize(("kwargs", "error"), ARGUMENTS.values(), ids=ARGUMENTS)


@each_argument
def test_invalid_model_argument_raises_before_a_request(
    router: OfflineRouter, kwargs: dict[str, Any], error: str
) -> None:
    with pytest.raises((ValidationError, RouterInputError)) as caught:
        ChatOrq(**{"model": GPT, "client": router.client(), **kwargs}).invoke("Hi")
    message = str(caught.value)
    assert error in message
    assert all(name in message for name in kwargs if name not in {"controls", "logprobs"})
    assert router.requests == []


@each_argument
def test_invalid_call_argument_raises_before_a_request(
    model: ChatOrq, router: OfflineRouter, kwargs: dict[str, Any], error: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.invoke("Hi", **kwargs)
    message = str(caught.value)
    assert error in message
    assert message[0].isalpha()
    assert len(message) < 600
    assert all(name in message for name in kwargs if name not in {"controls", "logprobs"})
    assert router.requests == []


@pytest.mark.parametrize(
    ("controls", "suggestion"),
    [
        ({"retry": {"cuont": 2}}, "count"),
        ({"timeout": {"call_timout": 2}}, "call_timeout"),
        ({"load_balancer": {"model": []}}, "models"),
        ({"plugins": [{"id": "pii_redaction", "entites": []}]}, "entities"),
    ],
    ids=["retry", "timeout", "load_balancer", "plugins"],
)
def test_misspelled_control_field_suggests_the_correct_one(
    model: ChatOrq, controls: dict[str, Any], suggestion: str
) -> None:
    with pytest.raises(RouterInputError, match=f"Did you mean '{suggestion}'"):
        model.invoke("Hi", controls=controls)


def create_nested_dict(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


def create_circular_dict() -> Any:
    value: dict[str, Any] = {}
    value["a"] = value
    return value


NOT_JSON: dict[str, tuple[Any, str]] = {
    "object": (object(), "x: Cannot send object"),
    "bytes": ({"y": [b"a"]}, "x.y[0]: Cannot send bytes"),
    "set": ({"y": {1}}, "x.y: Cannot send set"),
    "NaN": ({"y": [NAN]}, "x.y[0]"),
    "infinity": (INFINITY, "x"),
    "unpaired surrogate": ({"y": "\ud800"}, "x.y"),
    "int key": ({1: 2}, "x"),
    "260 levels": (create_nested_dict(260), "deep"),
    "5000 levels": (create_nested_dict(5000), "deep"),
    "circular reference": (create_circular_dict(), "x"),
}


@pytest.mark.parametrize(("value", "error"), NOT_JSON.values(), ids=NOT_JSON)
def test_extra_body_that_is_not_json_raises_with_its_path(value: Any, error: str) -> None:
    router = OfflineRouter(lenient=True)
    with pytest.raises((ValidationError, RouterInputError)) as caught:
        ChatOrq(model=GPT, client=router.client(), extra_body={"x": value}).invoke("Hi")
    assert error in str(caught.value)
    assert router.requests == []


@pytest.mark.parametrize("name", ["orq", "fallbacks", "cache"])
def test_control_in_extra_body_raises(router: OfflineRouter, name: str) -> None:
    model = ChatOrq(model=GPT, client=router.client(), extra_body={name: {}})
    with pytest.raises(RouterInputError, match=rf"must not contain .{name}.*controls"):
        model.invoke("Hi")
    assert router.requests == []


def look_up(word: str) -> str:
    """Look up a word."""
    return word


TOOLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "float": (3.5, {}),
    "list of a float": ([3.5], {}),
    "single dict": ({"type": "function"}, {}),
    "parameters str": (
        [{"type": "function", "function": {"name": "f", "parameters": "x"}}],
        {},
    ),
    "function str": ([{"type": "function", "function": "x"}], {}),
    "tool_choice dict": ([look_up], {"tool_choice": {"type": {}}}),
    "tool_choice list": ([look_up], {"tool_choice": []}),
}


@pytest.mark.parametrize(("tools", "kwargs"), TOOLS.values(), ids=TOOLS)
def test_invalid_tools_raise(model: ChatOrq, tools: Any, kwargs: dict[str, Any]) -> None:
    with pytest.raises(RouterInputError, match="tool"):
        model.bind_tools(tools, **kwargs)


@pytest.mark.parametrize("query", ["x" * 70_000, "\ud800"], ids=["too long", "surrogate"])
def test_default_query_that_cannot_be_sent_raises(query: str) -> None:
    with pytest.raises(ValueError, match="default_query"):
        ChatOrq(model=GPT, api_key="k", default_query={"a": query})


async def call_model(method: str, model: ChatOrq, messages: Any, kwargs: dict[str, Any]) -> None:
    match method:
        case "ainvoke":
            await model.ainvoke(messages, **kwargs)
        case "stream":
            list(model.stream(messages, **kwargs))
        case "astream":
            [_ async for _ in model.astream(messages, **kwargs)]
        case "batch":
            model.batch([messages], **kwargs)


PATH_BLOCK = {"type": "image_url", "image_url": {"url": "cat.png"}}
CALLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "no messages": ([], {}),
    "image path": ([HumanMessage([PATH_BLOCK])], {}),
    "unpaired surrogate": ("Hi \ud800", {}),
    "param": ("Hi", {"temperature": 3}),
    "unknown argument": ("Hi", {"xyz": 1}),
    "control": ("Hi", {"controls": {"cache": {"ttl": 0}}}),
    "tool_choice": ("Hi", {"tool_choice": "search"}),
    "parallel_tool_calls": (
        "Hi",
        {"tools": [{"name": "f", "input_schema": {}}], "parallel_tool_calls": "yes"},
    ),
}


@pytest.mark.parametrize("method", ["ainvoke", "stream", "astream", "batch"])
@pytest.mark.parametrize(("messages", "kwargs"), CALLS.values(), ids=CALLS)
async def test_every_method_raises_the_same_error(
    model: ChatOrq, router: OfflineRouter, messages: Any, kwargs: dict[str, Any], method: str
) -> None:
    with pytest.raises(RouterInputError) as invoke_error:
        model.invoke(messages, **kwargs)
    with pytest.raises(RouterInputError) as caught:
        await call_model(method, model, messages, kwargs)
    assert str(caught.value) == str(invoke_error.value)
    assert router.requests == []


@pytest.mark.parametrize("level", ["model", "call"])
def test_model_that_is_its_own_fallback_warns(router: OfflineRouter, level: str) -> None:
    controls = {"fallbacks": [GPT]}
    at_model: dict[str, Any] = {"controls": controls} if level == "model" else {}
    at_call: dict[str, Any] = {"controls": controls} if level == "call" else {}

    def call() -> None:
        ChatOrq(model=GPT, client=router.client(), **at_model).invoke("Hi", **at_call)

    with pytest.warns(UserWarning, match="fallbacks"):
        call()

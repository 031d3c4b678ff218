"""Settings that agents pass with each call also work in the constructor, and vice versa."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import wrap_model_call
from support.agent_tools import both_apis, create_agent_model, get_weather
from support.agent_tools import invoke_runnable as invoke
from support.marks import sync_and_async

from orq_router_integrations import OfflineRouter
from orq_router_integrations.errors import RouterInputError

SETTINGS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "parallel_tool_calls": ({"parallel_tool_calls": False}, {"parallel_tool_calls"}),
    "reasoning_effort": (
        {"reasoning_effort": "low"},
        {"reasoning_effort", "reasoning"},
    ),
    "temperature": ({"temperature": 0.5}, {"temperature"}),
    "top_p": ({"top_p": 0.5}, {"top_p"}),
    "max_tokens": ({"max_tokens": 5}, {"max_completion_tokens", "max_output_tokens"}),
    "stop": ({"stop": ["x"]}, {"stop", "stop_sequences"}),
    "verbosity": ({"verbosity": "low"}, {"verbosity", "text"}),
    "prompt_cache_key": ({"prompt_cache_key": "k"}, {"prompt_cache_key"}),
    "cache_control": ({"cache_control": {"type": "ephemeral"}}, {"cache_control"}),
    "thinking": ({"thinking": {"type": "disabled"}}, {"thinking"}),
    "extra_body": ({"extra_body": {"service_note": 1}}, {"service_note"}),
    "controls": ({"controls": {"fallbacks": ["anthropic/claude-sonnet-4-5"]}}, {"fallbacks"}),
    "model": ({"model": "anthropic/claude-sonnet-4-5"}, {"model"}),
}
RESPONSES_SETTINGS: dict[str, tuple[dict[str, Any], set[str]]] = {
    "reasoning": ({"reasoning": {"summary": "auto"}}, {"reasoning"}),
    "store": ({"store": False}, {"store"}),
    "include": ({"include": ["reasoning.encrypted_content"]}, {"include"}),
    "max_tool_calls": ({"max_tool_calls": 2}, {"max_tool_calls"}),
    "service_tier": ({"service_tier": "flex"}, {"service_tier"}),
    "instructions": ({"instructions": "Be brief."}, {"instructions"}),
    "context_management": (
        {"context_management": [{"type": "compaction", "compact_threshold": 1000}]},
        {"context_management"},
    ),
}


async def get_agent_body(
    constructor: dict[str, Any], settings: dict[str, Any], api: str, is_async: bool
) -> dict[str, Any]:
    """Return the body that an agent sends."""
    router = OfflineRouter(lenient=True)
    model = create_agent_model(router, api, **constructor)
    override = {name: value for name, value in settings.items() if name != "model"}

    @wrap_model_call
    def add_settings(request: Any, handler: Any) -> Any:
        return handler(request.override(model_settings=override))

    @wrap_model_call
    async def aadd_settings(request: Any, handler: Any) -> Any:
        return await handler(request.override(model_settings=override))

    middleware = aadd_settings if is_async else add_settings
    agent = create_agent(model, [get_weather], middleware=[middleware])
    await invoke(agent, is_async, {"messages": [("user", "Hi")]})
    body: dict[str, Any] = router.requests[0].body
    return body


@sync_and_async
@both_apis
@pytest.mark.parametrize(("settings", "fields"), SETTINGS.values(), ids=SETTINGS)
async def test_setting_of_an_agent_works_in_the_constructor(
    settings: dict[str, Any], fields: set[str], api: str, is_async: bool
) -> None:
    in_constructor = await get_agent_body(settings, {}, api, is_async)
    assert fields & in_constructor.keys()
    if "model" not in settings:  # a separate field of the agent's request
        assert await get_agent_body({}, settings, api, is_async) == in_constructor


@pytest.mark.parametrize(
    ("settings", "fields"), RESPONSES_SETTINGS.values(), ids=RESPONSES_SETTINGS
)
async def test_setting_of_the_responses_api_works_in_the_constructor(
    settings: dict[str, Any], fields: set[str]
) -> None:
    in_constructor = await get_agent_body(settings, {}, "responses", is_async=False)
    assert fields & in_constructor.keys()
    assert await get_agent_body({}, settings, "responses", is_async=False) == in_constructor


@both_apis
async def test_call_takes_precedence(api: str) -> None:
    constructor = {"parallel_tool_calls": True, "temperature": 1.0, "extra_body": {"a": 1, "b": 1}}
    settings = {"parallel_tool_calls": False, "temperature": 0.5, "extra_body": {"b": 2}}
    body = await get_agent_body(constructor, settings, api, is_async=False)
    fields = {name: body[name] for name in ("parallel_tool_calls", "temperature", "a", "b")}
    assert fields == {"parallel_tool_calls": False, "temperature": 0.5, "a": 1, "b": 2}


@both_apis
def test_parallel_tool_calls_is_not_sent_without_tools(router: OfflineRouter, api: str) -> None:
    model = create_agent_model(router, api, parallel_tool_calls=False)
    model.invoke("Hi")
    assert "parallel_tool_calls" not in router.requests[-1].body


@pytest.mark.parametrize("name", ["timeout", "max_retries", "streaming", "tool_media", "api_key"])
def test_setting_of_the_constructor_is_rejected_in_a_call(router: OfflineRouter, name: str) -> None:
    model = create_agent_model(router, "chat_completions")
    error = rf"cannot be set for a single call. Use ChatOrq\(..., {name}=...\)"
    with pytest.raises(RouterInputError, match=error):
        model.invoke("Hi", **{name: None})


@pytest.mark.parametrize("extra_body", ["x", [1], {"a": float("nan")}, {"model": "x"}], ids=repr)
def test_invalid_extra_body_of_a_call(router: OfflineRouter, extra_body: Any) -> None:
    with pytest.raises(RouterInputError, match="extra_body"):
        create_agent_model(router, "chat_completions").invoke("Hi", extra_body=extra_body)
    assert not router.requests

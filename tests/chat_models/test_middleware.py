"""LangChain's fallbacks and retries for every kind of failure."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware, ModelRetryMiddleware
from langchain_core import exceptions as core
from langchain_core.tools import tool
from pydantic import BaseModel
from support.agent_tools import both_apis, invoke_runnable
from support.chat import CLAUDE, GPT
from support.marks import sync_and_async

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient, errors

INPUT = {"messages": [("user", "What is the weather in Berlin?")]}
CONTEXT_LENGTH = "This model's maximum context length is 128000 tokens."

FAILURES: dict[str, tuple[int, str, str, type[errors.RouterError]]] = {
    "400": (400, "invalid_request_body", "no", errors.BadRequestError),
    "guardrail": (400, "guardrail_error", "no", errors.GuardrailError),
    "content filter": (400, "content_filter", "no", errors.ContentFilterError),
    "context length": (400, "context_length_exceeded", CONTEXT_LENGTH, errors.ContextLengthError),
    "401": (401, "invalid_api_key", "no", errors.AuthenticationError),
    "402": (402, "quota_exceeded", "no", errors.QuotaExceededError),
    "403": (403, "insufficient_scope", "no", errors.PermissionDeniedError),
    "404": (404, "not_found", "no", errors.NotFoundError),
    "408": (408, "request_timeout", "no", errors.RequestTimeoutError),
    "429": (429, "rate_limit_exceeded", "no", errors.RateLimitError),
    "budget": (429, "cost_budget_exceeded", "no", errors.BudgetExceededError),
    "500": (500, "internal_error", "no", errors.ServerError),
    "501": (501, "not_implemented", "no", errors.ServerError),
    "502": (502, "provider_error", "no", errors.ServerError),
    "503": (503, "provider_overloaded", "no", errors.ServerError),
    "not JSON": (200, "", "no", errors.InvalidResponseError),
    "redirect": (302, "", "no", errors.RedirectError),
    "down": (0, "", "no", errors.RouterConnectionError),
    "slow": (-1, "", "no", errors.RouterTimeoutError),
}
"""For each failure: status (0: not connected, -1: timeout), code, message and error class."""

RETRYABLE = {"408", "429", "500", "502", "503", "down", "slow"}

every_failure = pytest.mark.parametrize("failure", FAILURES)


def create_failure(failure: str, request: httpx.Request) -> httpx.Response:
    status, code, message, _ = FAILURES[failure]
    if status == 0:
        raise httpx.ConnectError("refused", request=request)
    if status < 0:
        raise httpx.ReadTimeout("slow", request=request)
    body = {"error": {"code": code, "message": message, "type": code}}
    content = b"<html>" if status == 200 else json.dumps(body).encode()
    return httpx.Response(status, content=content)


def create_client(handle: Callable[[httpx.Request], httpx.Response]) -> RouterClient:
    transport = httpx.MockTransport(handle)
    http = {
        "http_client": httpx.Client(transport=transport),
        "http_async_client": httpx.AsyncClient(transport=transport),
    }
    return OfflineRouter().client(max_retries=0, **http)


def create_failing_client(
    failure: str, times: int = 99
) -> tuple[RouterClient, list[httpx.Request]]:
    """Create a client whose first requests fail, and the list of its requests."""
    router, requests = OfflineRouter(), list[httpx.Request]()

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        is_failing = len(requests) <= times
        return create_failure(failure, request) if is_failing else router.handle(request)

    return create_client(handle), requests


def create_model(client: RouterClient, api: str, **kwargs: Any) -> ChatOrq:
    return ChatOrq(**{"model": GPT, "client": client, "api": api, **kwargs})


async def stream_text(runnable: Any, is_async: bool) -> str:
    chunks = [c async for c in runnable.astream("Hi")] if is_async else list(runnable.stream("Hi"))
    return "".join(chunk.text for chunk in chunks)


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"


class City(BaseModel):
    """A city."""

    name: str


@every_failure
@both_apis
@sync_and_async
async def test_error_class_and_is_retryable(failure: str, api: str, is_async: bool) -> None:
    client, _ = create_failing_client(failure)
    with pytest.raises(core.ModelError) as caught:
        await invoke_runnable(create_model(client, api), is_async)
    assert type(caught.value) is FAILURES[failure][3]
    assert caught.value.is_retryable is (failure in RETRYABLE)


@both_apis
@sync_and_async
async def test_context_overflow_raises_the_error_of_langchain(api: str, is_async: bool) -> None:
    with pytest.raises(core.ContextOverflowError, match="maximum context length"):
        await invoke_runnable(
            create_model(create_failing_client("context length")[0], api), is_async
        )
    with pytest.raises(core.ContextOverflowError):
        await stream_text(create_model(create_failing_client("context length")[0], api), is_async)


@both_apis
@sync_and_async
@pytest.mark.parametrize("failure", ["down", "503", "401"])
async def test_with_fallbacks_calls_the_next_model(api: str, is_async: bool, failure: str) -> None:
    failing_client, requests = create_failing_client(failure)
    models = create_model(failing_client, api).with_fallbacks(
        [create_model(OfflineRouter().client(), api, model=CLAUDE)]
    )
    answer = await invoke_runnable(models, is_async)
    assert answer.response_metadata["model_name"] == CLAUDE
    assert CLAUDE in await stream_text(models, is_async)
    assert len(requests) == 2


@sync_and_async
async def test_fallback_can_use_the_other_api(is_async: bool) -> None:
    for first, second in (("chat_completions", "responses"), ("responses", "chat_completions")):
        router = OfflineRouter()
        models = create_model(create_failing_client("down")[0], first).with_fallbacks(
            [create_model(router.client(), second)]
        )
        await invoke_runnable(models.bind_tools([get_weather], tool_choice="any"), is_async)
        assert router.requests[0].body["tools"][0].get("name") == (
            "get_weather" if second == "responses" else None
        )


@both_apis
@sync_and_async
async def test_fallback_receives_tools_and_structured_output(api: str, is_async: bool) -> None:
    models = create_model(create_failing_client("down")[0], api).with_fallbacks(
        [create_model(OfflineRouter().client(), api)]
    )
    call = await invoke_runnable(
        models.bind_tools([get_weather], tool_choice="get_weather"), is_async
    )
    assert call.tool_calls[0]["name"] == "get_weather"
    assert isinstance(await invoke_runnable(models.with_structured_output(City), is_async), City)


@both_apis
@sync_and_async
async def test_fallback_for_outages_does_not_hide_authentication_errors(
    api: str, is_async: bool
) -> None:
    fallback_router = OfflineRouter()
    outages = (core.ModelConnectionError, core.ModelAPIError)
    failing_model = create_model(create_failing_client("401")[0], api)
    models = failing_model.with_fallbacks(
        [create_model(fallback_router.client(), api)], exceptions_to_handle=outages
    )
    with pytest.raises(core.ModelAuthenticationError):
        await invoke_runnable(models, is_async)
    assert not fallback_router.requests


@both_apis
@sync_and_async
async def test_first_error_is_raised_if_all_models_fail(api: str, is_async: bool) -> None:
    models = create_model(create_failing_client("503")[0], api).with_fallbacks(
        [create_model(create_failing_client("down")[0], api)]
    )
    with pytest.raises(errors.ServerError):
        await invoke_runnable(models, is_async)


def is_retryable(error: BaseException) -> bool:
    return isinstance(error, core.ModelError) and error.is_retryable


@every_failure
@both_apis
@sync_and_async
async def test_with_retry_by_is_retryable(failure: str, api: str, is_async: bool) -> None:
    client, requests = create_failing_client(failure, times=2)
    runnable = create_model(client, api).with_retry(
        retry_if_exception_type=is_retryable,
        wait_exponential_jitter=False,
        stop_after_attempt=3,
    )
    if failure in RETRYABLE:
        assert (await invoke_runnable(runnable, is_async)).text
    else:
        with pytest.raises(FAILURES[failure][3]):
            await invoke_runnable(runnable, is_async)
    assert len(requests) == (3 if failure in RETRYABLE else 1)


def create_retry_middleware(**kwargs: Any) -> ModelRetryMiddleware:
    return ModelRetryMiddleware(initial_delay=0, jitter=False, **kwargs)


@every_failure
@both_apis
@sync_and_async
async def test_retry_middleware_retries_only_retryable_errors(
    failure: str, api: str, is_async: bool
) -> None:
    client, requests = create_failing_client(failure, times=1)
    agent = create_agent(
        create_model(client, api), [get_weather], middleware=[create_retry_middleware()]
    )
    if failure in RETRYABLE:
        result = await invoke_runnable(agent, is_async, INPUT)
        assert "12 degrees in Berlin" in result["messages"][-1].text
    else:
        with pytest.raises(FAILURES[failure][3]):
            await invoke_runnable(agent, is_async, INPUT)
    assert len(requests) == (3 if failure in RETRYABLE else 1)


@both_apis
@sync_and_async
async def test_retry_middleware_gives_up(api: str, is_async: bool) -> None:
    client, requests = create_failing_client("503")
    agent = create_agent(
        create_model(client, api), [], middleware=[create_retry_middleware(max_retries=1)]
    )
    result = await invoke_runnable(agent, is_async, INPUT)
    assert "failed after 2 attempts with ServerError" in result["messages"][-1].text
    strict = create_retry_middleware(max_retries=1, on_failure="error")
    with pytest.raises(errors.ServerError):
        await invoke_runnable(
            create_agent(create_model(client, api), [], middleware=[strict]), is_async, INPUT
        )
    assert len(requests) == 4


@both_apis
@sync_and_async
async def test_retry_middleware_does_not_retry_invalid_input(api: str, is_async: bool) -> None:
    client, requests = create_failing_client("503")
    agent = create_agent(create_model(client, api), [], middleware=[create_retry_middleware()])
    invalid_input = {"messages": [("user", [{"type": "image", "url": ""}])]}
    with pytest.raises(errors.RouterInputError):
        await invoke_runnable(agent, is_async, invalid_input)
    assert not requests


@pytest.mark.slow
@every_failure
@both_apis
@sync_and_async
async def test_fallback_middleware_calls_the_next_model(
    failure: str, api: str, is_async: bool
) -> None:
    client, _ = create_failing_client(failure)
    fallback = create_model(OfflineRouter().client(), api, model=CLAUDE)
    middleware = [ModelFallbackMiddleware(fallback)]
    agent = create_agent(create_model(client, api), [get_weather], middleware=middleware)
    result = await invoke_runnable(agent, is_async, INPUT)
    assert result["messages"][-1].response_metadata["model_name"] == CLAUDE
    assert "12 degrees in Berlin" in result["messages"][-1].text


@both_apis
@sync_and_async
async def test_fallback_middleware_raises_the_last_error(api: str, is_async: bool) -> None:
    middleware = [ModelFallbackMiddleware(create_model(create_failing_client("401")[0], api))]
    agent = create_agent(
        create_model(create_failing_client("503")[0], api), [], middleware=middleware
    )
    with pytest.raises(errors.AuthenticationError):
        await invoke_runnable(agent, is_async, INPUT)


@both_apis
@sync_and_async
async def test_fallback_middleware_supports_structured_output(api: str, is_async: bool) -> None:
    middleware = [
        ModelFallbackMiddleware(create_model(OfflineRouter().client(), api, model=CLAUDE))
    ]
    client, _ = create_failing_client("503")
    agent = create_agent(create_model(client, api), [], response_format=City, middleware=middleware)
    assert isinstance((await invoke_runnable(agent, is_async, INPUT))["structured_response"], City)


@both_apis
@sync_and_async
async def test_retry_middleware_retries_before_the_fallback(api: str, is_async: bool) -> None:
    client, requests = create_failing_client("503")
    fallback = create_model(OfflineRouter().client(), api, model=CLAUDE)
    middleware = [
        ModelFallbackMiddleware(fallback),
        create_retry_middleware(max_retries=2, on_failure="error"),
    ]
    result = await invoke_runnable(
        create_agent(create_model(client, api), [], middleware=middleware), is_async, INPUT
    )
    assert len(requests) == 3
    assert result["messages"][-1].response_metadata["model_name"] == CLAUDE

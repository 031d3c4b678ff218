"""LangChain's cache: which calls share an entry, and which must not."""

from contextvars import ContextVar
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from support.agent_tools import FULL, both_apis, every_version, invoke_runnable
from support.chat import CLAUDE, GPT, create_model
from support.marks import sync_and_async

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError, ServerError
from orq_router_integrations.testing import Fault

TENANT: ContextVar[str] = ContextVar("tenant")


def get_cache_key(**kwargs: Any) -> str:
    return ChatOrq(**{"model": GPT, "api_key": "sk-a", **kwargs})._get_llm_string()


# Cache keys


def test_equal_models_have_equal_keys() -> None:
    assert get_cache_key() == get_cache_key()


DIFFERENCES: dict[str, dict[str, Any]] = {
    "account": {"api_key": "sk-b"},
    "router": {"base_url": "https://b.example/v3/router"},
    "model": {"model": CLAUDE},
    "parameter": {"temperature": 0.5},
    "fallbacks": {"controls": {"fallbacks": [CLAUDE]}},
    "variables": {"controls": {"variables": {"name": "Ann"}}},
    "extra_body": {"extra_body": {"a": 1}},
}


@pytest.mark.parametrize("kwargs", DIFFERENCES.values(), ids=DIFFERENCES)
def test_different_models_have_different_keys(kwargs: dict[str, Any]) -> None:
    assert get_cache_key(**kwargs) != get_cache_key()


def test_key_depends_on_the_clients_controls(router: OfflineRouter) -> None:
    controls = {"variables": {"name": "Ann"}}
    model = ChatOrq(model=GPT, client=router.client())
    with_controls = ChatOrq(model=GPT, client=router.client(controls=controls))
    assert model._get_llm_string() != with_controls._get_llm_string()


@pytest.mark.parametrize("name", ["default_headers", "default_query"])
def test_key_depends_on_headers_and_query(name: str) -> None:
    """They may name the end user, for example in X-ORQ-IDENTITY-ID."""
    ann, bob = ({name: {"X-ORQ-IDENTITY-ID": person}} for person in ("ann", "bob"))
    assert get_cache_key(**ann) == get_cache_key(**ann) != get_cache_key(**bob)


def test_key_depends_on_credentials_of_mcp_servers() -> None:
    model = ChatOrq(model=GPT, api="responses", api_key="k")

    def get_key(authorization: str) -> str:
        server = {"type": "mcp", "server_url": "https://tools.example/mcp"}
        headers = {"Authorization": authorization}
        return model._get_llm_string(tools=[{**server, "headers": headers}])

    assert get_key("Bearer a") == get_key("Bearer a") != get_key("Bearer b")


def test_key_contains_no_secret() -> None:
    key = get_cache_key(
        api_key="sk-SECRET",
        extra_body={"token": "SECRET"},
        default_headers={"X-Token": "SECRET"},
    )
    assert "SECRET" not in key
    assert len(key) == 64


@pytest.mark.parametrize("copied", [True, False], ids=["model_copy", "assignment"])
def test_key_follows_changed_fields(router: OfflineRouter, copied: bool) -> None:
    """langchain-core computes part of the key only once per model."""
    model = ChatOrq(model=GPT, client=router.client())
    key = model._get_llm_string()
    if copied:
        model = model.model_copy(update={"temperature": 0.5})
    else:
        model.temperature = 0.5
    assert model._get_llm_string() != key


def test_key_depends_on_the_result_of_a_key_function() -> None:
    key = get_cache_key(api_key=lambda: "sk-a")
    assert get_cache_key() == key != get_cache_key(api_key=lambda: "sk-b")


# Cached answers


@both_apis
@sync_and_async
@every_version
async def test_second_call_is_answered_by_the_cache(
    api: str, is_async: bool, version: str | None
) -> None:
    router = OfflineRouter(answers=lambda _: FULL)
    model = create_model(router, api=api, cache=InMemoryCache(), output_version=version)
    first, second = await invoke_runnable(model, is_async), await invoke_runnable(model, is_async)
    assert len(router.requests) == 1
    assert (second.content, second.tool_calls) == (first.content, first.tool_calls)
    assert second.content_blocks == first.content_blocks


@both_apis
@sync_and_async
@pytest.mark.parametrize(
    "change",
    [
        {"client": {"api_key": "sk-b"}},
        {"client": {"base_url": "https://b.invalid/v3/router"}},
        {"client": {"controls": {"fallbacks": [CLAUDE]}}},
        {"controls": {"fallbacks": [CLAUDE]}},
        {"model": CLAUDE},
        {"temperature": 0.5},
    ],
    ids=["account", "router", "client's controls", "model's controls", "model", "parameter"],
)
async def test_different_models_share_no_answer(
    router: OfflineRouter, api: str, is_async: bool, change: dict[str, Any]
) -> None:
    cache = InMemoryCache()
    await invoke_runnable(create_model(router, api=api, cache=cache), is_async)
    change = {**change, "client": router.client(**change.get("client", {}))}
    await invoke_runnable(create_model(router, api=api, cache=cache, **change), is_async)
    assert len(router.requests) == 2


@sync_and_async
async def test_apis_share_no_answer(router: OfflineRouter, is_async: bool) -> None:
    cache = InMemoryCache()
    for api in ("chat_completions", "responses"):
        await invoke_runnable(create_model(router, api=api, cache=cache), is_async)
    assert [request.path[-10:] for request in router.requests] == ["ompletions", "/responses"]


@both_apis
@sync_and_async
async def test_calls_with_different_controls_share_no_answer(
    router: OfflineRouter, api: str, is_async: bool
) -> None:
    model = create_model(router, api=api, cache=InMemoryCache())
    for fallback in (CLAUDE, "openai/gpt-4o-mini", CLAUDE):
        await invoke_runnable(model.bind(controls={"fallbacks": [fallback]}), is_async)
    assert len(router.requests) == 2


def test_tenants_of_a_key_function_share_no_answer(router: OfflineRouter) -> None:
    client = router.client(api_key=TENANT.get)
    model = ChatOrq(model=GPT, client=client, cache=InMemoryCache())
    for tenant in ("a", "b", "a"):
        TENANT.set(tenant)
        model.invoke("Hi")
    assert len(router.requests) == 2


async def test_async_key_function_disables_the_cache(router: OfflineRouter) -> None:
    """The cache key is computed synchronously, so the account is unknown."""

    async def get_key() -> str:
        return TENANT.get()

    model = ChatOrq(model=GPT, client=router.client(api_key=get_key), cache=InMemoryCache())
    for tenant in ("a", "b", "a"):
        TENANT.set(tenant)
        await model.ainvoke("Hi")
    assert len(router.requests) == 3


def test_key_function_without_a_key_raises(router: OfflineRouter) -> None:
    client = router.client(api_key=lambda: "")
    with pytest.raises(RouterInputError, match=r"(?i)no api key"):
        ChatOrq(model=GPT, client=client, cache=InMemoryCache()).invoke("Hi")


@both_apis
@sync_and_async
async def test_errors_are_not_cached(api: str, is_async: bool) -> None:
    router = OfflineRouter(faults={GPT: [Fault(status=501)]})
    model = create_model(router, api=api, cache=InMemoryCache())
    with pytest.raises(ServerError):
        await invoke_runnable(model, is_async)
    assert (await invoke_runnable(model, is_async)).text

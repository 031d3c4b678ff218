"""LangChain's cache of answers: who shares an entry, and who must not."""

from contextvars import ContextVar
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError

GPT, CLAUDE = "openai/gpt-4o", "anthropic/claude-sonnet-4-5"


def key(**kwargs: Any) -> str:
    return ChatOrq(**{"model": GPT, "api_key": "sk-a", **kwargs})._get_llm_string()


APART: dict[str, dict[str, Any]] = {
    "another account": {"api_key": "sk-b"},
    "another router": {"base_url": "https://b.example/v3/router"},
    "another model": {"model": CLAUDE},
    "a parameter": {"temperature": 0.5},
    "fallbacks": {"controls": {"fallbacks": [CLAUDE]}},
    "variables": {"controls": {"variables": {"name": "Ann"}}},
    "further members": {"extra_body": {"a": 1}},
}


@pytest.mark.parametrize("kwargs", APART.values(), ids=APART)
def test_langchains_cache_keeps_apart_what_may_answer_differently(kwargs: dict[str, Any]) -> None:
    assert key(**kwargs) != key()


def test_langchains_cache_has_one_entry_for_equal_models() -> None:
    assert key() == key()


def test_langchains_cache_keeps_the_clients_controls_apart(router: OfflineRouter) -> None:
    controls = {"variables": {"name": "Ann"}}
    one, two = (
        ChatOrq(model=GPT, client=router.client()),
        ChatOrq(model=GPT, client=router.client(controls=controls)),
    )
    assert one._get_llm_string() != two._get_llm_string()


@pytest.mark.parametrize("way", ["copy", "assignment"])
def test_langchains_cache_notices_a_change_after_the_first_call(
    router: OfflineRouter, way: str
) -> None:
    model = ChatOrq(model=GPT, client=router.client())
    before = model._get_llm_string()
    if way == "copy":
        model = model.model_copy(update={"temperature": 0.5})
    else:
        model.temperature = 0.5
    assert model._get_llm_string() != before


def test_two_accounts_share_no_cached_answer() -> None:
    cache = InMemoryCache()
    routers = [OfflineRouter(), OfflineRouter()]
    for router, account in zip(routers, ["sk-a", "sk-b"], strict=True):
        model = ChatOrq(model=GPT, client=router.client(api_key=account), cache=cache)
        model.invoke("Hi")
        model.invoke("Hi")
    assert [len(router.requests) for router in routers] == [1, 1]


TENANT: ContextVar[str] = ContextVar("tenant")


def test_tenants_told_apart_by_a_function_share_no_cached_answer(router: OfflineRouter) -> None:
    client = router.client(api_key=TENANT.get)
    model = ChatOrq(model=GPT, client=client, cache=InMemoryCache())
    for tenant in ("a", "b", "a"):
        TENANT.set(tenant)
        model.invoke("Hi")
    assert len(router.requests) == 2


def test_a_functions_place_in_memory_does_not_matter() -> None:
    assert key(api_key=lambda: "sk-a") == key() != key(api_key=lambda: "sk-b")


async def test_an_async_functions_account_is_unknown_and_shares_nothing(
    router: OfflineRouter,
) -> None:
    async def tenant() -> str:
        return TENANT.get()

    client = router.client(api_key=tenant)
    model = ChatOrq(model=GPT, client=client, cache=InMemoryCache())
    for name in ("a", "b", "a"):
        TENANT.set(name)
        await model.ainvoke("Hi")
    assert len(router.requests) == 3


def test_a_function_without_a_key_is_an_error_before_any_answer(router: OfflineRouter) -> None:
    client = router.client(api_key=lambda: "")
    with pytest.raises(RouterInputError, match="No API key"):
        ChatOrq(model=GPT, client=client, cache=InMemoryCache()).invoke("Hi")


@pytest.mark.parametrize("name", ["default_headers", "default_query"])
def test_who_is_named_in_every_request_has_entries_of_their_own(name: str) -> None:
    ann, bob = ({name: {"X-ORQ-IDENTITY-ID": person}} for person in ("ann", "bob"))
    assert key(**ann) == key(**ann) != key(**bob)


def test_a_key_shows_nothing_of_what_it_is_made_from() -> None:
    secrets = {"api_key": "sk-SECRET", "extra_body": {"token": "SECRET"}}
    headers = {"default_headers": {"X-Token": "SECRET"}}
    assert "SECRET" not in key(**secrets, **headers)
    assert len(key(**secrets, **headers)) == 64


def test_the_key_tells_credentials_of_tools_apart() -> None:
    model = ChatOrq(model="openai/gpt-4o", api="responses", api_key="k")

    def with_tool(secret: str) -> str:
        server = {"type": "mcp", "server_url": "https://tools.example/mcp"}
        return model._get_llm_string(tools=[{**server, "headers": {"Authorization": secret}}])

    assert (
        with_tool("Bearer MCP-SECRET")
        == with_tool("Bearer MCP-SECRET")
        != with_tool("Bearer other")
    )

"""Usage and cost, added up: what LangChain's cache gives costs nothing."""

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models.provenance import Provenance
from orq_router_integrations.chat_models.tracking import track_usage


@pytest.mark.parametrize(("api", "unpriced"), [("responses", 0), ("chat_completions", 1)])
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
async def test_an_answer_from_the_cache_costs_nothing(
    router: OfflineRouter, api: str, unpriced: int, awaited: bool
) -> None:
    model = ChatOrq(model="openai/gpt-4o", api=api, client=router.client(), cache=InMemoryCache())
    with track_usage() as usage, get_usage_metadata_callback() as core_usage:
        first = await model.ainvoke("Hi") if awaited else model.invoke("Hi")
        cost = usage.cost
        _ = await model.ainvoke("Hi") if awaited else model.invoke("Hi")
    assert len(router.requests) == 1
    assert usage.cost == cost == (Provenance.of(first).cost or 0)
    assert (usage.calls, usage.cached, usage.unpriced) == (2, 1, unpriced)
    assert usage.usage_metadata == core_usage.usage_metadata

"""``track_usage``: counts, cost, nesting and cached answers."""

import asyncio
import sys
import threading
import warnings
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.runnables import RunnableLambda
from support.marks import sync_and_async

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models import usage_callback as tracking
from orq_router_integrations.chat_models.response_metadata import Provenance
from orq_router_integrations.chat_models.usage_callback import track_usage


@pytest.mark.parametrize(("api", "unpriced"), [("responses", 0), ("chat_completions", 1)])
@sync_and_async
async def test_cached_answer_costs_nothing(
    router: OfflineRouter, api: str, unpriced: int, is_async: bool
) -> None:
    model = ChatOrq(model="openai/gpt-4o", api=api, client=router.client(), cache=InMemoryCache())
    with track_usage() as usage, get_usage_metadata_callback() as core_usage:
        first = await model.ainvoke("Hi") if is_async else model.invoke("Hi")
        cost = usage.cost
        _ = await model.ainvoke("Hi") if is_async else model.invoke("Hi")
    assert len(router.requests) == 1
    assert usage.cost == cost == (Provenance.of(first).cost or 0)
    assert (usage.calls, usage.cached, usage.unpriced) == (2, 1, unpriced)
    assert usage.usage_metadata == core_usage.usage_metadata


def call_in_nested_block(model: ChatOrq) -> None:
    with track_usage() as usage:
        model.batch(["2", "3"])
    assert usage.calls == 2


def test_outer_block_counts_calls_of_nested_blocks(model: ChatOrq) -> None:
    chain = RunnableLambda(lambda _: call_in_nested_block(model))
    with track_usage() as outer, get_usage_metadata_callback() as core_usage:
        model.invoke("1")
        call_in_nested_block(model)
        chain.invoke("Hi")
        model.invoke("4")
    assert outer.calls == 6
    assert outer.usage_metadata == core_usage.usage_metadata
    with track_usage() as later:
        model.invoke("5")
    assert (outer.calls, later.calls) == (6, 1)


def test_unreported_cost_is_unknown(model: ChatOrq) -> None:
    with track_usage() as usage:
        assert "cost=0.000000" in repr(usage)
        model.invoke("Hi")
    assert "cost=unknown, unpriced=1" in repr(usage)


async def test_blocks_in_abandoned_generators_are_reused(model: ChatOrq) -> None:
    async def answers() -> AsyncIterator[str]:
        with track_usage():
            yield (await model.ainvoke("1")).text
            yield "never"

    count = len(tracking._TRACKER_VARIABLES)
    for _ in range(20):
        async for _ in answers():
            break
        await asyncio.sleep(0)
    with track_usage() as usage:
        await model.ainvoke("2")
    assert usage.calls == 1
    assert len(tracking._TRACKER_VARIABLES) <= count + 2


async def call_async(model: ChatOrq, config: Any) -> None:
    await model.ainvoke("Hi", config)


def run_in_thread(call: Any) -> None:
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()


def run_in_pool(call: Any) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(call).result()


CALLS = {
    "invoke": lambda model, config: model.invoke("Hi", config),
    "stream": lambda model, config: list(model.stream("Hi", config)),
    "batch": lambda model, config: model.batch(["Hi"], config),
    "chain": lambda model, config: (RunnableLambda(str) | model).invoke("Hi", config),
    "ainvoke": lambda model, config: asyncio.run(call_async(model, config)),
}


@pytest.mark.parametrize("run", [run_in_thread, run_in_pool])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_uncounted_thread_warns_once(model: ChatOrq, run: Any, call: Any) -> None:
    def call_twice() -> None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call(model, {})
            call(model, {})
        messages.extend(str(item.message) for item in caught)

    messages: list[str] = []
    with track_usage() as usage:
        run(call_twice)
    if getattr(sys.flags, "thread_inherit_context", False):  # Python 3.14 without the GIL
        assert (usage.calls, messages) == (2, [])
    else:
        assert usage.calls == 0
        [message] = messages
        assert "contextvars.copy_context().run" in message


@pytest.mark.parametrize("run", [run_in_thread, run_in_pool])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_counted_thread_does_not_warn(model: ChatOrq, run: Any, call: Any) -> None:
    with warnings.catch_warnings(), track_usage() as usage:
        warnings.simplefilter("error")
        run(lambda: call(model, {"callbacks": [usage]}))
        run(partial(copy_context().run, call, model, {}))
    run(lambda: call(model, {}))  # after the block
    assert usage.calls == 2


def test_thread_of_another_block_does_not_warn(model: ChatOrq) -> None:
    def call_in_own_block() -> None:
        with track_usage() as usage:
            model.invoke("Hi")
        counts.append(usage.calls)

    counts: list[int] = []
    with warnings.catch_warnings(), track_usage() as usage:
        warnings.simplefilter("error")
        run_in_thread(call_in_own_block)
    assert (usage.calls, counts) == (0, [1])


class TestEstimates:
    MODELS = ("openai/gpt-4o", "anthropic/claude-sonnet-4-5")

    def test_unpriced_answer_is_estimated(self) -> None:
        client = OfflineRouter().client()
        with track_usage(client.list_catalog_models()) as usage:
            message = ChatOrq("openai/gpt-4o", client=client).invoke("Hi")
        tokens = message.usage_metadata
        expected = (tokens["input_tokens"] + 4 * tokens["output_tokens"]) / 1_000_000
        assert usage.estimated_cost == pytest.approx(expected)
        assert (usage.cost, usage.unpriced, usage.unestimated) == (0.0, 1, 0)
        assert f"estimated_cost={expected:.6f}" in repr(usage)

    def test_reported_cost_is_not_estimated(self) -> None:
        client = OfflineRouter().client()
        with track_usage(client.list_catalog_models()) as usage:
            ChatOrq("openai/gpt-4o", api="responses", client=client).invoke("Hi")
        assert usage.cost > 0
        assert (usage.estimated_cost, usage.unestimated) == (0.0, 0)

    def test_model_outside_of_the_catalog_has_no_estimate(self) -> None:
        client = OfflineRouter().client()
        with track_usage(client.list_catalog_models(provider="cohere")) as usage:
            ChatOrq("openai/gpt-4o", client=client).invoke("Hi")
        assert (usage.estimated_cost, usage.unestimated) == (0.0, 1)

    def test_fallback_is_estimated_with_its_own_prices(self) -> None:
        primary, fallback = self.MODELS
        client = OfflineRouter(faults={primary: 503}).client()
        model = ChatOrq(primary, controls={"fallbacks": [fallback]}, client=client)
        with track_usage(client.list_catalog_models(provider="openai")) as usage:
            model.invoke("Hi")
        assert (usage.fallbacks, usage.unestimated) == (1, 1)

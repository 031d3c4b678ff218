"""Real delays, which tests replace by a record of the requested seconds."""

import asyncio
import time
from types import SimpleNamespace

import httpx
import pytest
from support.marks import sync_and_async

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterTimeoutError, StreamInterruptedError
from orq_router_integrations.testing.routing import http_adapter
from orq_router_integrations.testing.serve import create_asgi_app

GPT = "openai/gpt-4o"
ANSWERS = {"Hi": "one two"}


@pytest.fixture
def sleeps(monkeypatch):
    """Seconds of all sleeps that are longer than 0."""
    seconds = []

    async def record_async(delay):
        record(delay)
        await asyncio.sleep(0)

    def record(delay):
        if delay:
            seconds.append(delay)

    monkeypatch.setattr(http_adapter, "time", SimpleNamespace(sleep=record))
    monkeypatch.setattr(http_adapter, "asyncio", SimpleNamespace(sleep=record_async))
    return seconds


def create_model(router, **kwargs):
    return ChatOrq(GPT, client=router.client(max_retries=0, **kwargs))


async def test_responses_start_after_the_latency(sleeps):
    model = create_model(OfflineRouter(latency=0.3))
    model.invoke("Hi")
    await model.ainvoke("Hi")
    assert sleeps == [0.3, 0.3]


async def test_chunks_are_delayed(sleeps):
    model = create_model(OfflineRouter(answers=ANSWERS, latency=0.3, chunk_latency=0.1))
    list(model.stream("Hi"))
    sync, async_start = list(sleeps), len(sleeps)
    assert [chunk async for chunk in model.astream("Hi")]
    assert sync == sleeps[async_start:] == [0.3] + [0.1] * (len(sync) - 1)
    assert len(sync) > 4


def test_nothing_sleeps_by_default(sleeps):
    list(create_model(OfflineRouter()).stream("Hi"))
    assert sleeps == []


async def test_served_responses_are_delayed(sleeps):
    app = create_asgi_app(OfflineRouter(latency=0.3))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://h") as http:
        await http.get("/v3/router/models", headers={"Authorization": "Bearer k"})
    assert sleeps == [0.3]


def test_error_of_timeout_has_one_full_stop(sleeps):
    model = create_model(OfflineRouter(latency=60), timeout=0.2)
    with pytest.raises(RouterTimeoutError, match=r"slower than the timeout\)\. Pass"):
        model.invoke("Hi")


async def test_read_timeout(sleeps):
    model = create_model(OfflineRouter(latency=60), timeout=0.2)
    with pytest.raises(RouterTimeoutError):
        model.invoke("Hi")
    with pytest.raises(RouterTimeoutError):
        await model.ainvoke("Hi")
    assert sleeps == [0.2, 0.2]


def test_timeout_between_chunks_ends_the_stream(sleeps):
    router = OfflineRouter(answers=ANSWERS, chunk_latency=60)
    with pytest.raises((RouterTimeoutError, StreamInterruptedError)):
        list(create_model(router, timeout=0.2).stream("Hi"))
    assert sleeps == [0.2]


@pytest.mark.slow
@sync_and_async
async def test_deadline_ends_the_wait(is_async):
    model = create_model(OfflineRouter(latency=30), deadline=0.2)
    start = time.monotonic()
    with pytest.raises(RouterTimeoutError):
        await model.ainvoke("Hi") if is_async else model.invoke("Hi")
    assert time.monotonic() - start < 10


@pytest.mark.slow
async def test_abandoned_calls_end():
    model = create_model(OfflineRouter(answers=ANSWERS, chunk_latency=0.05))
    async for _ in model.astream("Hi"):
        break
    task = asyncio.ensure_future(create_model(OfflineRouter(latency=30)).ainvoke("Hi"))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

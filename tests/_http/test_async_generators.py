"""Async generators that only their owner closes."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from faults.server import FaultServer, respond_normally
from support.local_client import wait_until
from support.scripted_router import KEY

from orq_router_integrations import ChatOrq, OrqSpeechTool, RouterClient
from orq_router_integrations._http.async_generators import (
    ScopedAsyncGenerator,
    scoped_asynccontextmanager,
)

STREAMS: dict[str, Callable[[RouterClient], AsyncIterator[Any]]] = {
    "chat": lambda client: ChatOrq(model="openai/gpt-4o", client=client).astream("Hi " * 99),
    "responses": lambda client: ChatOrq(
        model="openai/gpt-4o", api="responses", client=client
    ).astream("Hi " * 99),
    "speech": lambda client: OrqSpeechTool(
        model="openai/tts-1", voice="alloy", audio_format="wav", client=client
    ).astream("Some words. " * 9),
}


async def break_after_first(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        break


async def raise_after_first(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        raise KeyError


async def return_after_first(stream: AsyncIterator[Any]) -> Any:
    await anext(stream)
    return stream


@pytest.mark.slow
@pytest.mark.parametrize("leave", [break_after_first, raise_after_first, return_after_first])
@pytest.mark.parametrize("create_stream", STREAMS.values(), ids=STREAMS)
def test_stream_left_open_is_closed_with_its_loop_without_logging(create_stream, leave, caplog):
    """Asyncio logs an error if it closes a generator that its owner is closing, too."""
    caplog.set_level(logging.WARNING)
    with FaultServer(respond_normally) as server:
        client = RouterClient(api_key=KEY, base_url=f"{server.url}/v3/router")
        with suppress(KeyError):
            asyncio.run(leave(create_stream(client)))
        gc.collect()
        assert wait_until(lambda: server.open == 0)
    assert [record.getMessage() for record in caplog.records] == []


class Numbers:
    """Creates generators and counts how many were closed."""

    def __init__(self) -> None:
        self.closed = 0

    async def generate(self) -> Any:
        try:
            yield 1
            yield 2
        finally:
            self.closed += 1


async def test_scoped_generator_is_closed_only_by_its_owner():
    numbers = Numbers()
    async with ScopedAsyncGenerator(numbers.generate()) as scoped:
        assert await anext(scoped) == 1
        assert numbers.closed == 0
    assert numbers.closed == 1


async def test_scoped_context_manager_closes_its_generator():
    numbers = Numbers()

    @scoped_asynccontextmanager
    async def context() -> Any:
        async with ScopedAsyncGenerator(numbers.generate()) as scoped:
            yield await anext(scoped)

    async with context() as number:
        assert number == 1
    assert numbers.closed == 1
    with pytest.raises(KeyError):
        async with context():
            raise KeyError
    assert numbers.closed == 2

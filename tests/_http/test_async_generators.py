"""Streams that an event loop ends with: closed once, without a word."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from faults.matrix import _until
from faults.server import FaultServer, well
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


async def broken(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        break


async def failed(stream: AsyncIterator[Any]) -> None:
    async for _ in stream:
        raise KeyError


async def kept(stream: AsyncIterator[Any]) -> Any:
    await anext(stream)
    return stream


@pytest.mark.parametrize("left", [broken, failed, kept])
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS)
def test_stream_left_open_is_closed_with_its_loop_without_logging(stream, left, caplog):
    caplog.set_level(logging.WARNING)
    with FaultServer(well) as server:
        client = RouterClient(api_key=KEY, base_url=f"{server.url}/v3/router")
        with suppress(KeyError):
            asyncio.run(left(stream(client)))
        gc.collect()
        assert _until(lambda: server.open == 0)
    assert [record.getMessage() for record in caplog.records] == []


async def test_scoped_generator_is_closed_only_by_its_owner():
    closed = []

    async def numbers() -> Any:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    async with ScopedAsyncGenerator(numbers()) as owned:
        assert await anext(owned) == 1
        assert closed == []
    assert closed == [True]

    @scoped_asynccontextmanager
    async def context() -> Any:
        async with ScopedAsyncGenerator(numbers()) as inner:
            yield await anext(inner)

    async with context() as number:
        assert number == 1
    assert closed == [True, True]
    with pytest.raises(KeyError):
        async with context():
            raise KeyError
    assert closed == [True] * 3

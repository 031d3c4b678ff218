"""API keys from functions."""

import asyncio
import threading
import time
from typing import Any

import pytest
from support.scripted_router import (
    ANSWER,
    KEY,
    Script,
    both_callers,
    create_call,
    create_client,
    create_stream_call,
)

from orq_router_integrations import RouterClient
from orq_router_integrations.errors import RouterInputError, RouterTimeoutError


async def get_key_async() -> str:
    return "async-key"


@both_callers
def test_key_function_is_called(caller):
    script = Script()
    caller.send(create_client(script, api_key=lambda: " key-of-function "), create_call())
    assert script.headers("authorization") == ["Bearer key-of-function"]


async def test_async_key_function_works_for_async_calls():
    script = Script()
    await create_client(script, api_key=get_key_async).asend(create_call())
    assert script.headers("authorization") == ["Bearer async-key"]


@pytest.mark.parametrize("method", ["send", "stream"])
def test_async_key_function_fails_for_sync_calls(method):
    client = create_client(Script(), api_key=get_key_async)
    with pytest.raises(RouterInputError, match="async function, which sync calls cannot use"):
        client.send(create_call()) if method == "send" else list(
            client.stream(create_stream_call())
        )


@pytest.mark.slow
async def test_blocking_key_function_does_not_block_event_loop():
    ticks = []

    async def tick() -> None:
        while True:
            ticks.append(time.monotonic())
            await asyncio.sleep(0.01)

    ticker = asyncio.create_task(tick())
    client = create_client(Script(), api_key=lambda: time.sleep(0.5), deadline=0.2)
    with pytest.raises(RouterTimeoutError, match="deadline"):
        await client.asend(create_call())
    ticker.cancel()
    assert len(ticks) > 1


async def test_key_functions_that_never_return_do_not_block_others():
    """They run in their own threads, so they do not exhaust the thread pool of the event loop."""
    may_return = threading.Event()
    for _ in range(40):
        client = create_client(Script(), api_key=may_return.wait, deadline=0.001)
        with pytest.raises(RouterTimeoutError):
            await client.asend(create_call())
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 30) == "free"
    assert await create_client(Script(), api_key=lambda: KEY).asend(create_call()) == ANSWER
    may_return.set()


@both_callers
def test_exhausted_key_function_raises_input_error(caller):
    keys = iter(())
    with pytest.raises(RouterInputError, match="raised StopIteration"):
        caller.send(create_client(Script(), api_key=keys.__next__, deadline=9), create_call())


def create_key_client(get_key: Any, has_own_clients: bool) -> RouterClient:
    return (
        create_client(Script(), api_key=get_key)
        if has_own_clients
        else RouterClient(api_key=get_key)
    )


@both_callers
@pytest.mark.parametrize("error_class", [StopIteration, StopAsyncIteration, GeneratorExit])
@pytest.mark.parametrize("has_own_clients", [False, True], ids=["pool", "httpx client"])
def test_key_function_cannot_end_a_stream(caller, error_class, has_own_clients):
    """Otherwise the exceptions that end a generator would make a stream seem complete."""

    def get_key() -> str:
        raise error_class

    with pytest.raises(RouterInputError, match=f"raised {error_class.__name__}. Return a key"):
        caller.stream(create_key_client(get_key, has_own_clients), create_stream_call())


@pytest.mark.parametrize("error_class", [StopIteration, StopAsyncIteration])
@pytest.mark.parametrize("has_own_clients", [False, True], ids=["pool", "httpx client"])
async def test_async_key_function_cannot_end_a_stream(error_class, has_own_clients):
    async def get_key() -> str:
        await asyncio.sleep(0)
        raise error_class

    client = create_key_client(get_key, has_own_clients)
    with pytest.raises(RouterInputError, match=f"raised {error_class.__name__}. Return a key"):
        _ = [item async for item in client.astream(create_stream_call())]


@both_callers
@pytest.mark.parametrize("key", ["", "  ", "a\nb", "cl\u00e9", "x" * 4097, None, 7])
def test_invalid_key_from_function_raises_input_error(caller, key):
    script = Script()
    with pytest.raises(RouterInputError, match="key") as raised:
        caller.send(create_client(script, api_key=lambda: key), create_call())
    assert script.sent == 0
    assert not key or str(key) not in str(raised.value)

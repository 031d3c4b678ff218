"""Senders: created late, shared by all clients, one for each event loop and each process."""

import asyncio
import gc
import json
import os
import ssl
import threading
import warnings
import weakref
from contextlib import suppress
from typing import Any

import httpx
import pytest
from support.local_client import COMPLETION, local_client, wait_until
from support.loopback_server import Answer, Loopback, complete_response
from support.scripted_router import (
    ANSWER,
    DONE,
    KEY,
    Script,
    both_callers,
    create_call,
    create_stream_call,
    encode_event,
)

from orq_router_integrations import ChatOrq, RouterClient
from orq_router_integrations._http import pool
from orq_router_integrations._http.client_sender import BackgroundReader, send_over_client
from orq_router_integrations._http.exchange import Exchange
from orq_router_integrations._http.pool import AsyncConnectionPool, ConnectionPool
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.json import loads


@pytest.fixture
def pools(monkeypatch) -> list[Any]:
    """The pools that are created; they respond without a network."""
    created: list[Any] = []

    class MockConnectionPool(ConnectionPool):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._http = httpx.Client(transport=httpx.MockTransport(Script()))
            created.append(self)

        def send(self, exchange: Exchange[Any]) -> Any:
            return send_over_client(self._http, exchange)

    class MockAsyncConnectionPool(AsyncConnectionPool):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self._http = httpx.AsyncClient(transport=httpx.MockTransport(Script()))
            created.append(self)

        def send(self, exchange: Exchange[Any]) -> Any:
            return BackgroundReader(self._http, exchange)

    monkeypatch.setattr(pool, "ConnectionPool", MockConnectionPool)
    monkeypatch.setattr(pool, "AsyncConnectionPool", MockAsyncConnectionPool)
    return created


def respond_slowly(*events: bytes) -> Answer:
    """Send the events of a stream one by one."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % sum(map(len, events)))
        for event in events:
            writer.write(event)
            await writer.drain()
            await asyncio.sleep(0.05)

    return answer


def test_creating_clients_opens_nothing(monkeypatch, pools):
    def fail(*_: Any, **__: Any) -> None:
        raise AssertionError("no TLS context is needed before the first call")

    for name in ("SSLContext", "create_default_context"):
        monkeypatch.setattr(ssl, name, fail)
    client = RouterClient(api_key=KEY, base_url="my.orq.ai", controls={"name": "tour"})
    ChatOrq(model="openai/gpt-4o", api_key=KEY)
    client.close()
    asyncio.run(client.aclose())
    assert pools == []


def test_clients_and_threads_share_one_sender(pools):
    clients = [RouterClient(api_key=KEY, timeout=float(n)) for n in (1, 2, 3)]
    threads = [
        threading.Thread(target=c.send, args=[create_call()]) for c in clients for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pools) == 1


def test_each_event_loop_has_its_own_sender(pools):
    client = RouterClient(api_key=KEY)

    async def send_twice() -> None:
        await asyncio.gather(client.asend(create_call()), client.asend(create_call()))

    asyncio.run(send_twice())
    asyncio.run(send_twice())
    assert len(pools) == 2


@pytest.mark.slow
def test_concurrent_event_loops_have_their_own_senders(pools):
    client, barrier = RouterClient(api_key=KEY), threading.Barrier(3)

    async def send_at_the_same_time() -> None:
        await client.asend(create_call())
        barrier.wait(30)
        await client.asend(create_call())

    threads = [
        threading.Thread(target=asyncio.run, args=[send_at_the_same_time()]) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(pools) == 3


@pytest.mark.slow
def test_closed_event_loop_is_released(pools):
    client, loops = RouterClient(api_key=KEY), []

    async def send() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await client.asend(create_call())

    asyncio.run(send())
    asyncio.run(send())
    pools.clear()
    gc.collect()
    assert loops[0]() is None


@both_callers
def test_closed_client_can_be_used_again(caller, pools):
    client = RouterClient(api_key=KEY)
    assert caller.send(client, create_call()) == caller.send(client, create_call()) == ANSWER
    assert [pool.is_closed for pool in pools] == [True, True]


STREAM = respond_slowly(encode_event("Hel"), encode_event("lo"), DONE)


@pytest.mark.slow
def test_calls_in_progress_finish_after_close():
    with Loopback(STREAM) as server:
        client, second_client = local_client(server), local_client(server)
        stream = client.stream(create_stream_call())
        assert next(stream) == "Hel"
        client.close()
        assert list(stream) == ["lo"]
        assert wait_until(lambda: server.open == 0)
        assert len(list(second_client.stream(create_stream_call()))) == server.accepted == 2


@pytest.mark.slow
async def test_calls_in_progress_finish_after_aclose():
    with Loopback(STREAM) as server:
        client, second_client = local_client(server), local_client(server)
        stream = client.astream(create_stream_call())
        assert await anext(stream) == "Hel"
        await client.aclose()
        assert [text async for text in stream] == ["lo"]
        assert await asyncio.to_thread(wait_until, lambda: server.open == 0)
        assert len([text async for text in second_client.astream(create_stream_call())]) == 2
        assert server.accepted == 2


async def test_async_client_closes_only_connections_that_no_other_client_needs(pools):
    client, second_client = RouterClient(api_key=KEY), RouterClient(api_key=KEY)
    async with client:
        await client.asend(create_call())
        await second_client.asend(create_call())
    assert not pools[-1].is_closed
    await second_client.aclose()
    assert pools[-1].is_closed


def test_client_closes_only_connections_that_no_other_client_needs(pools):
    client, second_client = RouterClient(api_key=KEY), RouterClient(api_key=KEY)
    with client:
        client.send(create_call())
        second_client.send(create_call())
    assert not pools[-1].is_closed
    second_client.close()
    assert pools[-1].is_closed


def test_deleted_client_needs_no_connections(pools):
    RouterClient(api_key=KEY).send(create_call())
    with RouterClient(api_key=KEY) as client:
        client.send(create_call())
    assert [pool.is_closed for pool in pools] == [True]


@both_callers
def test_close_during_start_of_call_does_not_break_it(caller, pools):
    def get_key() -> str:
        client.close()
        return KEY

    client = RouterClient(api_key=get_key, max_retries=0)
    assert caller.send(client, create_call()) == ANSWER


@pytest.mark.slow
def test_client_works_in_several_event_loops():
    with Loopback(complete_response(COMPLETION)) as server:
        client = local_client(server)

        async def send_three() -> list[Any]:
            return await asyncio.gather(*(client.asend(create_call()) for _ in range(3)))

        results = [result for _ in range(4) for result in asyncio.run(send_three())]
        assert results == [ANSWER] * 12
        assert len(server.requests) == 12


@pytest.mark.slow
def test_closed_event_loop_leaves_no_connection_open():
    with (
        Loopback(complete_response(COMPLETION)) as server,
        warnings.catch_warnings(record=True) as caught,
    ):
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(2):
            asyncio.run(local_client(server).asend(create_call()))
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


async def respond_with_port(writer: asyncio.StreamWriter) -> None:
    """Respond with the port of the client, which identifies its connection."""
    await complete_response(json.dumps(writer.get_extra_info("peername")[1]).encode())(writer)


@both_callers
def test_connection_is_reused(caller):
    ports = []
    call = create_call(parse=lambda response: ports.append(loads(response.content)))
    with Loopback(respond_with_port) as server:
        caller.send(local_client(server), call, times=3)
    assert (len(ports), len(set(ports))) == (3, 1)


@both_callers
def test_cookies_are_not_stored(caller):
    cookie = "Set-Cookie: session=1; Path=/; Max-Age=3600"
    with Loopback(complete_response(COMPLETION, cookie)) as server:
        caller.send(local_client(server), create_call(), times=2)
    assert len(server.requests) == 2
    assert not any(b"\ncookie" in head.lower() for head in server.requests)


def run_in_child(function: Any) -> bytes:
    """Return what a function returns in a forked child."""
    reader, writer = os.pipe()
    if not (child := os.fork()):
        with suppress(BaseException):
            os.write(writer, str(function()).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        result = pipe.read()
    os.waitpid(child, 0)
    return result


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@both_callers
def test_forked_child_opens_its_own_connections(caller):
    call = create_call(parse=lambda response: loads(response.content))
    with Loopback(respond_with_port) as server, local_client(server) as client:
        port = client.send(call)
        child_port = int(run_in_child(lambda: caller.send(client, call)))
        assert client.send(call) == port != child_port
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("name", "value"), [("HTTPS_PROXY", "foo://bar"), ("SSL_CERT_FILE", "/no/such/file.pem")]
)
@both_callers
def test_invalid_environment_raises_input_error(monkeypatch, caller, name, value):
    monkeypatch.setenv(name, value)
    client = RouterClient(api_key=KEY, base_url="https://localhost:9/v3/router", max_retries=0)
    with pytest.raises(RouterInputError, match=name):
        caller.send(client, create_call())

"""The stack of connections: what is done with comes back once, and what broke never does."""

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from support.cancelling import cancelled_calls
from support.loopback_server import Loopback, open_ended, silent, whole
from support.scripted_router import ANSWER, DONE, KEY, both_doors, chat, chat_stream, event

from orq_router_integrations import RouterClient
from orq_router_integrations._http import pool as stack
from orq_router_integrations._http.pool import AsyncConnectionPool, ConnectionPool
from orq_router_integrations._http.registry import SENDER_REGISTRY
from orq_router_integrations.errors import RouterConnectionError, StreamInterruptedError

COMPLETION = json.dumps(ANSWER).encode()


def no_tls() -> ssl.SSLContext:
    raise AssertionError("plain HTTP needs no certificates")


@pytest.fixture
def clock(monkeypatch) -> Callable[[float], None]:
    """Moves the time that the stack sees."""
    passed = 0.0

    def advance(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(stack, "monotonic", lambda: time.monotonic() + passed)
    return advance


def local(server: Loopback, **settings: Any) -> RouterClient:
    return RouterClient(**{"api_key": KEY, "base_url": server.url, "max_retries": 0} | settings)


def soon(condition: Callable[[], bool]) -> bool:
    """Whether something comes true within a second."""
    until = time.monotonic() + 1
    while not condition() and time.monotonic() < until:
        time.sleep(0.005)
    return condition()


async def hung_up(writer: asyncio.StreamWriter) -> None:
    """Answers, and closes the connection without having said so."""
    await whole(COMPLETION)(writer)
    writer.close()


async def cut_off(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{")
    await writer.drain()
    writer.close()


def test_connection_used_last_is_used_next():
    with (
        Loopback(whole(COMPLETION)) as server,
        httpx.Client(transport=ConnectionPool(no_tls)) as http,
    ):
        open_ones = [http.send(http.build_request("GET", server.url), stream=True) for _ in "abc"]
        for response in open_ones:
            response.read()
        port = open_ones[-1].extensions["network_stream"].get_extra_info("client_addr")
        for _ in range(5):
            again = http.get(server.url)
            assert again.extensions["network_stream"].get_extra_info("client_addr") == port
        assert server.accepted == server.open == 3
    assert soon(lambda: server.open == 0)


def test_closing_response_twice_returns_connection_once():
    with (
        Loopback(whole(COMPLETION)) as server,
        httpx.Client(transport=ConnectionPool(no_tls)) as http,
    ):
        first = http.get(server.url)
        first.stream.close()
        open_ones = [http.send(http.build_request("GET", server.url), stream=True) for _ in "ab"]
        assert server.accepted == 2
        assert [response.read() for response in open_ones] == [COMPLETION] * 2


async def test_closing_async_response_twice_returns_connection_once():
    with Loopback(whole(COMPLETION)) as server:
        async with httpx.AsyncClient(transport=AsyncConnectionPool(no_tls)) as http:
            first = await http.get(server.url)
            await first.stream.aclose()
            request = http.build_request("GET", server.url)
            open_ones = [await http.send(request, stream=True) for _ in "ab"]
            assert server.accepted == 2
            assert [await response.aread() for response in open_ones] == [COMPLETION] * 2


def test_closed_pool_closes_returned_connections():
    with (
        Loopback(whole(COMPLETION)) as server,
        httpx.Client(transport=ConnectionPool(no_tls)) as http,
    ):
        response = http.send(http.build_request("GET", server.url), stream=True)
        http.close()
        assert server.open == 1
        assert response.read() == COMPLETION
        assert soon(lambda: server.open == 0)


def test_each_origin_has_its_own_connections():
    with Loopback(whole(COMPLETION)) as one, Loopback(whole(COMPLETION)) as other:
        for server in (one, other) * 3:
            local(server).send(chat())
        assert (one.accepted, other.accepted) == (1, 1)


def test_idle_connections_expire(clock):
    with (
        Loopback(whole(COMPLETION)) as server,
        Loopback(whole(COMPLETION)) as other,
        httpx.Client(transport=ConnectionPool(no_tls)) as http,
    ):
        request = http.build_request("GET", server.url)
        for response in [http.send(request, stream=True) for _ in range(5)]:
            response.read()
        http.get(other.url)
        assert server.open == 5
        clock(stack.KEEPALIVE_SECONDS + 1)
        http.get(other.url)
        assert soon(lambda: server.open == 0)


async def test_idle_async_connections_expire(clock):
    with Loopback(whole(COMPLETION)) as server, Loopback(whole(COMPLETION)) as other:
        await asyncio.gather(*(local(server).asend(chat()) for _ in range(5)))
        await local(other).asend(chat())
        assert server.open == 5
        clock(stack.KEEPALIVE_SECONDS + 1)
        await local(other).asend(chat())
        assert await asyncio.to_thread(soon, lambda: server.open == 0)


@both_doors
def test_connection_closed_by_server_is_not_reused(door):
    with Loopback(hung_up) as server:
        door.send(local(server), chat(parse=lambda _: time.sleep(0.05)), times=3)
        assert server.accepted == 3
        assert soon(lambda: server.open == 0)


@both_doors
def test_broken_connection_is_closed(door):
    with Loopback(cut_off) as server:
        with pytest.raises(RouterConnectionError):
            door.send(local(server), chat())
        assert soon(lambda: server.open == 0)


@both_doors
def test_broken_stream_closes_only_its_connection(door):
    broken = open_ended(b"data: " + json.dumps({"text": "Hel"}).encode(), then_close=True)
    with Loopback(broken) as server, Loopback(whole(COMPLETION)) as healthy:
        with pytest.raises(StreamInterruptedError):
            door.stream(local(server), chat_stream())
        assert soon(lambda: server.open == 0)
        assert door.send(local(healthy), chat()) == ANSWER


def test_unfinished_stream_is_closed():
    with Loopback(open_ended(event("Hel"))) as server:
        stream = local(server).stream(chat_stream())
        assert (next(stream), server.open) == ("Hel", 1)
        del stream
        assert soon(lambda: server.open == 0)


async def test_cancelled_calls_leave_no_connection():
    with Loopback(silent) as hanging, Loopback(whole(COMPLETION)) as working:
        await cancelled_calls(local(hanging), 0.1)
        assert await asyncio.to_thread(soon, lambda: hanging.open == 0)
        assert await local(working).asend(chat()) == ANSWER


async def test_streams_cancelled_twice_leave_no_connection():
    with Loopback(open_ended(event("Hel"))) as server:

        async def read() -> None:
            async for _ in local(server).astream(chat_stream()):
                pass

        tasks = [asyncio.create_task(read()) for _ in range(20)]
        assert await asyncio.to_thread(soon, lambda: server.open == 20)
        for pause in (0, 0, 0):
            for task in tasks:
                task.cancel()
            await asyncio.sleep(pause)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await asyncio.to_thread(soon, lambda: server.open == 0)


@both_doors
def test_proxy_from_environment_is_used(door, monkeypatch):
    with Loopback(whole(COMPLETION)) as proxy, Loopback(whole(COMPLETION)) as server:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        client = local(server, base_url="http://router.example", allow_insecure=True)
        assert door.send(client, chat()) == ANSWER
        assert proxy.requests[0].startswith(b"POST http://router.example/v3/router/chat")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        SENDER_REGISTRY.close()
        assert door.send(local(server), chat()) == ANSWER
    assert (len(proxy.requests), len(server.requests)) == (1, 1)


def said(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("surplus", [b"x", said(b'"no"'), said(b'"no"') + bytes(300_000)])
async def test_bytes_after_response_are_not_the_next_response(awaited, streamed, surplus):
    replies = iter([said(event("Hi", "stop") + DONE if streamed else COMPLETION) + surplus])

    async def answer(writer: Any) -> None:
        writer.write(next(replies, said(COMPLETION)))

    with Loopback(answer) as server:
        client = local(server)
        if streamed and awaited:
            assert [text async for text in client.astream(chat_stream())] == ["Hi"]
        elif streamed:
            assert list(client.stream(chat_stream())) == ["Hi"]
        for _ in range(3):
            assert (await client.asend(chat()) if awaited else client.send(chat())) == ANSWER
        assert server.accepted == 2

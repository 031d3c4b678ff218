"""Connection pools: connections are reused, expire, and are closed when they fail."""

import asyncio
import gc
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpcore
import pytest
from support.cancelling import cancel_calls
from support.local_client import COMPLETION, local_client, wait_until
from support.loopback_server import Loopback, complete_response, open_ended_response, send_nothing
from support.marks import sync_and_async
from support.scripted_router import (
    ANSWER,
    DONE,
    KEY,
    both_callers,
    create_call,
    create_stream_call,
    encode_event,
)

from orq_router_integrations import RouterClient
from orq_router_integrations._http import pool
from orq_router_integrations._http.asyncio_backend import AsyncioBackend
from orq_router_integrations._http.backend import DeadlineBackend
from orq_router_integrations.errors import (
    RouterConnectionError,
    RouterTimeoutError,
    StreamInterruptedError,
)


@pytest.fixture
def advance_clock(monkeypatch) -> Callable[[float], None]:
    """A function that moves the clock of the pool forward."""
    offset = 0.0

    def advance(seconds: float) -> None:
        nonlocal offset
        offset += seconds

    monkeypatch.setattr(pool, "monotonic", lambda: time.monotonic() + offset)
    return advance


async def respond_and_close(writer: asyncio.StreamWriter) -> None:
    """Respond and close the connection without announcing it."""
    await complete_response(COMPLETION)(writer)
    writer.close()


async def close_during_body(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{")
    await writer.drain()
    writer.close()


def build_response(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def stream_port(writer: asyncio.StreamWriter) -> None:
    """Respond with a stream of the port of the client, which identifies its connection."""
    port = writer.get_extra_info("peername")[1]
    writer.write(build_response(encode_event(str(port)) + DONE))


def start_streams(server: Loopback, count: int) -> list[Iterator[str]]:
    return [local_client(server).stream(create_stream_call()) for _ in range(count)]


def test_connection_used_last_is_used_next():
    with Loopback(stream_port) as server:
        streams = start_streams(server, 3)
        *_, last_port = [next(stream) for stream in streams]
        for stream in streams:
            assert list(stream) == []
        assert {text for stream in start_streams(server, 5) for text in stream} == {last_port}
        assert server.accepted == server.open == 3


def test_each_origin_has_its_own_connections():
    with (
        Loopback(complete_response(COMPLETION)) as first,
        Loopback(complete_response(COMPLETION)) as second,
    ):
        for server in (first, second) * 3:
            local_client(server).send(create_call())
        assert (first.accepted, second.accepted) == (1, 1)


def test_idle_connections_expire(advance_clock):
    with Loopback(stream_port) as server, Loopback(complete_response(COMPLETION)) as second_server:
        streams = start_streams(server, 5)
        assert len(list(map(next, streams))) == 5
        for stream in streams:
            assert list(stream) == []
        local_client(second_server).send(create_call())
        assert server.open == 5
        advance_clock(55)  # many load balancers close idle connections after 60 seconds
        local_client(second_server).send(create_call())
        assert wait_until(lambda: server.open == 0)


async def test_idle_async_connections_expire_without_another_call(advance_clock, monkeypatch):
    monkeypatch.setattr(pool, "SWEEP_SECONDS", 0.01)
    with Loopback(complete_response(COMPLETION)) as server:
        await asyncio.gather(*(local_client(server).asend(create_call()) for _ in range(5)))
        await asyncio.sleep(0.05)
        assert server.open == 5
        advance_clock(55)
        assert await asyncio.to_thread(wait_until, lambda: server.open == 0)
        assert await local_client(server).asend(create_call()) == ANSWER


@pytest.mark.slow
@both_callers
def test_connection_closed_by_server_is_not_reused(caller):
    with Loopback(respond_and_close) as server:
        caller.send(local_client(server), create_call(parse=lambda _: time.sleep(0.05)), times=3)
        assert server.accepted == 3
        assert wait_until(lambda: server.open == 0)


@both_callers
def test_broken_connection_is_closed(caller):
    with Loopback(close_during_body) as server:
        with pytest.raises(RouterConnectionError):
            caller.send(local_client(server), create_call())
        assert wait_until(lambda: server.open == 0)


@both_callers
def test_broken_stream_closes_only_its_connection(caller):
    broken = open_ended_response(b"data: " + json.dumps({"text": "Hel"}).encode(), then_close=True)
    with Loopback(broken) as server, Loopback(complete_response(COMPLETION)) as healthy:
        with pytest.raises(StreamInterruptedError):
            caller.stream(local_client(server), create_stream_call())
        assert wait_until(lambda: server.open == 0)
        assert caller.send(local_client(healthy), create_call()) == ANSWER


def test_unfinished_stream_is_closed():
    with Loopback(open_ended_response(encode_event("Hel"))) as server:
        stream = local_client(server).stream(create_stream_call())
        assert (next(stream), server.open) == ("Hel", 1)
        del stream
        assert wait_until(lambda: server.open == 0)


@pytest.mark.slow
async def test_cancelled_calls_leave_no_connection():
    with Loopback(send_nothing) as hanging, Loopback(complete_response(COMPLETION)) as working:
        await cancel_calls(local_client(hanging), 0.1)
        assert await asyncio.to_thread(wait_until, lambda: hanging.open == 0)
        assert await local_client(working).asend(create_call()) == ANSWER


@pytest.mark.parametrize("turns", range(12))
async def test_call_cancelled_while_connecting_leaves_no_socket(turns):
    with Loopback(send_nothing) as server:
        task = asyncio.create_task(local_client(server).asend(create_call()))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(wait_until, lambda: server.open == 0)
    del task
    gc.collect()  # a lost socket causes a warning, which pytest reports


def test_loopback_server_loses_no_connection():
    """Asyncio loses sockets that it has accepted in the moment in which the server is closed."""
    with Loopback(send_nothing) as server:
        address = "127.0.0.1", int(server.url.rpartition(":")[2])
        for _ in range(40):
            socket.create_connection(address).close()
    gc.collect()


async def test_streams_cancelled_twice_leave_no_connection():
    with Loopback(open_ended_response(encode_event("Hel"))) as server:

        async def read() -> None:
            async for _ in local_client(server).astream(create_stream_call()):
                pass

        tasks = [asyncio.create_task(read()) for _ in range(20)]
        assert await asyncio.to_thread(wait_until, lambda: server.open == 20)
        for _ in range(3):
            for task in tasks:
                task.cancel()
            await asyncio.sleep(0)
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await asyncio.to_thread(wait_until, lambda: server.open == 0)


OTHER = build_response(b'"no"')
SURPLUS = {
    "line": (b"\r\n", b""),
    "response": (OTHER, b""),
    "response and more": (OTHER + bytes(300_000), b""),
    "response in two parts": (OTHER[:20], OTHER[20:]),
}
"""Bytes that follow a response, and bytes that precede the next one."""


@sync_and_async
@pytest.mark.parametrize("is_stream", [False, True], ids=["call", "stream"])
@pytest.mark.parametrize("surplus", SURPLUS.values(), ids=SURPLUS)
async def test_bytes_after_response_are_not_the_next_response(is_async, is_stream, surplus):
    after, before = surplus
    first = build_response(encode_event("Hi", "stop") + DONE if is_stream else COMPLETION)
    responses = iter([first + after, before + build_response(COMPLETION)])

    async def answer(writer: Any) -> None:
        writer.write(next(responses, build_response(COMPLETION)))

    with Loopback(answer) as server:
        client = local_client(server)
        if is_stream and is_async:
            assert [text async for text in client.astream(create_stream_call())] == ["Hi"]
        elif is_stream:
            assert list(client.stream(create_stream_call())) == ["Hi"]
        for _ in range(3):
            assert (
                await client.asend(create_call()) if is_async else client.send(create_call())
            ) == ANSWER
        assert server.accepted == 2


@pytest.mark.slow
@both_callers
def test_unreadable_text_after_response_fails_the_next_attempt(caller):
    """The request of that attempt may have been processed, so it is not simply sent again."""

    async def answer(writer: Any) -> None:
        writer.write(build_response(COMPLETION) + b"x")

    with Loopback(answer) as server:
        with pytest.raises(RouterConnectionError) as raised:
            caller.send(local_client(server), create_call(), times=2)
        assert raised.value.ambiguous
        assert caller.send(local_client(server, max_retries=1), create_call(), times=3) == ANSWER


HTTPCORE_ERRORS = [
    cls
    for cls in vars(httpcore).values()
    if isinstance(cls, type)
    and issubclass(cls, Exception)
    and cls is not httpcore.ConnectionNotAvailable
]


@both_callers
@pytest.mark.parametrize("error_class", HTTPCORE_ERRORS, ids=lambda cls: cls.__name__)
def test_errors_of_httpcore_are_mapped(caller, monkeypatch, error_class):
    def fail(*_: Any, **__: Any) -> Any:
        raise error_class("reason")

    for backend_class in (DeadlineBackend, AsyncioBackend):
        monkeypatch.setattr(backend_class, "connect_tcp", fail)
    with pytest.raises((RouterConnectionError, RouterTimeoutError), match=r"reason|Timeout"):
        caller.send(RouterClient(api_key=KEY, max_retries=0), create_call())

"""Calls over an httpx client of the caller."""

import asyncio
import gc
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import httpcore
import httpx
import httpx2
import pytest
from pydantic import ValidationError
from support.cancelling import cancel_calls
from support.local_client import COMPLETION, local_client
from support.loopback_server import Loopback, complete_response, open_ended_response, send_nothing
from support.marks import sync_and_async
from support.scripted_router import (
    ANSWER,
    KEY,
    both_callers,
    create_call,
    create_stream_call,
    encode_event,
)
from typing_extensions import Generator

from orq_router_integrations import RouterClient
from orq_router_integrations._http.client_sender import SocketWatchdog
from orq_router_integrations._http.deadline import CANCEL_CHECK, Deadline
from orq_router_integrations.errors import (
    RouterConnectionError,
    RouterInputError,
    RouterTimeoutError,
)

each_library = pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])


@pytest.mark.slow
@sync_and_async
async def test_proxy_of_own_httpx_client_is_used(is_async: bool) -> None:
    with Loopback(complete_response(COMPLETION)) as proxy, httpx.Client(proxy=proxy.url) as http:
        async with httpx.AsyncClient(proxy=proxy.url) as async_http:
            client = RouterClient(
                api_key=KEY,
                base_url="http://router.example",
                allow_insecure=True,
                http_client=http,
                http_async_client=async_http,
            )
            result = await client.asend(create_call()) if is_async else client.send(create_call())
        assert result == ANSWER
        assert proxy.requests[0].startswith(b"POST http://router.example/v3/router/chat")


async def test_call_cancelled_while_connecting_leaks_no_socket(monkeypatch):
    """Anyio loses a socket if the task is cancelled while it connects."""
    is_connected, may_return = asyncio.Event(), asyncio.Event()
    connect_tcp = httpcore.AnyIOBackend.connect_tcp

    async def connect_slowly(*args: Any, **kwargs: Any) -> Any:
        stream = await connect_tcp(*args, **kwargs)
        is_connected.set()
        await may_return.wait()  # a cancellation here would lose the stream
        return stream

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect_slowly)
    limits = httpx.Limits(max_connections=1)
    with Loopback(complete_response(COMPLETION)) as server:
        async with httpx.AsyncClient(limits=limits) as http:
            client = RouterClient(api_key=KEY, base_url=server.url, http_async_client=http)
            task = asyncio.create_task(client.asend(create_call()))
            await is_connected.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            may_return.set()
            assert await client.asend(create_call()) == ANSWER
            assert server.open <= 1


@pytest.mark.slow
@pytest.mark.parametrize("turns", range(0, 40, 3))
@each_library
async def test_first_call_can_be_cancelled_at_any_time(library, turns):
    """Before its first event, it is unknown whether a client reports events at all."""
    limits = library.Limits(max_connections=1)
    with Loopback(complete_response(COMPLETION)) as server:
        async with library.AsyncClient(limits=limits) as http:
            client = local_client(server, http_async_client=http, timeout=20.0)
            task = asyncio.create_task(client.asend(create_call()))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait({task})
            assert await client.asend(create_call()) == ANSWER


@each_library
async def test_calls_that_wait_for_the_first_connection_can_be_cancelled(library):
    """They start before the client has reported any event, and are assigned a connection later."""
    limits = library.Limits(max_connections=2)
    with Loopback(complete_response(COMPLETION)) as server:
        async with library.AsyncClient(limits=limits) as http:
            client = local_client(server, http_async_client=http, timeout=5.0)
            tasks = [asyncio.create_task(client.asend(create_call())) for _ in range(30)]
            for task in tasks:
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait(tasks)
            assert await client.asend(create_call()) == ANSWER


async def test_cancelled_call_over_mock_ends():
    is_cancelled = asyncio.Event()

    async def hang(_: httpx.Request) -> httpx.Response:
        try:
            await asyncio.Event().wait()
        finally:
            is_cancelled.set()
        raise AssertionError

    async with httpx.AsyncClient(transport=httpx.MockTransport(hang)) as http:
        client = RouterClient(api_key=KEY, http_async_client=http)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.asend(create_call()), 0.05)
        assert is_cancelled.is_set()


@pytest.fixture
def loops() -> Iterator[list[asyncio.AbstractEventLoop]]:
    event_loops = [asyncio.new_event_loop() for _ in range(2)]
    yield event_loops
    for loop in event_loops:
        loop.run_until_complete(asyncio.sleep(0.01))  # ends the connections that were closed
        loop.close()


@each_library
def test_client_of_another_event_loop_raises_input_error(library, loops):
    """A connection only works in the event loop that opened it."""
    with Loopback(complete_response(COMPLETION)) as server:
        http = library.AsyncClient(limits=library.Limits(max_connections=1))
        client = local_client(server, http_async_client=http, max_retries=2)
        assert loops[0].run_until_complete(client.asend(create_call())) == ANSWER
        with pytest.raises(RouterInputError, match="Create an AsyncClient in each event loop"):
            loops[1].run_until_complete(client.asend(create_call()))
        assert len(server.requests) == 1
        loops[0].run_until_complete(http.aclose())


@each_library
async def test_clients_of_both_libraries_are_used(library):
    with Loopback(complete_response(COMPLETION)) as server, library.Client() as http:
        async with library.AsyncClient() as async_http:
            client = local_client(server, http_client=http, http_async_client=async_http)
            for _ in range(2):
                assert client.send(create_call()) == ANSWER
                assert await client.asend(create_call()) == ANSWER
        assert server.accepted == 2


@pytest.mark.slow
@each_library
async def test_streams_of_both_libraries_end_at_idle_timeout(library):
    with Loopback(open_ended_response(encode_event("Hel"))) as server, library.Client() as http:
        async with library.AsyncClient() as async_http:
            clients = {"http_client": http, "http_async_client": async_http}
            client = local_client(server, stream_chunk_timeout=0.1, **clients)
            with pytest.raises(RouterTimeoutError) as raised:
                list(client.stream(create_stream_call()))
            with pytest.raises(RouterTimeoutError) as async_raised:
                _ = [text async for text in client.astream(create_stream_call())]
    assert raised.value.partial == async_raised.value.partial == "Hel"


@each_library
@pytest.mark.parametrize(
    ("name", "error_class"),
    [
        ("ConnectError", RouterConnectionError),
        ("ReadError", RouterConnectionError),
        ("RemoteProtocolError", RouterConnectionError),
        ("ConnectTimeout", RouterTimeoutError),
        ("ReadTimeout", RouterTimeoutError),
        ("TooManyRedirects", RouterConnectionError),
    ],
)
@both_callers
def test_errors_of_both_libraries_are_mapped(caller, library, name, error_class):
    def fail(_: Any) -> Any:
        raise getattr(library, name)(f"the key is {KEY}")

    transport = library.MockTransport(fail)
    clients = {
        "http_client": library.Client(transport=transport),
        "http_async_client": library.AsyncClient(transport=transport),
    }
    with pytest.raises(error_class) as raised:
        caller.send(RouterClient(api_key=KEY, max_retries=0, **clients), create_call())
    assert raised.value.ambiguous == (not name.startswith("Connect"))
    assert KEY not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("value", [httpx2.AsyncClient(), object(), "x"], ids=type)
def test_other_object_than_client_is_refused(value):
    with pytest.raises(ValidationError, match=r"Expected an httpx.Client or httpx2.Client, got"):
        RouterClient(api_key=KEY, http_client=value)


@pytest.mark.slow
def test_httpx2_is_not_imported():
    code = (
        "import sys; from orq_router_integrations import RouterClient\n"
        "RouterClient(api_key='sk-orq-example'); assert 'httpx2' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.slow
async def test_cancelled_calls_leave_httpx_pool_usable():
    with Loopback(send_nothing) as hanging, Loopback(complete_response(COMPLETION)) as working:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=4)) as http:
            await cancel_calls(local_client(hanging, http_async_client=http), 0.03)
            client = local_client(working, http_async_client=http, timeout=20.0)
            assert await client.asend(create_call()) == ANSWER


async def test_abandoned_stream_frees_its_connection():
    with Loopback(send_nothing) as hanging, Loopback(complete_response(COMPLETION)) as working:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as http:
            stream = local_client(hanging, http_async_client=http).astream(create_stream_call())
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(anext(stream), 0.05)
            client = local_client(working, http_async_client=http, timeout=20.0)
            assert await client.asend(create_call()) == ANSWER


@both_callers
def test_closed_httpx_client_raises_input_error(caller):
    http, async_http = httpx.Client(), httpx.AsyncClient()
    http.close()
    asyncio.run(async_http.aclose())
    client = RouterClient(api_key=KEY, http_client=http, http_async_client=async_http)
    with pytest.raises(RouterInputError, match="is closed"):
        caller.send(client, create_call())


def test_abandoned_call_may_be_collected_during_a_check():
    """The garbage collector may run at any time, also in the thread that checks the calls."""
    is_collected = threading.Event()

    def collect() -> bool:
        if not is_collected.is_set():
            gc.collect()
            is_collected.set()
        return False

    abandon(watch())
    token = CANCEL_CHECK.set(collect)
    calls = watch()
    CANCEL_CHECK.reset(token)
    next(calls)
    assert is_collected.wait(30)
    calls.close()


def watch() -> Generator[None]:
    watchdog = SocketWatchdog(Deadline(timeout=30, idle_timeout=30))

    def send() -> Generator[None]:
        with watchdog:
            yield

    return send()


def abandon(generator: Generator[None]) -> None:
    """Start a generator, and leave it to the garbage collector."""
    next(generator)
    cycle: list[Any] = [generator]
    cycle.append(cycle)

"""Connections: made late, shared by all, one set for each event loop and each process."""

import asyncio
import gc
import json
import os
import ssl
import subprocess
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import pytest
from support.cancelling import cancelled_calls
from support.loopback_server import Loopback, silent, whole
from support.scripted_router import (
    ANSWER,
    DONE,
    KEY,
    Script,
    both_doors,
    chat,
    chat_stream,
    event,
    streams,
)

from orq_router_integrations import ChatOrq, RouterClient
from orq_router_integrations._http import client_sender
from orq_router_integrations._http import pool as stack
from orq_router_integrations._http import registry as shared
from orq_router_integrations._http.registry import SENDER_REGISTRY
from orq_router_integrations.errors import RouterInputError

COMPLETION = json.dumps(ANSWER).encode()


@pytest.fixture(autouse=True, params=["stack", "pool of httpx"])
def both_ways(request, monkeypatch) -> None:
    if request.param != "stack":
        monkeypatch.setattr(shared, "_uses_proxy", lambda: True)


@pytest.fixture
def leftovers() -> Iterator[None]:
    """Clears away what the loops of a test left, which is not the next test's fault."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        SENDER_REGISTRY.reset_after_fork()
        gc.collect()


def local(server: Loopback, **settings: Any) -> RouterClient:
    return RouterClient(**{"api_key": KEY, "base_url": server.url, "max_retries": 0} | settings)


@pytest.fixture
def made(monkeypatch) -> list[Any]:
    """What the package makes to send with; it answers whole calls without a network."""
    clients: list[Any] = []

    class CountedStack(httpx.MockTransport):
        def __init__(self, _: ssl.SSLContext) -> None:
            super().__init__(Script())
            self.is_closed = False
            clients.append(self)

        def close(self) -> None:
            self.is_closed = True

        async def aclose(self) -> None:
            self.is_closed = True

    for name in ("ConnectionPool", "AsyncConnectionPool"):
        monkeypatch.setattr(stack, name, CountedStack)

    def counted(kind: type) -> type:
        class Counted(kind):
            def __init__(self, **options: Any) -> None:
                super().__init__(**options | {"transport": httpx.MockTransport(Script())})
                clients.append(self)

        return Counted

    for name in ("Client", "AsyncClient"):
        monkeypatch.setattr(httpx, name, counted(getattr(httpx, name)))
    return clients


def never(*_: Any, **__: Any) -> None:
    raise AssertionError("too early")


def test_creating_clients_opens_nothing(monkeypatch, made):
    for name in ("SSLContext", "create_default_context"):
        monkeypatch.setattr(ssl, name, never)
    client = RouterClient(api_key=KEY, base_url="my.orq.ai", controls={"name": "tour"})
    ChatOrq(model="openai/gpt-4o", api_key=KEY)
    client.close()
    asyncio.run(client.aclose())
    assert made == []


def test_importing_package_loads_no_transport():
    code = (
        "import ssl, sys; ssl.SSLContext = None; import orq_router_integrations as o;"
        "assert 'httpx' not in sys.modules; o.RouterClient(api_key='k')"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


CHAT = """
import sys
from langchain_core.language_models import BaseChatModel
core = set(sys.modules)
import httpx
from orq_router_integrations import ChatOrq, RouterClient
reply = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
mock = httpx.MockTransport(lambda _: httpx.Response(200, json=reply))
client = RouterClient(api_key="k", http_client=httpx.Client(transport=mock))
assert ChatOrq(model="a/b", client=client).invoke("Hi").text == "Hi"
names = set(sys.modules) - core
ours = {name.split(".")[1] for name in names if name.startswith("orq_router_integrations.")}
others = {name.split(".")[0] for name in names}
wrong = ours & {"tools", "document_loaders", "testing", "demo"}
wrong |= others & {"openai", "aiohttp", "tiktoken", "PIL", "numpy", "av"}
assert not wrong, wrong
"""


def test_chat_model_loads_no_other_integration():
    subprocess.run([sys.executable, "-c", CHAT], check=True, timeout=30)


def test_clients_and_threads_share_one_sender(made):
    clients = [RouterClient(api_key=KEY, timeout=float(n)) for n in (1, 2, 3)]
    threads = [threading.Thread(target=c.send, args=[chat()]) for c in clients for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1


def test_each_event_loop_has_its_own_sender(made):
    client = RouterClient(api_key=KEY)

    async def twice() -> None:
        await asyncio.gather(client.asend(chat()), client.asend(chat()))

    asyncio.run(twice())
    asyncio.run(twice())
    assert len(made) == 2


def test_concurrent_event_loops_have_their_own_senders(made):
    client, meeting = RouterClient(api_key=KEY), threading.Barrier(3)

    async def at_once() -> None:
        await client.asend(chat())
        meeting.wait(5)
        await client.asend(chat())

    threads = [threading.Thread(target=asyncio.run, args=[at_once()]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 3


def test_closed_event_loop_is_released(made):
    client, loops = RouterClient(api_key=KEY), []

    async def once() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await client.asend(chat())

    asyncio.run(once())
    asyncio.run(once())
    made.clear()
    gc.collect()
    assert loops[0]() is None


@both_doors
def test_closed_client_can_be_used_again(door, made):
    client = RouterClient(api_key=KEY)
    assert door.send(client, chat()) == door.send(client, chat()) == ANSWER
    assert [http.is_closed for http in made] == [True, True]


def streaming(monkeypatch) -> Any:
    answer = streams(event("Hel"), event("lo"), DONE)
    monkeypatch.setattr(Script, "__call__", lambda _, request: answer(request))
    monkeypatch.setattr(client_sender, "READ_AHEAD_BYTES", 1)
    return RouterClient(api_key=KEY), RouterClient(api_key="another")


def test_close_waits_for_running_calls(made, monkeypatch):
    client, other = streaming(monkeypatch)
    stream = client.stream(chat_stream())
    assert next(stream) == "Hel"
    other.close()
    assert not made[0].is_closed
    assert (list(stream), made[0].is_closed) == (["lo"], True)
    assert len(list(other.stream(chat_stream()))) == len(made) == 2


async def test_aclose_waits_for_running_calls(made, monkeypatch):
    client, other = streaming(monkeypatch)
    stream = client.astream(chat_stream())
    assert await anext(stream) == "Hel"
    await other.aclose()
    assert not made[0].is_closed
    assert ([text async for text in stream], made[0].is_closed) == (["lo"], True)
    assert len([text async for text in other.astream(chat_stream())]) == len(made) == 2


@both_doors
def test_close_during_start_of_call_does_not_break_it(door, made):
    def slow_key() -> str:
        client.close()
        return KEY

    client = RouterClient(api_key=slow_key, max_retries=0)
    assert door.send(client, chat()) == ANSWER


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_client_works_in_several_event_loops(leftovers):
    with Loopback(whole(COMPLETION)) as server:
        client = local(server)

        async def several() -> list[Any]:
            return await asyncio.gather(*(client.asend(chat()) for _ in range(3)))

        answers = [answer for _ in range(4) for answer in asyncio.run(several())]
        assert answers == [ANSWER] * 12
        assert len(server.requests) == 12


def test_closed_event_loop_leaves_no_connection_open(leftovers):
    with Loopback(whole(COMPLETION)) as server, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(2):
            asyncio.run(local(server).asend(chat()))
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


async def whose_port(writer: asyncio.StreamWriter) -> None:
    """Answers with the port that the client calls from: its connection."""
    await whole(json.dumps(writer.get_extra_info("peername")[1]).encode())(writer)


@both_doors
def test_connection_is_reused(door):
    ports = []
    call = chat(parse=lambda reply: ports.append(reply.json()))
    with Loopback(whose_port) as server:
        door.send(local(server), call, times=3)
    assert (len(ports), len(set(ports))) == (3, 1)


@both_doors
def test_cookies_are_not_stored(door):
    cookie = "Set-Cookie: session=1; Path=/; Max-Age=3600"
    with Loopback(whole(COMPLETION, cookie)) as server:
        door.send(local(server), chat(), times=2)
    assert len(server.requests) == 2
    assert not any(b"\ncookie" in head.lower() for head in server.requests)


def in_child(work: Any) -> bytes:
    """What a function returns in a forked child."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        with suppress(BaseException):
            os.write(writing, str(work()).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@both_doors
def test_forked_child_opens_its_own_connections(door):
    call = chat(parse=lambda reply: reply.json())
    with Loopback(whose_port) as server, local(server) as client:
        before = client.send(call)
        in_the_child = int(in_child(lambda: door.send(client, call)))
        assert client.send(call) == before != in_the_child
    assert len(server.requests) == 3


async def test_cancelled_calls_leave_httpx_pool_usable():
    with ExitStack() as stack:
        hanging = stack.enter_context(Loopback(silent))
        working = stack.enter_context(Loopback(whole(COMPLETION)))
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=4)) as http:
            await cancelled_calls(local(hanging, http_async_client=http), 0.03)
            after = local(working, http_async_client=http, timeout=2.0)
            assert await after.asend(chat()) == ANSWER


async def test_abandoned_stream_frees_its_connection():
    with Loopback(silent) as hanging, Loopback(whole(COMPLETION)) as working:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as http:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(
                    anext(local(hanging, http_async_client=http).astream(chat_stream())), 0.05
                )
            client = local(working, http_async_client=http, timeout=2.0)
            assert await client.asend(chat()) == ANSWER


@pytest.mark.parametrize(
    ("name", "value"), [("HTTPS_PROXY", "foo://bar"), ("SSL_CERT_FILE", "/no/such/file.pem")]
)
@both_doors
def test_invalid_environment_raises_input_error(monkeypatch, door, name, value):
    monkeypatch.setenv(name, value)
    client = RouterClient(api_key=KEY, base_url="https://localhost:9/v3/router", max_retries=0)
    with pytest.raises(RouterInputError, match="HTTPS_PROXY and SSL_CERT_FILE"):
        door.send(client, chat())


@both_doors
def test_closed_httpx_client_raises_input_error(door):
    sync, background = httpx.Client(), httpx.AsyncClient()
    sync.close()
    asyncio.run(background.aclose())
    client = RouterClient(api_key=KEY, http_client=sync, http_async_client=background)
    with pytest.raises(RouterInputError, match="closed"):
        door.send(client, chat())

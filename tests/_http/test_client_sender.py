"""Calls over an httpx client of the caller."""

import asyncio
from typing import Any

import httpcore
import httpx
import pytest
from support.cancelling import cancel_calls
from support.local_client import COMPLETION, local_client
from support.loopback_server import Loopback, complete_response, send_nothing
from support.scripted_router import ANSWER, KEY, Script, both_doors, create_call, create_stream_call

from orq_router_integrations import RouterClient
from orq_router_integrations._http.client_sender import CancelGuard, RequestPhase
from orq_router_integrations.errors import RouterInputError


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
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


async def test_default_transport_is_recognized_before_first_request():
    """`_has_default_transport` reads a private attribute of httpx, which could be renamed."""
    async with httpx.AsyncClient() as http:
        assert CancelGuard(http).phase is RequestPhase.UNSENT
    async with httpx.AsyncClient(transport=httpx.MockTransport(Script())) as http:
        assert CancelGuard(http).phase is RequestPhase.ACTIVE


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


@both_doors
def test_closed_httpx_client_raises_input_error(door):
    http, async_http = httpx.Client(), httpx.AsyncClient()
    http.close()
    asyncio.run(async_http.aclose())
    client = RouterClient(api_key=KEY, http_client=http, http_async_client=async_http)
    with pytest.raises(RouterInputError, match="is closed"):
        door.send(client, create_call())

"""Calls over somebody's own httpx client: what is cancelled costs its pool nothing."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from httpcore._backends.anyio import AnyIOBackend
from support.loopback_server import Loopback, whole
from support.scripted_router import ANSWER, KEY, chat

from orq_router_integrations import RouterClient


async def test_call_cancelled_while_connecting_leaks_no_socket(monkeypatch):
    connected, go_on, connect = asyncio.Event(), asyncio.Event(), AnyIOBackend.connect_tcp

    async def slow(*given: Any, **named: Any) -> Any:
        stream = await connect(*given, **named)
        connected.set()
        await go_on.wait()  # a cancellation here would lose it, as one in anyio's own does
        return stream

    monkeypatch.setattr(AnyIOBackend, "connect_tcp", slow)
    one = httpx.Limits(max_connections=1)
    with Loopback(whole(json.dumps(ANSWER).encode())) as server:
        async with httpx.AsyncClient(limits=one) as http:
            client = RouterClient(api_key=KEY, base_url=server.url, http_async_client=http)
            call = asyncio.create_task(client.asend(chat()))
            await connected.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call  # ends before its connection is there
            go_on.set()
            assert await client.asend(chat()) == ANSWER
            assert server.open <= 1

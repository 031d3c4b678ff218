"""What a connection is made with: probes that keep it alive, and a proxy of the caller's own."""

import json
import socket
import ssl

import httpx
import pytest
from support.loopback_server import Loopback, whole
from support.scripted_router import ANSWER, chat

from orq_router_integrations import RouterClient
from orq_router_integrations._http.pool import AsyncConnectionPool, ConnectionPool

COMPLETION = json.dumps(ANSWER).encode()
PROBING = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)


def test_sync_connection_uses_tcp_keepalive() -> None:
    transport = ConnectionPool(ssl.create_default_context)
    with Loopback(whole(COMPLETION)) as server, httpx.Client(transport=transport) as http:
        connection = http.get(server.url).extensions["network_stream"]
        assert connection.get_extra_info("socket").getsockopt(*PROBING) != 0


async def test_async_connection_uses_tcp_keepalive() -> None:
    with Loopback(whole(COMPLETION)) as server:
        async with httpx.AsyncClient(
            transport=AsyncConnectionPool(ssl.create_default_context)
        ) as http:
            connection = (await http.get(server.url)).extensions["network_stream"]
            assert connection.get_extra_info("socket").getsockopt(*PROBING) != 0


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
async def test_proxy_of_own_httpx_client_is_used(awaited: bool) -> None:
    with Loopback(whole(COMPLETION)) as proxy, httpx.Client(proxy=proxy.url) as http:
        async with httpx.AsyncClient(proxy=proxy.url) as http_async:
            client = RouterClient(
                api_key="sk-orq-test",
                base_url="http://router.example",
                allow_insecure=True,
                http_client=http,
                http_async_client=http_async,
            )
            answer = await client.asend(chat()) if awaited else client.send(chat())
        assert answer == ANSWER
        assert proxy.requests[0].startswith(b"POST http://router.example/v3/router/chat")

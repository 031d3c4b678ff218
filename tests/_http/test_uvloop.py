"""Async calls in an event loop of uvloop."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from faults.certificate import CERTIFICATE, create_untrusted_context, to_pem
from support.local_client import COMPLETION, local_client, wait_until
from support.loopback_server import Loopback, complete_response, open_ended_response, send_nothing
from support.proxy_server import Proxy, SocksProxy
from support.raw_server import serve_connection
from support.scripted_router import ANSWER, create_call, create_stream_call, encode_event

from orq_router_integrations import RouterClient
from orq_router_integrations._http import dialing
from orq_router_integrations.errors import RouterStatusError, RouterTimeoutError

uvloop = pytest.importorskip("uvloop")
HOST = "nobody.invalid"
ANSWERING = complete_response(COMPLETION)


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


async def call_three_times(client: RouterClient) -> None:
    for _ in range(3):
        assert await client.asend(create_call()) == ANSWER


@pytest.fixture
def trusted_certificate(monkeypatch, tmp_path: Path) -> None:
    path = tmp_path / "trusted.pem"
    path.write_text(to_pem("CERTIFICATE", CERTIFICATE))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


def test_connection_is_reused():
    with Loopback(ANSWERING) as server:
        run(call_three_times(local_client(server)))
        assert server.accepted == 1
        assert wait_until(lambda: server.open == 0)


@pytest.mark.parametrize(("proxy_class", "kind"), [(Proxy, "http"), (SocksProxy, "socks5")])
def test_tls_works_through_a_proxy(trusted_certificate, monkeypatch, proxy_class, kind):
    with Loopback(ANSWERING, tls=create_untrusted_context()) as server, proxy_class() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("http", kind))
        url = server.url.replace("127.0.0.1", HOST)
        run(call_three_times(local_client(server, base_url=url)))
        assert proxy.accepted == server.accepted == 1


def test_next_address_is_tried_if_one_refuses_tls(trusted_certificate, monkeypatch):
    """The first address refuses."""
    getaddrinfo = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host != HOST:
            return getaddrinfo(host, *args, **kwargs)
        return getaddrinfo("::1", *args, **kwargs) + getaddrinfo("127.0.0.1", *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(dialing, "STAGGER_SECONDS", 1000)
    with Loopback(ANSWERING, tls=create_untrusted_context()) as server:
        url = server.url.replace("127.0.0.1", HOST)
        run(call_three_times(local_client(server, base_url=url)))
        assert server.accepted == 1


def test_stream_can_be_closed_early():
    async def read_first() -> str:
        async with contextlib.aclosing(
            local_client(server).astream(create_stream_call())
        ) as stream:
            return await anext(stream)

    with Loopback(open_ended_response(encode_event("Hel"))) as server:
        assert run(read_first()) == "Hel"
        assert wait_until(lambda: server.open == 0)


@pytest.mark.slow
def test_deadline_ends_call():
    with Loopback(send_nothing) as server:
        with pytest.raises(RouterTimeoutError, match="deadline of"):
            run(local_client(server, deadline=0.2).asend(create_call()))
        assert wait_until(lambda: server.open == 0)


def test_cancelled_calls_leave_no_connection():
    async def cancel() -> None:
        tasks = [asyncio.create_task(local_client(server).asend(create_call())) for _ in range(20)]
        await asyncio.to_thread(wait_until, lambda: server.accepted == 20)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(end) for end in ended} == {asyncio.CancelledError}

    with Loopback(send_nothing) as server:
        run(cancel())
        assert wait_until(lambda: server.open == 0)


def test_early_response_ends_upload():
    """The server reads nothing."""
    is_done = threading.Event()

    def refuse(connection: socket.socket) -> None:
        with connection:
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            is_done.wait(30)

    large = create_call(body={"model": "openai/gpt-4o", "messages": ["x" * 30_000_000]})
    with serve_connection(refuse, "127.0.0.1") as url:
        client = RouterClient(api_key="k", base_url=url, max_retries=0, timeout=30.0)
        with pytest.raises(RouterStatusError, match="413"):
            run(client.asend(large))
        is_done.set()

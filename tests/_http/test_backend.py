"""Sockets of the package's own connections: lookup, TLS, buffered writes, early responses."""

import asyncio
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from faults.certificate import CERTIFICATE, create_untrusted_context, to_pem
from support.local_client import COMPLETION, wait_until
from support.loopback_server import Loopback, complete_response, open_ended_response
from support.marks import sync_and_async
from support.raw_server import serve_connection
from support.scripted_router import (
    ANSWER,
    KEY,
    both_callers,
    create_call,
    create_stream_call,
    encode_event,
)

from orq_router_integrations import RouterClient
from orq_router_integrations._http import dialing
from orq_router_integrations._http.asyncio_backend import AsyncioBackend
from orq_router_integrations._http.backend import DeadlineBackend
from orq_router_integrations.errors import (
    RouterConnectionError,
    RouterStatusError,
    RouterTimeoutError,
    StreamInterruptedError,
)

HOST = "nobody.invalid"
"""The host of the test certificate; no real resolver knows it."""


@pytest.fixture
def resolve_to(monkeypatch) -> Callable[..., None]:
    """A function that sets the addresses of ``HOST``."""
    getaddrinfo = socket.getaddrinfo

    def resolve_to(*addresses: str, wait: Callable[[], Any] = lambda: None) -> None:
        def look_up(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            if host != HOST:
                return getaddrinfo(host, port, *args, **kwargs)
            wait()
            if not addresses:
                raise socket.gaierror("unknown host")
            return [item for address in addresses for item in getaddrinfo(address, port)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return resolve_to


def create_client(url: str, **settings: Any) -> RouterClient:
    defaults = {"api_key": KEY, "max_retries": 0, "allow_insecure": True}
    return RouterClient(base_url=url, **defaults | settings)


def with_host(server: Loopback) -> str:
    return server.url.replace("127.0.0.1", HOST)


@pytest.fixture
def trusted_certificate(monkeypatch, tmp_path: Path) -> None:
    """Make the environment trust the test certificate."""
    path = tmp_path / "trusted.pem"
    path.write_text(to_pem("CERTIFICATE", CERTIFICATE))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


@both_callers
def test_tls_connection_is_reused(caller, trusted_certificate, resolve_to):
    resolve_to("127.0.0.1")
    with Loopback(complete_response(COMPLETION), tls=create_untrusted_context()) as server:
        assert caller.send(create_client(with_host(server)), create_call(), times=3) == ANSWER
        assert server.accepted == 1


@both_callers
def test_response_before_tls_handshake_is_ignored(caller, trusted_certificate, resolve_to):
    """An attacker could otherwise inject an unencrypted response."""
    resolve_to("127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def inject() -> None:
            connection, _ = server.accept()
            with connection:
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
                connection.sendall(head % len(COMPLETION) + COMPLETION)
                connection.settimeout(5)
                with suppress(ConnectionError):
                    while connection.recv(4096):
                        pass

        thread = threading.Thread(target=inject, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        with pytest.raises((RouterConnectionError, RouterTimeoutError)):
            caller.send(create_client(f"https://{HOST}:{port}", deadline=1.0), create_call())
        thread.join(5)


@pytest.mark.slow
@sync_and_async
async def test_deadline_applies_to_host_lookup(is_async, resolve_to):
    may_return = threading.Event()
    resolve_to("127.0.0.1", wait=lambda: may_return.wait(30))
    client = create_client(f"http://{HOST}:9", deadline=0.3)
    start = time.monotonic()
    with pytest.raises(RouterTimeoutError):
        await client.asend(create_call()) if is_async else client.send(create_call())
    assert 0.25 < time.monotonic() - start < 20
    may_return.set()
    assert await asyncio.to_thread(wait_until, lambda: not dialing._lookups)


@both_callers
def test_unknown_host_raises_connection_error(caller, resolve_to):
    resolve_to()
    with pytest.raises(RouterConnectionError, match="unknown host"):
        caller.send(create_client(f"http://{HOST}:9"), create_call())


@both_callers
def test_next_address_is_tried_when_one_refuses(caller, resolve_to):
    resolve_to("::1", "127.0.0.1")
    with Loopback(complete_response(COMPLETION)) as server:
        assert caller.send(create_client(with_host(server)), create_call()) == ANSWER


def is_readable(sock: socket.socket) -> bool:
    return bool(select.select([sock], [], [], 0)[0])


def test_writes_are_buffered_until_read():
    """The head and body of a request are sent together."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = DeadlineBackend().connect_tcp(*server.getsockname())
        connection, _ = server.accept()
        with connection:
            stream.write(b"head ")
            stream.write(b"body")
            assert not is_readable(connection)
            connection.sendall(b"response")
            assert stream.read(4096) == b"response"
            assert connection.recv(100) == b"head body"
            stream.write(b"x" * 70_000)
            assert is_readable(connection), "a full buffer is written"
        stream.close()


LARGE_CALL = create_call(body={"model": "openai/gpt-4o", "messages": ["x" * 30_000_000]})
"""A request that is larger than the buffers of two sockets."""


@contextmanager
def early_server(*responses: bytes, final: bytes = b"", tls: bool = False) -> Iterator[str]:
    """A server that responds before it reads, and sends ``final`` once it has read all."""
    is_done = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.sendall(b"".join(responses))
            is_done.wait(0.3 if final else 5)
            end = b""
            while final and (data := connection.recv(1_000_000)):
                end = (end + data)[-3:]
                if end == b'"]}':
                    connection.sendall(final)

    with serve_connection(serve, HOST, tls=tls) as url:
        yield url
        is_done.set()


def build_response(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@both_callers
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_early_response_ends_upload(caller, tls, trusted_certificate, resolve_to):
    """The server never reads the request, so that sending it would end with a timeout."""
    resolve_to("127.0.0.1")
    refusal = build_response("413 Too Large", b'{"error":{"message":"too large"}}')
    hints = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    with (
        early_server(hints, refusal, tls=tls) as url,
        pytest.raises(RouterStatusError, match="too large"),
    ):
        caller.send(create_client(url), LARGE_CALL)


@pytest.mark.slow
@both_callers
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_early_response_ends_upload_to_reading_server(caller, tls, trusted_certificate, resolve_to):
    """Sending never blocks for long, because the server reads all the time."""
    resolve_to("127.0.0.1")
    received = 0

    def serve(connection: socket.socket) -> None:
        nonlocal received
        with connection, suppress(OSError):
            connection.sendall(build_response("413 Too Large", b"{}"))
            while data := connection.recv(65536):
                received += len(data)
                time.sleep(0.001)

    with (
        serve_connection(serve, HOST, tls=tls) as url,
        pytest.raises(RouterStatusError, match="413"),
    ):
        caller.send(create_client(url), LARGE_CALL)
    assert received < 10_000_000


@pytest.mark.slow
@both_callers
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_informational_response_does_not_end_upload(caller, tls, trusted_certificate, resolve_to):
    resolve_to("127.0.0.1")
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    responses = (b"HTTP/1.1 100 Continue\r\n\r\n", hints, b"HTTP/1.1 1")
    final = b"02 Processing\r\n\r\n" + build_response("200 OK", COMPLETION)
    with early_server(*responses, final=final, tls=tls) as url:
        assert caller.send(create_client(url, timeout=30.0), LARGE_CALL) == ANSWER


@pytest.mark.parametrize("backend_class", [DeadlineBackend, AsyncioBackend])
async def test_stream_closed_by_server_is_readable(backend_class):
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        connecting = backend_class().connect_tcp(*address, timeout=10.0)
        stream = await connecting if asyncio.iscoroutine(connecting) else connecting
        connection, _ = server.accept()
        assert not stream.get_extra_info("is_readable")
        assert stream.get_extra_info("socket").getpeername() == address
        connection.close()
        for _ in range(100):
            if stream.get_extra_info("is_readable"):
                break
            await asyncio.sleep(0.01)
        assert stream.get_extra_info("is_readable")
        await stream.aclose() if backend_class is AsyncioBackend else stream.close()


def test_stream_cannot_be_read_in_another_event_loop():
    with Loopback(open_ended_response(encode_event("Hel"))) as server:
        stream = RouterClient(api_key=KEY, base_url=server.url).astream(create_stream_call())
        first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
        try:
            assert first.run_until_complete(anext(stream)) == "Hel"
            with pytest.raises(StreamInterruptedError, match="event loop in which") as raised:
                second.run_until_complete(anext(stream))
            assert raised.value.partial == "Hel"
            first.run_until_complete(asyncio.sleep(0))
        finally:
            first.close()
            second.close()

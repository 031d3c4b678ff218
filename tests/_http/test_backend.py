"""The sockets beneath our connections: found in time, encrypted, written at once, given up."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from faults.certificate import CERTIFICATE, as_pem, untrusted
from support.loopback_server import Loopback, open_ended, whole
from support.scripted_router import ANSWER, KEY, both_doors, chat, chat_stream, event

from orq_router_integrations import RouterClient
from orq_router_integrations._http.asyncio_backend import AsyncioBackend
from orq_router_integrations._http.backend import (
    DeadlineBackend,
    DeadlineMixin,
    DeadlineStream,
    is_readable,
)
from orq_router_integrations.errors import (
    RouterConnectionError,
    RouterStatusError,
    RouterTimeoutError,
    StreamInterruptedError,
)

COMPLETION = json.dumps(ANSWER).encode()
HOST = "nobody.invalid"
"""The host that the certificate is for; no resolver knows it."""


@pytest.fixture
def resolves(monkeypatch) -> Callable[..., None]:
    """Says what the resolver knows of names; numbers need none."""
    known = socket.getaddrinfo

    def to(*addresses: str, wait: Callable[[], Any] = lambda: None) -> None:
        def look_up(host: Any, port: Any, *rest: Any, **options: Any) -> Any:
            if host != HOST:
                return known(host, port, *rest, **options)
            if options.get("flags") == socket.AI_NUMERICHOST:
                raise socket.gaierror("not a number")
            wait()
            if not addresses:
                raise socket.gaierror("nobody knows")
            return [found for address in addresses for found in known(address, port)]

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return to


def client(url: str, **settings: Any) -> RouterClient:
    given = {"api_key": KEY, "max_retries": 0, "allow_insecure": True, **settings}
    return RouterClient(base_url=url, **given)


def at_host(server: Loopback) -> str:
    return server.url.replace("127.0.0.1", HOST)


@pytest.fixture
def trusted(monkeypatch, tmp_path: Path) -> None:
    """The environment trusts the certificate of the tests' server."""
    path = tmp_path / "trusted.pem"
    path.write_text(as_pem("CERTIFICATE", CERTIFICATE))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


@both_doors
def test_tls_connection_is_reused(door, trusted, resolves):
    resolves("127.0.0.1")
    with Loopback(whole(COMPLETION), tls=untrusted()) as server:
        assert door.send(client(at_host(server)), chat(), times=3) == ANSWER
        assert server.accepted == 1


@both_doors
def test_response_before_tls_handshake_is_ignored(door, trusted, resolves):
    resolves("127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def inject() -> None:
            accepted, _ = server.accept()
            with accepted:
                head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
                accepted.sendall(head % len(COMPLETION) + COMPLETION)
                accepted.settimeout(5)
                with suppress(ConnectionError):
                    while accepted.recv(4096):
                        pass

        thread = threading.Thread(target=inject, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        with pytest.raises((RouterConnectionError, RouterTimeoutError)):
            door.send(client(f"https://{HOST}:{port}", deadline=1.0), chat())
        thread.join(5)


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
async def test_deadline_applies_to_host_lookup(awaited, resolves):
    answered = threading.Event()
    resolves("127.0.0.1", wait=lambda: answered.wait(5))
    hurried = client(f"http://{HOST}:9", deadline=0.3)
    began = time.monotonic()
    with pytest.raises(RouterTimeoutError):
        await hurried.asend(chat()) if awaited else hurried.send(chat())
    assert 0.25 < time.monotonic() - began < 0.8
    answered.set()


@both_doors
def test_unknown_host_raises_connection_error(door, resolves):
    resolves()
    with pytest.raises(RouterConnectionError, match="nobody knows"):
        door.send(client(f"http://{HOST}:9"), chat())


@both_doors
def test_next_address_is_tried_when_one_refuses(door, resolves):
    resolves("::1", "127.0.0.1")
    with Loopback(whole(COMPLETION)) as server:
        assert door.send(client(at_host(server)), chat()) == ANSWER


def test_writes_are_buffered_until_read():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = DeadlineStream(ours, DeadlineMixin())
        line.write(b"head ")
        line.write(b"body")
        assert not is_readable(theirs)
        theirs.sendall(b"answer")
        assert line.read(100) == b"answer"
        assert theirs.recv(100) == b"head body"
        line.write(b"x" * 70_000)
        assert is_readable(theirs)


LONG = chat(body={"model": "openai/gpt-4o", "messages": ["x" * 30_000_000]})
"""More than fits between two sockets."""


@contextmanager
def answering(*heads: bytes, then: bytes = b"", tls: bool = False) -> Iterator[str]:
    """A server that answers before it reads; ``then`` is said when it has read all."""
    done = threading.Event()

    def serve(accepted: socket.socket) -> None:
        with accepted, suppress(OSError):
            accepted.sendall(b"".join(heads))
            done.wait(0.3 if then else 5)
            end = b""
            while then and (came := accepted.recv(1_000_000)):
                end = (end + came)[-3:]
                if end == b'"]}':
                    accepted.sendall(then)

    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        if tls:
            server = stack.enter_context(untrusted().wrap_socket(server, server_side=True))
        thread = threading.Thread(target=lambda: serve(server.accept()[0]), daemon=True)
        thread.start()
        yield f"http{'s' * tls}://{HOST}:{server.getsockname()[1]}"
        done.set()
        thread.join(5)


def said(status: str, body: bytes) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@both_doors
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_early_response_ends_upload(door, tls, trusted, resolves):
    resolves("127.0.0.1")
    refusal = said("413 No", b'{"error":{"message":"too large"}}')
    with answering(b"HTTP/1.1 103 Early Hints\r\n\r\n", refusal, tls=tls) as url:
        began = time.monotonic()
        with pytest.raises(RouterStatusError, match="too large"):
            door.send(client(url), LONG)
        assert time.monotonic() - began < 3


@both_doors
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_informational_response_does_not_end_upload(door, tls, trusted, resolves):
    resolves("127.0.0.1")
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    heads = (b"HTTP/1.1 100 Continue\r\n\r\n", hints, b"HTTP/1.1 1")
    rest = b"02 Processing\r\n\r\n" + said("200 OK", COMPLETION)
    with answering(*heads, then=rest, tls=tls) as url:
        assert door.send(client(url, timeout=5.0), LONG) == ANSWER


@pytest.mark.parametrize("dialer", [DeadlineBackend, AsyncioBackend])
async def test_stream_closed_by_server_is_readable(dialer):
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = server.getsockname()
        opening = dialer().connect_tcp(*where, timeout=1.0)
        line = await opening if asyncio.iscoroutine(opening) else opening
        accepted, _ = server.accept()
        assert not line.get_extra_info("is_readable")
        assert line.get_extra_info("server_addr") == where
        accepted.close()
        await asyncio.sleep(0.05)
        assert line.get_extra_info("is_readable")
        await line.aclose() if dialer is AsyncioBackend else line.close()


def test_stream_cannot_be_read_in_another_event_loop():
    with Loopback(open_ended(event("Hel"))) as server:
        stream = RouterClient(api_key=KEY, base_url=server.url).astream(chat_stream())
        first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
        try:
            assert first.run_until_complete(anext(stream)) == "Hel"
            with pytest.raises(
                StreamInterruptedError, match="event loop in which it started"
            ) as told:
                second.run_until_complete(anext(stream))
            assert told.value.partial == "Hel"
            first.run_until_complete(asyncio.sleep(0))
        finally:
            first.close()
            second.close()

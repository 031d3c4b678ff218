"""Routers that cannot be reached or stop responding: a typed error in time that says what to do."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
import pytest
from faults.server import get_refusing_port
from support.loopback_server import Loopback, complete_response
from support.marks import sync_and_async
from support.scripted_router import KEY, both_callers, create_call

from orq_router_integrations import RouterClient, RouterError
from orq_router_integrations.errors import (
    RouterConnectionError,
    RouterInputError,
    RouterTimeoutError,
)

DEADLINE_SECONDS = 0.5


class StuckServer(Loopback):
    """Sends the start of a response once a request has arrived, and then nothing more."""

    def __init__(self, start: bytes) -> None:
        super().__init__(complete_response(b""))
        self._start = start

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer):
            await reader.read(1)
            writer.write(self._start)
            await asyncio.Event().wait()


def stuck(start: bytes = b"", scheme: str = "http") -> Callable[[], Any]:
    @contextmanager
    def serve() -> Iterator[str]:
        with StuckServer(start) as server:
            yield server.url.replace("http", scheme)

    return serve


@contextmanager
def never_accepting() -> Iterator[str]:
    """Fill the queue of a listening socket, so that further connections are not accepted."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        address = server.getsockname()
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(address)
        yield f"http://127.0.0.1:{address[1]}"


@contextmanager
def refusing() -> Iterator[str]:
    yield f"http://127.0.0.1:{get_refusing_port()}"


def resolving(look_up: Callable[..., Any]) -> Callable[[], Any]:
    """Replace the resolver."""

    @contextmanager
    def patch() -> Iterator[str]:
        with pytest.MonkeyPatch.context() as monkeypatch:
            getaddrinfo = socket.getaddrinfo

            def get_addresses(host: Any, *args: Any, **kwargs: Any) -> Any:
                is_router = host in {"router.example", b"router.example"}
                return look_up() if is_router else getaddrinfo(host, *args, **kwargs)

            monkeypatch.setattr(socket, "getaddrinfo", get_addresses)
            yield "https://router.example"

    return patch


def fail_to_resolve() -> Any:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def resolve_slowly() -> Any:
    time.sleep(3 * DEADLINE_SECONDS)
    return fail_to_resolve()


@dataclass
class Case:
    """A router, and the expected error.

    Attributes:
        serve: context manager that yields the URL of the router.
        error_class: the class of the error.
        advice: part of its message.
    """

    serve: Callable[[], Any]
    error_class: type[RouterError]
    advice: str


TOO_LATE = "Pass a longer|Check that the router is running and can be reached"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CASES = {
    "unknown name": Case(
        resolving(fail_to_resolve),
        RouterConnectionError,
        "Check the host name and port in base_url",
    ),
    "slow resolver": Case(resolving(resolve_slowly), RouterTimeoutError, TOO_LATE),
    "refused port": Case(refusing, RouterConnectionError, "that the router is running"),
    "not accepted": Case(never_accepting, RouterTimeoutError, TOO_LATE),
    "TLS handshake": Case(stuck(scheme="https"), RouterTimeoutError, TOO_LATE),
    "half a TLS record": Case(stuck(b"\x16\x03\x03", "https"), RouterTimeoutError, TOO_LATE),
    "no response": Case(stuck(), RouterTimeoutError, TOO_LATE),
    "half a status line": Case(stuck(b"HTTP/1.1 20"), RouterTimeoutError, TOO_LATE),
    "headers": Case(stuck(HEAD), RouterTimeoutError, TOO_LATE),
    "informational": Case(stuck(b"HTTP/1.1 100 Continue\r\n\r\n"), RouterTimeoutError, TOO_LATE),
    "body": Case(stuck(HEAD + b"Content-Length: 9\r\n\r\n{"), RouterTimeoutError, TOO_LATE),
    "chunk": Case(
        stuck(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\n{"), RouterTimeoutError, TOO_LATE
    ),
    "trailing bytes": Case(
        stuck(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx"),
        RouterTimeoutError,
        TOO_LATE,
    ),
    "error body": Case(
        stuck(b"HTTP/1.1 400 Bad\r\nContent-Length: 9\r\n\r\n{"), RouterTimeoutError, TOO_LATE
    ),
}


async def send_async(library: Any, settings: dict[str, Any]) -> None:
    """Send a call, and wait for the end of its tasks, which may still be connecting."""
    http = library.AsyncClient() if library else None
    try:
        await RouterClient(**settings, http_async_client=http).asend(create_call())
    finally:
        await asyncio.gather(
            *asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True
        )
        if http:
            await http.aclose()


def send(library: Any, settings: dict[str, Any]) -> None:
    http = library.Client() if library else None
    RouterClient(**settings, http_client=http).send(create_call())


@pytest.mark.slow
@sync_and_async
@pytest.mark.parametrize("library", [None, httpx, httpx2], ids=["own", "httpx", "httpx2"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_unreachable_router_raises_error_in_time(is_async, library, case):
    settings = {"api_key": KEY, "deadline": DEADLINE_SECONDS, "max_retries": 0}
    with case.serve() as url:
        settings["base_url"] = url
        start = time.monotonic()
        with pytest.raises(case.error_class, match=case.advice):
            asyncio.run(send_async(library, settings)) if is_async else send(library, settings)
        assert time.monotonic() - start < 20


@both_callers
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", "/no/such/file.pem"),
        ("SSL_CERT_FILE", "/"),
        ("HTTPS_PROXY", "foo://bar"),
        ("HTTPS_PROXY", "http://[::1"),
        ("HTTPS_PROXY", "http://host:port"),
        ("HTTPS_PROXY", "http://host:99999"),
    ],
)
def test_invalid_environment_is_named_before_sending(monkeypatch, caller, name, value):
    monkeypatch.setenv(name, value)
    client = RouterClient(api_key=KEY, base_url="https://localhost:9", deadline=20.0)
    with pytest.raises(RouterInputError, match=name):
        caller.send(client, create_call())

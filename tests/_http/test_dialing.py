"""Host lookup and connection: addresses are tried in parallel, and lookups are shared."""

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpcore
import pytest
from support.local_client import wait_until
from support.marks import sync_and_async

from orq_router_integrations._http import dialing
from orq_router_integrations._http.asyncio_backend import AsyncioBackend
from orq_router_integrations._http.backend import DeadlineBackend

HOST = "nobody.invalid"
V6, V4 = ["fd00::1", "fd00::2", "fd00::3"], ["192.0.2.1", "192.0.2.2"]


class Connection:
    """A connection to an address, which does not exist."""

    def __init__(self, address: str) -> None:
        self.address, self.is_closed = address, False

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def lookups(monkeypatch) -> list[str]:
    """The hosts that were looked up; all have the same addresses."""
    hosts: list[str] = []

    def look_up(host: str, *_: Any, **__: Any) -> Any:
        hosts.append(host)
        v6 = [(socket.AF_INET6, 1, 6, "", (address, 0, 0, 0)) for address in V6]
        return v6 + [(socket.AF_INET, 1, 6, "", (address, 0)) for address in V4]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return hosts


async def connect(is_async: bool, connect_to: Callable[[str], Connection], seconds: float) -> Any:
    """Connect to ``HOST``, sync or async, with a function that may block."""
    if not is_async:
        return dialing.connect(HOST, lambda address, _: connect_to(address), seconds)

    async def aconnect_to(address: str, _: float) -> Connection:
        return await asyncio.to_thread(connect_to, address)

    return await dialing.aconnect(HOST, aconnect_to, seconds)


def test_addresses_of_both_families_alternate(lookups):
    assert dialing._get_addresses(HOST) == [V6[0], V4[0], V6[1], V4[1], V6[2]]


@sync_and_async
async def test_silent_address_does_not_delay_connection(is_async, lookups, monkeypatch):
    """The first address never answers; its connection is closed when it is too late."""
    monkeypatch.setattr(dialing, "STAGGER_SECONDS", 0.01)
    may_connect, late_connections = threading.Event(), []

    def connect_to(address: str) -> Connection:
        connection = Connection(address)
        if address == V6[0]:
            late_connections.append(connection)
            may_connect.wait(30)
        return connection

    connection = await connect(is_async, connect_to, 30)
    assert (connection.address, connection.is_closed) == (V4[0], False)
    may_connect.set()
    if not is_async:  # an async attempt is cancelled
        assert wait_until(lambda: late_connections[0].is_closed)


@sync_and_async
async def test_next_address_is_tried_as_soon_as_one_fails(is_async, lookups, monkeypatch):
    monkeypatch.setattr(dialing, "STAGGER_SECONDS", 1000)

    def connect_to(address: str) -> Connection:
        if address in V6:
            raise httpcore.ConnectError("refused")
        return Connection(address)

    assert (await connect(is_async, connect_to, 1000)).address == V4[0]


@sync_and_async
async def test_last_error_is_raised_if_all_addresses_fail(is_async, lookups):
    def connect_to(address: str) -> Connection:
        raise httpcore.ConnectError(address)

    with pytest.raises(httpcore.ConnectError, match=V6[2]):
        await connect(is_async, connect_to, 30)


@sync_and_async
async def test_timeout_without_an_answer_raises(is_async, lookups, monkeypatch):
    monkeypatch.setattr(dialing, "STAGGER_SECONDS", 0.001)
    may_connect = threading.Event()

    def connect_to(address: str) -> Connection:
        may_connect.wait(30)
        return Connection(address)

    with pytest.raises(httpcore.ConnectTimeout):
        await connect(is_async, connect_to, 0.1)
    may_connect.set()


def test_concurrent_lookups_share_one_resolver_call(monkeypatch):
    may_return, calls = threading.Event(), []

    def look_up(host: str, *_: Any, **__: Any) -> Any:
        calls.append(host)
        may_return.wait(30)
        return [(socket.AF_INET, 1, 6, "", (V4[0], 0))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)

    async def connect_many() -> list[Any]:
        attempts = [asyncio.ensure_future(connect(True, Connection, 30)) for _ in range(20)]
        await asyncio.sleep(0.01)
        attempts[0].cancel()  # must not cancel the lookup of the others
        may_return.set()
        return await asyncio.gather(*attempts, return_exceptions=True)

    with ThreadPoolExecutor(20) as executor:
        futures = [
            executor.submit(dialing.connect, HOST, lambda address, _: Connection(address), 30)
            for _ in range(20)
        ]
        assert wait_until(lambda: len(calls) == 1)
        cancelled, *connections = asyncio.run(connect_many())
        connections += [future.result() for future in futures]
    assert isinstance(cancelled, asyncio.CancelledError)
    assert {connection.address for connection in connections} == {V4[0]}
    assert calls == [HOST]
    assert wait_until(lambda: not dialing._lookups)


@sync_and_async
@pytest.mark.parametrize("error", [socket.gaierror("unknown host"), UnicodeError("too long")])
async def test_failed_lookup_is_a_connect_error(is_async, monkeypatch, error):
    def look_up(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(httpcore.ConnectError, match=str(error)):
        await connect(is_async, Connection, 30)


def test_lookup_without_free_threads_fails_and_can_be_repeated(monkeypatch, lookups):
    def fail(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", fail)
        with pytest.raises(httpcore.ConnectError, match="new thread"):
            dialing.connect(HOST, lambda address, _: Connection(address), 30)
    assert dialing._look_up(HOST).result(30)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not available")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_does_not_wait_for_lookups_of_its_parent(monkeypatch):
    monkeypatch.setitem(dialing._lookups, HOST, Future())
    if not (child := os.fork()):
        os._exit(len(dialing._lookups))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "fe80::1%lo"])
def test_ip_address_is_not_looked_up(host, lookups):
    assert dialing.connect(host, lambda address, _: address, 1) == host
    assert lookups == []


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="not available")
@pytest.mark.parametrize("backend_class", [DeadlineBackend, AsyncioBackend])
async def test_unacknowledged_data_ends_connection(backend_class):
    with socket.create_server(("127.0.0.1", 0)) as server:
        connecting = backend_class().connect_tcp(*server.getsockname())
        stream = await connecting if asyncio.iscoroutine(connecting) else connecting
        sock = stream.get_extra_info("socket")
        milliseconds = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        assert milliseconds == dialing.UNACKNOWLEDGED_SECONDS * 1000
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        stream.close()

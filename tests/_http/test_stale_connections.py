"""Reused connections that have ended: the request is sent over a new one."""

import asyncio
import io
import re
import subprocess
import sys
from errno import ETIMEDOUT
from pathlib import Path
from typing import Any

import httpcore
import pytest
from support.local_client import COMPLETION, local_client
from support.loopback_server import Loopback, complete_response
from support.scripted_router import ANSWER, both_callers, create_call

from orq_router_integrations._http.backend import DeadlineBackend
from orq_router_integrations.errors import RouterConnectionError
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.endpoints import TRANSCRIPTIONS

CONTROLS = {"retry": {"count": 2}}
FILE_CALL = create_call(
    endpoint=TRANSCRIPTIONS,
    body={"model": "a/b"},
    files={"file": Upload("a.wav", "audio/wav", 200_000, lambda: io.BytesIO(bytes(200_000)))},
)


class ClosingServer(Loopback):
    """Answers the first request of each connection, and closes it at the second.

    Args:
        chunk: what to send of the second response.
        fails: close at the first request as well, after the first connection.
    """

    def __init__(self, chunk: bytes = b"", *, fails: bool = False) -> None:
        super().__init__(self._respond)
        self._chunk, self._fails = chunk, fails
        self._used: set[Any] = set()

    async def _respond(self, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("peername")[1]
        if port in self._used or (self._fails and self._used):
            writer.write(self._chunk)
            writer.close()
        else:
            self._used.add(port)
            await complete_response(COMPLETION)(writer)


@both_callers
@pytest.mark.parametrize("controls", [{}, CONTROLS], ids=["", "router retries"])
@pytest.mark.parametrize("call", [create_call(), FILE_CALL], ids=["json", "file"])
def test_request_is_sent_again_over_new_connection(caller, controls, call):
    """This is not a retry, and it also happens if the router is asked to retry."""
    with ClosingServer() as server:
        client = local_client(server, controls=controls, max_retries=0)
        assert caller.send(client, call, times=4) == ANSWER
        assert server.accepted == 4
        assert len(server.requests) == 7  # every call but the first is sent twice
        keys = [re.search(rb"idempotency-key: (\w+)", head)[1] for head in server.requests]
        assert keys[1::2] == keys[2::2]
        assert all(b"x-retry-count: 0" in head for head in server.requests)


@both_callers
def test_request_is_sent_again_only_once(caller):
    with ClosingServer(fails=True) as server:
        client = local_client(server, max_retries=0)
        with pytest.raises(RouterConnectionError):
            caller.send(client, create_call(), times=2)
        assert len(server.requests) == 3


@both_callers
def test_request_is_not_sent_again_after_start_of_response(caller):
    with ClosingServer(b"HTTP/1.1 200") as server:
        with pytest.raises(RouterConnectionError) as raised:
            caller.send(local_client(server, max_retries=0), create_call(), times=2)
        assert raised.value.ambiguous
        assert len(server.requests) == 2


class LostStream(httpcore.NetworkStream):
    """A stream of a connection whose data was not acknowledged."""

    def __init__(self) -> None:
        self._error: Exception | None = TimeoutError(ETIMEDOUT, "Connection timed out")

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        error, self._error = self._error, None
        if error:
            raise httpcore.ReadTimeout from error
        return b""


def test_lost_connection_is_not_a_timeout():
    """Python raises the same exception for both."""
    connection = DeadlineBackend()
    connection._stream = LostStream()
    assert connection.read(10, timeout=30.0) == b""


DEAD_PATH = Path(__file__).parent / "dead_path.py"
UNSHARE = ["unshare", "--net", "--map-root-user"]


def can_create_namespaces() -> bool:
    try:
        return not subprocess.run(
            [*UNSHARE, "ip", "link"], check=False, capture_output=True
        ).returncode
    except OSError:
        return False


@pytest.mark.slow
@pytest.mark.skipif(not can_create_namespaces(), reason="network namespaces are not permitted")
@pytest.mark.parametrize("kind", ["sync", "async", "uvloop"])
def test_call_on_dead_path_succeeds_on_new_connection(kind):
    command = [*UNSHARE, sys.executable, DEAD_PATH, kind]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert result.stdout.split() == ["answered", "2", "connections"], result.stderr

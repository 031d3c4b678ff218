"""What every face promises beside the matrix.

Uploads that start over, errors that tell, calls that can be cancelled, no key and no host where
they do not belong.
"""

import asyncio
import logging
import random
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from faults.faces import FACES, Face
from faults.matrix import KEY, _until, healthy
from faults.server import FaultServer, Step, Wire, framed, well
from faults.steps import says, sends
from orq_router_integrations import RouterClient
from orq_router_integrations.errors import RateLimitError, RouterError

every_face = pytest.mark.parametrize("face", FACES.values(), ids=FACES)
both_ways = pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])


def client_of(server: FaultServer, **settings: Any) -> RouterClient:
    return RouterClient(api_key=KEY, base_url=f"{server.url}/v3/router", timeout=9.0, **settings)


def call(face: Face, awaited: bool, client: RouterClient, *, big: bool = False) -> Any:
    return asyncio.run(face.acall(client, big)) if awaited else face.call(client, big)


def error_of(face: Face, awaited: bool, client: RouterClient) -> RouterError:
    with pytest.raises(RouterError) as caught:
        call(face, awaited, client)
    return caught.value


def noting(seen: list[tuple[bytes, bytes]], step: Step) -> Step:
    """The step, which keeps what it was asked."""

    async def noted(wire: Wire) -> None:
        seen.append((wire.head, wire.body))
        await step(wire)

    return noted


def header(head: bytes, name: bytes) -> bytes:
    return head.lower().split(b"\r\n" + name + b": ")[1].partition(b"\r\n")[0]


@every_face
@both_ways
def test_each_attempt_sends_the_complete_request(face, awaited):
    seen: list[tuple[bytes, bytes]] = []
    steps = [noting(seen, step) for step in (says(503, {}), says(429, {}), well)]
    with FaultServer(*steps) as server:
        call(face, awaited, client_of(server), big=True)
    heads, bodies = zip(*seen, strict=True)
    assert len(set(bodies)) == 1
    assert len({header(head, b"idempotency-key") for head in heads}) == 1
    assert [header(head, b"x-retry-count") for head in heads] == [b"0", b"1", b"2"]


@every_face
@both_ways
def test_error_carries_details_from_router(face, awaited):
    told = {"message": "m", "code": "c", "type": "t", "param": "p", "doc_url": "https://d"}
    lines = ("Retry-After: 99", "x-orq-trace-id: trace-1")
    with FaultServer(says(429, {"error": told, "more": "many words " * 900}, *lines)) as server:
        error = error_of(face, awaited, client_of(server))
    assert isinstance(error, RateLimitError)
    assert (error.status_code, error.attempts, error.retry_after) == (429, 1, 99.0)
    assert (error.code, error.type, error.param) == ("c", "t", "p")
    assert (error.doc_url, error.trace_id, error.is_retryable) == ("https://d", "trace-1", True)
    assert error.endpoint.startswith("/")
    assert len(error.body) == 4096


@every_face
@both_ways
def test_key_is_not_in_logs_or_errors(face, awaited, caplog):
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"message": f"Bearer {KEY} is wrong", "code": KEY, "param": KEY}}
    for step in (says(401, echo), says(200, {"echo": KEY}), sends(KEY.encode())):
        with FaultServer(step) as server:
            error = error_of(face, awaited, client_of(server, max_retries=0))
        assert KEY not in f"{error} {error!r} {vars(error)} {error.__cause__!r}"
    assert not [record for record in caplog.records if KEY in f"{record.getMessage()}{record.args}"]


@every_face
def test_only_router_host_is_resolved(face, monkeypatch):
    asked, resolve = set(), socket.getaddrinfo

    def noted(host: Any, *args: Any, **options: Any) -> Any:
        asked.add(host)
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    with FaultServer(well) as server:
        for awaited in (False, True):
            assert call(face, awaited, client_of(server)) == healthy(face)
    assert asked == {"127.0.0.1"}


@every_face
def test_one_request_per_event_loop(face):
    with FaultServer(well) as server:
        client = client_of(server, max_retries=0)
        assert [call(face, True, client) for _ in range(3)] == [healthy(face)] * 3
        assert len(server.requests) == 3


async def freed(server: FaultServer, most: int = 0) -> bool:
    return await asyncio.to_thread(_until, lambda: server.open <= most)


async def cancelled(work: Awaitable[Any], seconds: float) -> float:
    """Begin something and cancel it after a while; how long it then takes to end."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(seconds)
    task.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began


@every_face
@pytest.mark.parametrize(
    "step", [sends(then="hang"), says(503, {}, "Retry-After: 30")], ids=["silence", "a pause"]
)
async def test_cancelled_call_ends_immediately(face, step):
    with FaultServer(step) as server:
        client = client_of(server, deadline=60.0)
        assert await cancelled(face.acall(client, False), 0.3) < 0.5
        assert len(server.requests) == 1
        assert await freed(server, most=1)
        server.heal()
        assert await face.acall(client, False) == healthy(face)


async def slowly(wire: Wire) -> None:
    """What a healthy router answers, bit by bit."""
    reply = wire.healthy()
    data = framed(reply.content, kind=reply.headers["content-type"])
    for start in range(0, len(data), len(data) // 30):
        await wire.send(data[start : start + len(data) // 30])
        await asyncio.sleep(0.002)


def some_moment(number: int) -> Callable[[Awaitable[Any]], Awaitable[Any]]:
    """Cancels what it is given at a moment of its own, each second one twice."""

    async def cancelling(work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        await asyncio.sleep(random.Random(number).random() * 0.2)
        task.cancel()
        if number % 2:
            await asyncio.sleep(0)
            task.cancel()
        ended = await asyncio.gather(task, return_exceptions=True)
        odd = [end for end in ended if isinstance(end, Exception)]
        assert odd == []

    return cancelling


@every_face
async def test_many_cancelled_calls_leave_nothing_open(face):
    with FaultServer(slowly) as server:
        async with client_of(server, max_retries=0) as client:
            calls = [some_moment(number)(face.acall(client, False)) for number in range(60)]
            await asyncio.gather(*calls)
            server.heal()
            after = await asyncio.gather(*(face.acall(client, False) for _ in range(12)))
        assert await freed(server)
    assert [answer == healthy(face) for answer in after] == [True] * 12

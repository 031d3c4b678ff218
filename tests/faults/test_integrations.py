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

from faults.integrations import INTEGRATIONS, Integration
from faults.matrix import KEY, wait_until, get_expected_result
from faults.server import FaultServer, Step, ServerRequest, build_response, respond_normally
from faults.steps import respond_with, send_raw
from orq_router_integrations import RouterClient
from orq_router_integrations.errors import RateLimitError, RouterError

all_integrations = pytest.mark.parametrize("face", INTEGRATIONS.values(), ids=INTEGRATIONS)
sync_and_async = pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])


def create_client(server: FaultServer, **settings: Any) -> RouterClient:
    return RouterClient(api_key=KEY, base_url=f"{server.url}/v3/router", timeout=9.0, **settings)


def send_call(face: Integration, awaited: bool, client: RouterClient, *, big: bool = False) -> Any:
    return asyncio.run(face.acall(client, big)) if awaited else face.call(client, big)


def get_error(face: Integration, awaited: bool, client: RouterClient) -> RouterError:
    with pytest.raises(RouterError) as caught:
        send_call(face, awaited, client)
    return caught.value


def record_requests(seen: list[tuple[bytes, bytes]], step: Step) -> Step:
    """The step, which keeps what it was asked."""

    async def noted(wire: ServerRequest) -> None:
        seen.append((wire.head, wire.body))
        await step(wire)

    return noted


def get_header(head: bytes, name: bytes) -> bytes:
    return head.lower().split(b"\r\n" + name + b": ")[1].partition(b"\r\n")[0]


@all_integrations
@sync_and_async
def test_each_attempt_sends_the_complete_request(face, awaited):
    seen: list[tuple[bytes, bytes]] = []
    steps = [
        record_requests(seen, step)
        for step in (respond_with(503, {}), respond_with(429, {}), respond_normally)
    ]
    with FaultServer(*steps) as server:
        send_call(face, awaited, create_client(server), big=True)
    heads, bodies = zip(*seen, strict=True)
    assert len(set(bodies)) == 1
    assert len({get_header(head, b"idempotency-key") for head in heads}) == 1
    assert [get_header(head, b"x-retry-count") for head in heads] == [b"0", b"1", b"2"]


@all_integrations
@sync_and_async
def test_error_carries_details_from_router(face, awaited):
    told = {"message": "m", "code": "c", "type": "t", "param": "p", "doc_url": "https://d"}
    lines = ("Retry-After: 99", "x-orq-trace-id: trace-1")
    with FaultServer(
        respond_with(429, {"error": told, "more": "many words " * 900}, *lines)
    ) as server:
        error = get_error(face, awaited, create_client(server))
    assert isinstance(error, RateLimitError)
    assert (error.status_code, error.attempts, error.retry_after) == (429, 1, 99.0)
    assert (error.code, error.type, error.param) == ("c", "t", "p")
    assert (error.doc_url, error.trace_id, error.is_retryable) == ("https://d", "trace-1", True)
    assert error.endpoint.startswith("/")
    assert len(error.body) == 4096


@all_integrations
@sync_and_async
def test_key_is_not_in_logs_or_errors(face, awaited, caplog):
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"message": f"Bearer {KEY} is wrong", "code": KEY, "param": KEY}}
    for step in (respond_with(401, echo), respond_with(200, {"echo": KEY}), send_raw(KEY.encode())):
        with FaultServer(step) as server:
            error = get_error(face, awaited, create_client(server, max_retries=0))
        assert KEY not in f"{error} {error!r} {vars(error)} {error.__cause__!r}"
    assert not [record for record in caplog.records if KEY in f"{record.getMessage()}{record.args}"]


@all_integrations
def test_only_router_host_is_resolved(face, monkeypatch):
    asked, resolve = set(), socket.getaddrinfo

    def noted(host: Any, *args: Any, **options: Any) -> Any:
        asked.add(host)
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    with FaultServer(respond_normally) as server:
        for awaited in (False, True):
            assert send_call(face, awaited, create_client(server)) == get_expected_result(face)
    assert asked == {"127.0.0.1"}


@all_integrations
def test_one_request_per_event_loop(face):
    with FaultServer(respond_normally) as server:
        client = create_client(server, max_retries=0)
        assert [send_call(face, True, client) for _ in range(3)] == [get_expected_result(face)] * 3
        assert len(server.requests) == 3


async def is_freed(server: FaultServer, most: int = 0) -> bool:
    return await asyncio.to_thread(wait_until, lambda: server.open <= most)


async def cancel_after(work: Awaitable[Any], seconds: float) -> float:
    """Begin something and cancel it after a while; how long it then takes to end."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(seconds)
    task.cancel()
    began = time.monotonic()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began


@all_integrations
@pytest.mark.parametrize(
    "step",
    [send_raw(ending="hang"), respond_with(503, {}, "Retry-After: 30")],
    ids=["silence", "a pause"],
)
async def test_cancelled_call_ends_immediately(face, step):
    with FaultServer(step) as server:
        client = create_client(server, deadline=60.0)
        assert await cancel_after(face.acall(client, False), 0.3) < 0.5
        assert len(server.requests) == 1
        assert await is_freed(server, most=1)
        server.recover()
        assert await face.acall(client, False) == get_expected_result(face)


async def respond_slowly(wire: ServerRequest) -> None:
    """What a healthy router answers, bit by bit."""
    reply = wire.create_response()
    data = build_response(reply.content, content_type=reply.headers["content-type"])
    for start in range(0, len(data), len(data) // 30):
        await wire.send(data[start : start + len(data) // 30])
        await asyncio.sleep(0.002)


def cancel_at_random(number: int) -> Callable[[Awaitable[Any]], Awaitable[Any]]:
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


@all_integrations
async def test_many_cancelled_calls_leave_nothing_open(face):
    with FaultServer(respond_slowly) as server:
        async with create_client(server, max_retries=0) as client:
            calls = [cancel_at_random(number)(face.acall(client, False)) for number in range(60)]
            await asyncio.gather(*calls)
            server.recover()
            after = await asyncio.gather(*(face.acall(client, False) for _ in range(12)))
        assert await is_freed(server)
    assert [answer == get_expected_result(face) for answer in after] == [True] * 12

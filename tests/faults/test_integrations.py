"""Behavior that every integration shares: retries, error details, secrecy and cancellation."""

import asyncio
import logging
import random
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from faults.integrations import INTEGRATIONS, Integration
from faults.matrix import KEY, get_expected_value, wait_until
from faults.server import FaultServer, ServerRequest, Step, build_response, respond_normally
from faults.steps import respond_with, send_raw
from orq_router_integrations import RouterClient
from orq_router_integrations.errors import RateLimitError, RouterError

pytestmark = pytest.mark.slow

all_integrations = pytest.mark.parametrize("integration", INTEGRATIONS.values(), ids=INTEGRATIONS)
sync_and_async = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


def create_client(server: FaultServer, **settings: Any) -> RouterClient:
    return RouterClient(api_key=KEY, base_url=f"{server.url}/v3/router", timeout=9.0, **settings)


def send_call(
    integration: Integration, is_async: bool, client: RouterClient, *, is_large: bool = False
) -> Any:
    return (
        asyncio.run(integration.acall(client, is_large))
        if is_async
        else integration.call(client, is_large)
    )


def get_error(integration: Integration, is_async: bool, client: RouterClient) -> RouterError:
    with pytest.raises(RouterError) as raised:
        send_call(integration, is_async, client)
    return raised.value


def record_requests(requests: list[tuple[bytes, bytes]], step: Step) -> Step:
    """Run a step and record the head and body of its requests."""

    async def record(request: ServerRequest) -> None:
        requests.append((request.head, request.body))
        await step(request)

    return record


def get_header(head: bytes, name: bytes) -> bytes:
    return head.lower().split(b"\r\n" + name + b": ")[1].partition(b"\r\n")[0]


@all_integrations
@sync_and_async
def test_each_attempt_sends_the_complete_request(integration, is_async):
    requests: list[tuple[bytes, bytes]] = []
    steps = [
        record_requests(requests, step)
        for step in (respond_with(503, {}), respond_with(429, {}), respond_normally)
    ]
    with FaultServer(*steps) as server:
        send_call(integration, is_async, create_client(server), is_large=True)
    heads, bodies = zip(*requests, strict=True)
    assert len(set(bodies)) == 1
    assert len({get_header(head, b"idempotency-key") for head in heads}) == 1
    assert [get_header(head, b"x-retry-count") for head in heads] == [b"0", b"1", b"2"]


@all_integrations
@sync_and_async
def test_error_has_the_details_of_the_response(integration, is_async):
    details = {"message": "m", "code": "c", "type": "t", "param": "p", "doc_url": "https://d"}
    lines = ("Retry-After: 99", "x-orq-trace-id: trace-1")
    with FaultServer(
        respond_with(429, {"error": details, "more": "many words " * 900}, *lines)
    ) as server:
        error = get_error(integration, is_async, create_client(server))
    assert isinstance(error, RateLimitError)
    assert (error.status_code, error.attempts, error.retry_after) == (429, 1, 99.0)
    assert (error.code, error.type, error.param) == ("c", "t", "p")
    assert (error.doc_url, error.trace_id, error.is_retryable) == ("https://d", "trace-1", True)
    assert error.endpoint.startswith("/")
    assert len(error.body) == 4096


@all_integrations
@sync_and_async
def test_key_is_not_in_logs_or_errors(integration, is_async, caplog):
    caplog.set_level(logging.DEBUG)
    echo = {"error": {"message": f"Bearer {KEY} is wrong", "code": KEY, "param": KEY}}
    for step in (respond_with(401, echo), respond_with(200, {"echo": KEY}), send_raw(KEY.encode())):
        with FaultServer(step) as server:
            error = get_error(integration, is_async, create_client(server, max_retries=0))
        assert KEY not in f"{error} {error!r} {vars(error)} {error.__cause__!r}"
    assert not [record for record in caplog.records if KEY in f"{record.getMessage()}{record.args}"]


@all_integrations
def test_only_router_host_is_resolved(integration, monkeypatch):
    hosts, resolve = set(), socket.getaddrinfo

    def record(host: Any, *args: Any, **options: Any) -> Any:
        hosts.add(host)
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", record)
    with FaultServer(respond_normally) as server:
        for is_async in (False, True):
            assert send_call(integration, is_async, create_client(server)) == get_expected_value(
                integration
            )
    assert hosts == {"127.0.0.1"}


@all_integrations
def test_client_works_in_one_event_loop_after_another(integration):
    with FaultServer(respond_normally) as server:
        client = create_client(server, max_retries=0)
        assert [send_call(integration, True, client) for _ in range(3)] == [
            get_expected_value(integration)
        ] * 3
        assert len(server.requests) == 3


async def is_freed(server: FaultServer, max_open: int = 0) -> bool:
    return await asyncio.to_thread(wait_until, lambda: server.open <= max_open)


async def cancel_after(work: Awaitable[Any], seconds: float) -> None:
    """Start a call, cancel it after some time, and wait until it has ended."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)


@all_integrations
@pytest.mark.parametrize(
    "step",
    [send_raw(ending="hang"), respond_with(503, {}, "Retry-After: 30")],
    ids=["no response", "wait before retry"],
)
async def test_cancelled_call_ends_immediately(integration, step):
    with FaultServer(step) as server:
        client = create_client(server, deadline=60.0)
        await cancel_after(integration.acall(client, False), 0.3)
        assert len(server.requests) == 1
        assert await is_freed(server, max_open=1)
        server.recover()
        assert await integration.acall(client, False) == get_expected_value(integration)


async def respond_slowly(request: ServerRequest) -> None:
    """Send a normal response in small chunks."""
    response = request.create_response()
    data = build_response(response.content, content_type=response.headers["content-type"])
    for start in range(0, len(data), len(data) // 30):
        await request.send(data[start : start + len(data) // 30])
        await asyncio.sleep(0.002)


def cancel_at_random(number: int) -> Callable[[Awaitable[Any]], Awaitable[Any]]:
    """Create a function that cancels a call at a random moment, every second one twice."""

    async def cancel(work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        await asyncio.sleep(random.Random(number).random() * 0.2)
        task.cancel()
        if number % 2:
            await asyncio.sleep(0)
            task.cancel()
        (result,) = await asyncio.gather(task, return_exceptions=True)
        assert not isinstance(result, Exception)

    return cancel


@all_integrations
async def test_many_cancelled_calls_leave_nothing_open(integration):
    with FaultServer(respond_slowly) as server:
        async with create_client(server, max_retries=0) as client:
            calls = [
                cancel_at_random(number)(integration.acall(client, False)) for number in range(60)
            ]
            await asyncio.gather(*calls)
            server.recover()
            results = await asyncio.gather(*(integration.acall(client, False) for _ in range(12)))
        assert await is_freed(server)
    assert [result == get_expected_value(integration) for result in results] == [True] * 12

"""Concurrent work: order, limits, locks and cancellation."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance.parsers import ListBlobLoader
from faults.server import FaultServer, ServerRequest, respond_normally
from faults.steps import send_raw
from langchain_core.documents.base import Blob
from support.audio_loaders import create_loader
from support.recordings import create_recording, save_recording

from orq_router_integrations import OrqTranscriptionLoader, RouterClient
from orq_router_integrations._concurrency import (
    amap_ordered,
    arun_steps,
    gather,
    map_ordered,
    run_steps,
)
from orq_router_integrations._http.deadline import CANCEL_CHECK
from orq_router_integrations.errors import RouterError

FILE_COUNT = 24
TIMEOUT_SECONDS = 30.0
"""Only reached if a test fails."""


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


class SlowTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Takes some time for each request and counts concurrent ones."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds = seconds
        self.active_count = self.max_active_count = self.started_count = 0
        self._lock = threading.Lock()

    def start(self) -> None:
        with self._lock:
            self.started_count += 1
            self.active_count += 1
            self.max_active_count = max(self.max_active_count, self.active_count)

    def finish(self) -> httpx.Response:
        with self._lock:
            self.active_count -= 1
        return httpx.Response(200, json={"text": "Done."})

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.start()
        time.sleep(self.seconds)
        return self.finish()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.start()
        try:
            await asyncio.sleep(self.seconds)
        finally:
            response = self.finish()
        return response


def create_slow_loader(transport: SlowTransport, max_concurrency: int) -> OrqTranscriptionLoader:
    client = RouterClient(
        api_key="k",
        http_client=httpx.Client(transport=transport),
        http_async_client=httpx.AsyncClient(transport=transport),
    )
    blobs = [Blob.from_data(create_recording("x"), metadata={"n": n}) for n in range(FILE_COUNT)]
    return create_loader(ListBlobLoader(blobs), client=client, max_concurrency=max_concurrency)


@pytest.mark.slow
@pytest.mark.parametrize("max_concurrency", [1, 4])
async def test_max_concurrency_is_reached_and_not_exceeded(max_concurrency: int) -> None:
    transport = SlowTransport()
    documents = create_slow_loader(transport, max_concurrency).load()
    assert [document.metadata["n"] for document in documents] == list(range(FILE_COUNT))
    assert transport.max_active_count == max_concurrency
    transport = SlowTransport()
    assert await create_slow_loader(transport, max_concurrency).aload() == documents
    assert transport.max_active_count == max_concurrency


@pytest.mark.slow
async def test_stopping_async_iteration_cancels_requests() -> None:
    transport = SlowTransport(0.05)
    documents = create_slow_loader(transport, 4).alazy_load()
    await anext(documents)
    await documents.aclose()
    started_count = transport.started_count
    await asyncio.sleep(0.12)
    assert transport.started_count == started_count < FILE_COUNT
    assert transport.active_count == 0


def test_stopping_iteration_cancels_pending_requests() -> None:
    transport = SlowTransport(0.05)
    documents = create_slow_loader(transport, 4).lazy_load()
    next(documents)
    documents.close()
    wait_until(lambda: transport.active_count == 0 and not get_audio_threads())
    assert transport.started_count < FILE_COUNT


async def test_cancelling_a_task_cancels_requests() -> None:
    transport = SlowTransport(TIMEOUT_SECONDS)
    task = asyncio.ensure_future(create_slow_loader(transport, 4).aload())
    await asyncio.to_thread(wait_until, lambda: transport.active_count == 4)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, TIMEOUT_SECONDS / 2)
    assert transport.active_count == 0


def iter_numbers(count: int, *, error: Exception | None = None) -> Iterator[int]:
    yield from range(count)
    if error:
        raise error


async def collect(items: AsyncIterator[int]) -> list[int]:
    return [item async for item in items]


@pytest.mark.parametrize("max_concurrency", [1, 3])
async def test_results_are_in_order_of_the_items(max_concurrency: int) -> None:
    def process(number: int) -> int:
        time.sleep(0.01 if number % 3 == 0 else 0)
        return number

    async def aprocess(number: int) -> int:
        await asyncio.sleep(0.01 if number % 3 == 0 else 0)
        return number

    results = map_ordered(process, iter_numbers(10), max_concurrency)
    assert list(results) == list(range(10))
    results = amap_ordered(aprocess, iter_numbers(10), max_concurrency)
    assert await collect(results) == list(range(10))


@pytest.mark.parametrize("max_concurrency", [1, 3])
async def test_error_of_the_items_is_raised_after_their_results(max_concurrency: int) -> None:
    numbers = iter_numbers(5, error=OSError("gone"))
    results = map_ordered(abs, numbers, max_concurrency)
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(OSError, match="gone"):
        next(results)

    async def aprocess(number: int) -> int:
        return number

    numbers = iter_numbers(5, error=OSError("gone"))
    results = amap_ordered(aprocess, numbers, max_concurrency)
    assert [await anext(results) for _ in range(5)] == list(range(5))
    with pytest.raises(OSError, match="gone"):
        await anext(results)


def fail() -> None:
    raise KeyError("first")


def test_gather_cancels_the_other_tasks_on_failure() -> None:
    client: Any = PendingClient()
    cancelled = threading.Event()

    def call() -> None:
        with pytest.raises(CancelledError):
            run_steps(client, create_steps(CALL, CALL), threading.Semaphore())
        cancelled.set()

    def fail_during_call() -> None:
        assert client.called.wait(TIMEOUT_SECONDS)
        fail()

    with pytest.raises(KeyError, match="first"):
        gather([call, fail_during_call])
    assert cancelled.wait(TIMEOUT_SECONDS)


def test_gather_does_not_wait_for_other_tasks_on_failure() -> None:
    finish = threading.Event()
    with pytest.raises(KeyError, match="first"):
        gather([finish.wait, fail])
    finish.set()


class PendingClient:
    """A client whose calls end only when they are cancelled."""

    def __init__(self) -> None:
        self.called = threading.Event()

    def send(self, call: Any) -> None:
        is_cancelled = CANCEL_CHECK.get()
        assert is_cancelled is not None
        self.called.set()
        wait_until(is_cancelled)
        raise RouterError("cancelled")

    async def asend(self, call: Any) -> None:
        self.called.set()
        await asyncio.sleep(TIMEOUT_SECONDS)


def create_steps(*steps: Any, released: threading.Event | None = None) -> Generator[Any, Any, str]:
    try:
        yield from steps
    finally:
        if released:
            released.set()
    return "done"


CALL: Any = object()


@pytest.mark.parametrize("step", [CALL, 0.001], ids=["call", "pause"])
def test_closing_the_results_cancels_nested_steps(step: Any) -> None:
    """Pauses repeat as long as another process computes a result."""
    client: Any = PendingClient()
    all_started = threading.Barrier(3, timeout=TIMEOUT_SECONDS)
    released = [threading.Event(), threading.Event()]

    def repeat_step(event: threading.Event) -> Generator[Any, Any, str]:
        all_started.wait()
        return (yield from create_steps(*[step] * 10**6, released=event))

    def process(is_first: bool) -> str:
        if is_first:
            all_started.wait()
            return "first"
        nested = [repeat_step(event) for event in released]
        return run_steps(client, create_steps(nested), threading.Semaphore(2))

    results = map_ordered(process, iter([True, False]), 2)
    assert next(results) == "first"
    results.close()
    assert all(event.wait(TIMEOUT_SECONDS) for event in released)


async def test_cancelled_async_steps_cancel_their_call() -> None:
    client: Any = PendingClient()
    released = threading.Event()
    steps = create_steps([create_steps(CALL), create_steps(CALL)], released=released)
    work = asyncio.ensure_future(arun_steps(client, steps, asyncio.Semaphore(2)))
    await asyncio.to_thread(client.called.wait, TIMEOUT_SECONDS)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(work, TIMEOUT_SECONDS)
    assert released.is_set()


async def answer_first_file(request: ServerRequest) -> None:
    """Answer the request for ``0.wav`` and let the others hang."""
    await (respond_normally if b'"0.wav"' in request.body else send_raw(ending="hang"))(request)


def get_audio_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "orq-worker" in thread.name]


@pytest.mark.slow
@pytest.mark.parametrize("own_client", [True, False], ids=["own connections", "httpx client"])
def test_stopping_iteration_ends_requests_in_flight(own_client: bool, tmp_path: Path) -> None:
    """With an httpx client only on new connections, because httpx hides which one is reused."""
    sources = [save_recording(tmp_path / f"{number}.wav", "Some words.") for number in range(4)]
    limits = httpx.Limits(max_keepalive_connections=0)
    with FaultServer(answer_first_file) as server, httpx.Client(limits=limits) as http_client:
        options: dict[str, Any] = {} if own_client else {"http_client": http_client}
        client = RouterClient(api_key="k", base_url=f"{server.url}/v3/router", **options)
        documents = create_loader(sources, client=client, max_concurrency=4).lazy_load()
        assert next(documents).page_content
        documents.close()
        wait_until(lambda: server.open <= 1)
        wait_until(lambda: not get_audio_threads())

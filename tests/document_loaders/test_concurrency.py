"""Work side by side: in order, lazily, and called off when nobody wants it any more."""

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance.parsers import Blobs
from faults.matrix import _until
from faults.server import FaultServer, Wire, well
from faults.steps import sends
from langchain_core.documents.base import Blob
from support.recordings import recorded, recording

from orq_router_integrations import OrqTranscriptionLoader, RouterClient
from orq_router_integrations.document_loaders.concurrency import (
    CancelToken,
    ConcurrencyLimiter,
    WorkCancelledError,
    amap_ordered,
    arun_steps,
    gather,
    map_ordered,
    run_steps,
)
from orq_router_integrations.errors import RouterError

FILES = 24
PATIENCE = 5.0  # seconds; a busy machine needs more than one


class Busy(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Takes a moment for each request, and counts how many it has at a time."""

    def __init__(self, seconds: float = 0.01) -> None:
        self.seconds = seconds
        self.now = self.most = self.begun = 0
        self.lock = threading.Lock()

    def enter(self) -> None:
        with self.lock:
            self.begun += 1
            self.now += 1
            self.most = max(self.most, self.now)

    def leave(self) -> httpx.Response:
        with self.lock:
            self.now -= 1
        return httpx.Response(200, json={"text": "Done."})

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.enter()
        time.sleep(self.seconds)
        return self.leave()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.enter()
        try:
            await asyncio.sleep(self.seconds)
        finally:
            answer = self.leave()
        return answer


def loader(busy: Busy, limit: int) -> OrqTranscriptionLoader:
    client = RouterClient(
        api_key="k",
        http_client=httpx.Client(transport=busy),
        http_async_client=httpx.AsyncClient(transport=busy),
    )
    blobs = Blobs([Blob.from_data(recording("x"), metadata={"n": n}) for n in range(FILES)])
    return OrqTranscriptionLoader(
        source=blobs, model="openai/whisper-1", client=client, max_concurrency=limit
    )


@pytest.mark.parametrize("limit", [1, 4])
async def test_there_are_never_more_requests_than_allowed(limit: int) -> None:
    busy = Busy()
    documents = loader(busy, limit).load()
    assert [document.metadata["n"] for document in documents] == list(range(FILES))
    assert busy.most == limit
    busy = Busy()
    assert await loader(busy, limit).aload() == documents
    assert busy.most == limit


def test_side_by_side_takes_less_than_half() -> None:
    def seconds(limit: int) -> float:
        began = time.perf_counter()
        loader(Busy(0.03), limit).load()
        return time.perf_counter() - began

    best = min(seconds(8) for _ in range(3))  # for a machine that stands still now and then
    assert best < seconds(1) / 2  # the benchmark of many files has the sharper goal


async def test_who_stops_listening_stops_the_work() -> None:
    busy = Busy(0.05)
    documents = loader(busy, 4).alazy_load()
    await anext(documents)
    await documents.aclose()
    begun = busy.begun
    await asyncio.sleep(0.12)
    assert busy.begun == begun < FILES
    assert busy.now == 0


def test_who_stops_listening_stops_the_threads_too() -> None:
    busy = Busy(0.05)
    documents = loader(busy, 4).lazy_load()
    next(documents)
    documents.close()
    time.sleep(0.15)
    assert busy.now == 0
    assert busy.begun < FILES


async def test_a_cancelled_load_ends_at_once() -> None:
    busy = Busy(5.0)
    task = asyncio.ensure_future(loader(busy, 4).aload())
    await asyncio.sleep(0.2)
    assert busy.now == 4
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 1)
    assert busy.now == 0


def numbers(count: int, *, then: Exception | None = None) -> Iterator[int]:
    yield from range(count)
    if then:
        raise then


async def async_list(items: Any) -> list[int]:
    return [item async for item in items]


@pytest.mark.parametrize("limit", [1, 3])
async def test_order_is_kept_whoever_is_ready_first(limit: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.01 if number % 3 == 0 else 0)
        return number

    async def awork(number: int) -> int:
        await asyncio.sleep(0.01 if number % 3 == 0 else 0)
        return number

    assert list(map_ordered(work, numbers(10), limit, CancelToken())) == list(range(10))
    assert await async_list(amap_ordered(awork, numbers(10), limit)) == list(range(10))


@pytest.mark.parametrize("limit", [1, 3])
async def test_a_source_that_breaks_is_told_after_what_it_gave(limit: int) -> None:
    found = map_ordered(abs, numbers(5, then=OSError("gone")), limit, CancelToken())
    assert [next(found) for _ in range(5)] == list(range(5))
    with pytest.raises(OSError, match="gone"):
        next(found)

    async def awork(number: int) -> int:
        return number

    results = amap_ordered(awork, numbers(5, then=OSError("gone")), limit)
    assert [await anext(results) for _ in range(5)] == list(range(5))
    with pytest.raises(OSError, match="gone"):
        await anext(results)


def test_the_first_failure_calls_the_others_off() -> None:
    brake = CancelToken(CancelToken())

    def failing() -> None:
        raise KeyError("first")

    def waiting() -> None:
        for _ in range(1000):
            brake.raise_if_cancelled()
            time.sleep(0.001)

    with pytest.raises(KeyError, match="first"):
        gather([failing, waiting], brake)


def test_a_failure_does_not_wait_for_calls_under_way():
    hanging, brake = threading.Event(), CancelToken()

    def failing() -> None:
        raise KeyError("first")

    began = time.monotonic()
    with pytest.raises(KeyError, match="first"):
        gather([lambda: hanging.wait(10), failing], brake)
    assert time.monotonic() - began < 5
    hanging.set()


class Silent:
    """A client whose answers never come; sync calls end when they are called off."""

    def __init__(self, brake: CancelToken) -> None:
        self.brake = brake
        self.asked = threading.Event()

    def send(self, call: Any) -> None:
        self.asked.set()
        while not self.brake.cancelled:
            time.sleep(0.001)
        raise RouterError("called off")

    async def asend(self, call: Any) -> None:
        self.asked.set()
        await asyncio.sleep(60)


def steps(*given: Any) -> Any:
    yield from given
    return "done"


def test_who_is_called_off_gives_up_the_turn_that_others_wait_for() -> None:
    brake, gate = CancelToken(), ConcurrencyLimiter(threading.Semaphore(2), threading.Lock)
    client: Any = Silent(brake)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(run_steps, client, steps(b"key", "call"), gate, brake)
        assert client.asked.wait(5)
        second = pool.submit(run_steps, client, steps(b"other", b"key"), gate, CancelToken())
        time.sleep(0.05)
        assert not second.done()
        brake.cancel()
        assert isinstance(first.exception(5), WorkCancelledError)
        assert second.result(5) == "done"


async def test_who_is_cancelled_gives_it_up_too() -> None:
    gate = ConcurrencyLimiter(asyncio.Semaphore(2), asyncio.Lock)
    client: Any = Silent(CancelToken())
    first = asyncio.ensure_future(arun_steps(client, steps(b"key", "call"), gate))
    await asyncio.to_thread(client.asked.wait, 5)
    second = asyncio.ensure_future(arun_steps(client, steps(b"other", b"key"), gate))
    await asyncio.sleep(0.05)
    assert not second.done()
    first.cancel()
    assert await asyncio.wait_for(second, 5) == "done"


async def first_only(wire: Wire) -> None:
    """Answers for the first recording, and never for the others."""
    await (well if b'"0.wav"' in wire.body else sends(then="hang"))(wire)


def audio_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if "orq-audio" in thread.name]


@pytest.mark.parametrize("own", [True, False], ids=["our pool", "httpx's"])
def test_calls_under_way_end_when_nobody_reads_on(own: bool, tmp_path: Path) -> None:
    """With httpx's pool: over connections opened for them; of a kept one it does not tell which."""
    sources = [recorded(tmp_path / f"{number}.wav", "Some words.") for number in range(4)]
    opened = httpx.Limits(max_keepalive_connections=0)
    with FaultServer(first_only) as server, httpx.Client(limits=opened) as http:
        mine: dict[str, Any] = {} if own else {"http_client": http}
        url = f"{server.url}/v3/router"
        client = RouterClient(api_key="k", base_url=url, **mine)
        options: dict[str, Any] = {"model": "openai/whisper-1", "max_concurrency": 4}
        documents = OrqTranscriptionLoader(source=sources, client=client, **options).lazy_load()
        assert next(documents).page_content
        documents.close()
        assert _until(lambda: server.open <= 1, PATIENCE)
        assert _until(lambda: not audio_threads(), PATIENCE)

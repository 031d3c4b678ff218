"""Files go up as they are read: their size and their number are not felt in memory."""

import asyncio
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from conformance.parsers import Blobs
from langchain_core.document_loaders import BlobLoader
from langchain_core.documents.base import Blob
from support.recordings import recording

from orq_router_integrations import OrqTranscriptionLoader, RouterClient
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header

MEGABYTE = 2**20


class Sink(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Takes what is sent, and keeps none of it."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sizes.append(sum(map(len, request.stream)))
        return httpx.Response(200, json={"text": "Long."})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sizes.append(sum([len(chunk) async for chunk in request.stream]))
        return httpx.Response(200, json={"text": "Long."})

    @property
    def client(self) -> RouterClient:
        return RouterClient(
            api_key="k",
            http_client=httpx.Client(transport=self),
            http_async_client=httpx.AsyncClient(transport=self),
        )


def peak(work: Callable[[], object]) -> int:
    """The most bytes that are held at a time beyond those before."""
    tracemalloc.start()
    try:
        level = tracemalloc.get_traced_memory()[0]
        work()
        return tracemalloc.get_traced_memory()[1] - level
    finally:
        tracemalloc.stop()


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """200 MB of silence; on most disks it takes no room."""
    path = tmp_path / "large.wav"
    path.write_bytes(build_wav_header(build_pcm_format(16_000), 200 * MEGABYTE))
    with path.open("r+b") as file:
        file.truncate(44 + 200 * MEGABYTE)
    return path


@pytest.mark.parametrize("max_bytes", [300 * MEGABYTE, 25 * MEGABYTE], ids=["whole", "cut"])
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
def test_two_hundred_megabytes_take_less_than_two(
    large: Path, max_bytes: int, awaited: bool
) -> None:
    sink = Sink()
    loader = OrqTranscriptionLoader(
        source=large,
        model="openai/whisper-1",
        client=sink.client,
        max_bytes=max_bytes,
        max_concurrency=1,
    )
    used = peak(lambda: asyncio.run(loader.aload()) if awaited else loader.load())
    assert sum(sink.sizes) > 200 * MEGABYTE
    assert used < 2 * MEGABYTE


class Endless(BlobLoader):
    """As many recordings as are asked for, each of them new."""

    def __init__(self, count: int) -> None:
        self.count = count

    def yield_blobs(self) -> Iterator[Blob]:
        for _ in range(self.count):
            yield Blob.from_data(recording("One.")[:44] + bytes(50_000))


def test_memory_does_not_grow_with_the_number_of_files() -> None:
    def load(count: int) -> int:
        sink = Sink()
        loader = OrqTranscriptionLoader(
            source=Endless(count), model="openai/whisper-1", client=sink.client
        )
        return peak(lambda: sum(1 for _ in loader.lazy_load()))

    assert load(500) < load(150) + MEGABYTE


def test_few_files_are_taken_before_they_are_wanted() -> None:
    blobs = Blobs([Blob.from_data(recording("One.")) for _ in range(100)])
    loader = OrqTranscriptionLoader(
        source=blobs, model="openai/whisper-1", client=Sink().client, max_concurrency=4
    )
    documents = loader.lazy_load()
    next(documents)
    assert blobs.taken <= 8
    documents.close()

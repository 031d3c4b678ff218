"""Memory does not grow with the size and number of recordings."""

import asyncio
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from conformance.parsers import ListBlobLoader
from langchain_core.document_loaders import BlobLoader
from langchain_core.documents.base import Blob
from support.audio_loaders import create_loader
from support.marks import sync_and_async
from support.recordings import create_recording

from orq_router_integrations import RouterClient
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header

MEGABYTE = 2**20


class DiscardingTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Reads requests without keeping them."""

    def __init__(self) -> None:
        self.request_sizes: list[int] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.request_sizes.append(sum(map(len, request.stream)))
        return httpx.Response(200, json={"text": "Long."})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.request_sizes.append(sum([len(chunk) async for chunk in request.stream]))
        return httpx.Response(200, json={"text": "Long."})

    def create_client(self) -> RouterClient:
        return RouterClient(
            api_key="k",
            http_client=httpx.Client(transport=self),
            http_async_client=httpx.AsyncClient(transport=self),
        )


def measure_peak(func: Callable[[], object]) -> int:
    """Return how many bytes a function allocates at most at any time."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        func()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@pytest.fixture
def large_file(tmp_path: Path) -> Path:
    """200 MB of silence, as a sparse file."""
    path = tmp_path / "large.wav"
    path.write_bytes(build_wav_header(build_pcm_format(16_000), 200 * MEGABYTE))
    with path.open("r+b") as file:
        file.truncate(44 + 200 * MEGABYTE)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("max_bytes", [300 * MEGABYTE, 25 * MEGABYTE], ids=["undivided", "split"])
@sync_and_async
def test_200_mb_file_needs_less_than_2_mb(large_file: Path, max_bytes: int, is_async: bool) -> None:
    transport = DiscardingTransport()
    loader = create_loader(
        large_file, client=transport.create_client(), max_bytes=max_bytes, max_concurrency=1
    )
    peak = measure_peak(lambda: asyncio.run(loader.aload()) if is_async else loader.load())
    assert sum(transport.request_sizes) > 200 * MEGABYTE
    assert peak < 2 * MEGABYTE


class GeneratedBlobs(BlobLoader):
    """Yields new blobs of 50 kB."""

    def __init__(self, count: int) -> None:
        self.count = count

    def yield_blobs(self) -> Iterator[Blob]:
        for _ in range(self.count):
            yield Blob.from_data(create_recording("One.")[:44] + bytes(50_000))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_recordings() -> None:
    def measure(count: int) -> int:
        client = DiscardingTransport().create_client()
        loader = create_loader(GeneratedBlobs(count), client=client)
        return measure_peak(lambda: sum(1 for _ in loader.lazy_load()))

    assert measure(500) < measure(150) + MEGABYTE


def test_few_blobs_are_read_ahead() -> None:
    blobs = ListBlobLoader([Blob.from_data(create_recording("One.")) for _ in range(100)])
    client = DiscardingTransport().create_client()
    documents = create_loader(blobs, client=client, max_concurrency=4).lazy_load()
    next(documents)
    assert blobs.yielded_count <= 8
    documents.close()

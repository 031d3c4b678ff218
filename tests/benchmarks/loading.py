"""``python -m tests.benchmarks.loading``: many recordings, loaded concurrently or one by one.

40 files, a router that takes 0.1 s for each, eight requests at a time: the goal is less than a
quarter of the time, as a ratio of two passes in one run.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from orq_router_integrations import OrqTranscriptionLoader, RouterClient
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header

FILES = 40
SECONDS = 0.1
CONCURRENCY = 8
GOAL = 0.25


class SlowTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A slow router."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer after a delay."""
        request.read()
        time.sleep(SECONDS)
        return httpx.Response(200, json={"text": "Done."})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer after a delay without blocking the loop."""
        await request.aread()
        await asyncio.sleep(SECONDS)
        return httpx.Response(200, json={"text": "Done."})


def create_loader(folder: Path, max_concurrency: int) -> OrqTranscriptionLoader:
    """Create a loader for the directory, with the slow router."""
    client = RouterClient(
        api_key="any",
        http_client=httpx.Client(transport=SlowTransport()),
        http_async_client=httpx.AsyncClient(transport=SlowTransport()),
    )
    return OrqTranscriptionLoader(
        source=folder, model="openai/whisper-1", client=client, max_concurrency=max_concurrency
    )


def measure_seconds(work: Callable[[], list]) -> float:
    """Return the duration of a pass, and check that all files were loaded."""
    began = time.perf_counter()
    assert len(work()) == FILES
    return time.perf_counter() - began


def measure_ratios() -> dict[str, float]:
    """Return the duration of concurrent passes relative to a sequential one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(FILES):
            silence = bytes(64_000)
            head = build_wav_header(build_pcm_format(16_000), len(silence))
            (folder / f"{number:02}.wav").write_bytes(head + silence)
        sequential, concurrent = create_loader(folder, 1), create_loader(folder, CONCURRENCY)
        return {
            "sync": measure_seconds(concurrent.load) / measure_seconds(sequential.load),
            "async": measure_seconds(lambda: asyncio.run(concurrent.aload()))
            / measure_seconds(lambda: asyncio.run(sequential.aload())),
        }


def main() -> None:
    """Print the ratios with their goal."""
    for name, ratio in measure_ratios().items():
        verdict = "reached" if ratio < GOAL else "missed"
        print(
            f"{FILES} files, {CONCURRENCY} concurrent, {name}: {ratio:.2f} (goal {GOAL}: {verdict})"
        )


if __name__ == "__main__":
    main()

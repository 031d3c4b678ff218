"""``python -m tests.benchmarks.loading``: many recordings at once, beside one after the other.

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
AT_ONCE = 8
GOAL = 0.25


class Slow(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A router that takes its time."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer after a while."""
        request.read()
        time.sleep(SECONDS)
        return httpx.Response(200, json={"text": "Done."})

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer after a while, and let others go on."""
        await request.aread()
        await asyncio.sleep(SECONDS)
        return httpx.Response(200, json={"text": "Done."})


def loader(folder: Path, at_once: int) -> OrqTranscriptionLoader:
    """A loader of the folder, over the slow router."""
    client = RouterClient(
        api_key="any",
        http_client=httpx.Client(transport=Slow()),
        http_async_client=httpx.AsyncClient(transport=Slow()),
    )
    return OrqTranscriptionLoader(
        source=folder, model="openai/whisper-1", client=client, max_concurrency=at_once
    )


def seconds(work: Callable[[], list]) -> float:
    """How long a pass takes; all files must be there."""
    began = time.perf_counter()
    assert len(work()) == FILES
    return time.perf_counter() - began


def ratios() -> dict[str, float]:
    """The time of a concurrent pass as a share of a sequential one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(FILES):
            silence = bytes(64_000)
            head = build_wav_header(build_pcm_format(16_000), len(silence))
            (folder / f"{number:02}.wav").write_bytes(head + silence)
        one, many = loader(folder, 1), loader(folder, AT_ONCE)
        return {
            "sync": seconds(many.load) / seconds(one.load),
            "async": seconds(lambda: asyncio.run(many.aload()))
            / seconds(lambda: asyncio.run(one.aload())),
        }


def main() -> None:
    """Print the ratios beside the goal."""
    for name, ratio in ratios().items():
        told = "reached" if ratio < GOAL else "missed"
        print(f"{FILES} files, {AT_ONCE} at once, {name}: {ratio:.2f} (goal {GOAL}: {told})")


if __name__ == "__main__":
    main()

"""``python -m tests.benchmarks.scale``: what rows, stores and pacing cost, with their goals.

Compares jobs in Ray with the plain loader and with Ray's own HTTP processor. Requires
``pip install -e '.[test,engines]'``. The contenders alternate in each round.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import uvicorn

os.environ |= {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "ORQ_API_KEY": "sk-orq-example"}

from orq_router_integrations import ChatOrq, OrqAudioParser, OrqTranscriptionLoader, RouterClient
from orq_router_integrations.batch import AsyncRows, ChatRows, ResultStore, TranscriptRows
from orq_router_integrations.batch.rows import Rows

RECORDINGS, PROMPTS, STORED = 240, 480, 400
LATENCY_SECONDS = 0.15
ACTORS, CALLS_PER_ACTOR, BLOCKS = 2, 4, 4
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "created": 1760000000,
    "model": "gpt-4o",
    "text": "Done.",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "A"}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
}


class SlowServer:
    """Answers each POST after a while. GET returns what was measured since the last GET."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.first_at = self.last_at = 0.0
        self.count = self.active = self.max_active = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] == "GET":
            await respond(send, {"seconds": self.last_at - self.first_at, **vars(self)})
            self.reset()
            return
        self.first_at = self.first_at or time.monotonic()
        self.active += 1
        self.max_active = max(self.max_active, self.active)
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(0 if b"x-instant" in dict(scope["headers"]) else LATENCY_SECONDS)
        self.active -= 1
        self.count += 1
        self.last_at = time.monotonic()
        await respond(send, ANSWER)


async def respond(send: Any, data: Any) -> None:
    body = json.dumps(data).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def run_server() -> Iterator[str]:
    """Start the server in another process, and yield its URL."""
    command = [sys.executable, "-m", "tests.benchmarks.scale", "--serve"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def serve() -> None:
    config = uvicorn.Config(SlowServer(), port=0, log_level="error", lifespan="off")
    socket = config.bind_socket()
    print(f"http://127.0.0.1:{socket.getsockname()[1]}", flush=True)
    uvicorn.Server(config).run(sockets=[socket])


def measure_requests(url: str, work: Callable[[], Any], count: int) -> dict[str, Any]:
    """Run a job; returns the time between its first request and its last response."""
    httpx.get(url)
    work()
    measured: dict[str, Any] = httpx.get(url).json()
    assert measured["count"] == count, measured
    return measured


def run_in_ray(rows: Rows, items: list[dict[str, Any]]) -> None:
    import ray

    dataset = ray.data.from_items(items, override_num_blocks=BLOCKS).map_batches(
        AsyncRows,
        fn_constructor_args=(rows,),
        batch_size=16,
        compute=ray.data.ActorPoolStrategy(size=ACTORS),
    )
    assert not any(row["error"] for row in dataset.take_all())


def run_http_processor(url: str, items: list[dict[str, Any]]) -> None:
    import ray
    from ray.data.llm import HttpRequestProcessorConfig, build_processor

    config = HttpRequestProcessorConfig(url=f"{url}/chat", concurrency=ACTORS, batch_size=16)
    processor = build_processor(
        config,
        preprocess=lambda row: {"payload": {"messages": [{"content": row["prompt"]}]}},
        postprocess=lambda row: {"answer": row["http_response"]["choices"][0]["message"]},
    )
    dataset = ray.data.from_items(items, override_num_blocks=BLOCKS)
    assert len(processor(dataset).take_all()) == len(items)


def compare_with_loader(url: str, client: RouterClient) -> float:
    recordings = [b"ID3 %d" % number for number in range(RECORDINGS)]
    settings = {"model": "openai/whisper-1", "client": client}
    loader = OrqTranscriptionLoader(
        recordings, max_concurrency=ACTORS * CALLS_PER_ACTOR, **settings
    )
    rows = TranscriptRows(OrqAudioParser(**settings), max_concurrency=CALLS_PER_ACTOR)
    plain = measure_requests(url, loader.load, RECORDINGS)
    items = [{"audio": recording} for recording in recordings]
    ours = measure_requests(url, lambda: run_in_ray(rows, items), RECORDINGS)
    return float(ours["seconds"] / plain["seconds"])


def compare_with_http_processor(
    url: str, client: RouterClient, calls_per_actor: int | None = None
) -> float:
    """Compare requests per second, by default with the calls in flight that the processor reaches.

    The processor sends the requests of a batch one after the other, whatever the batch size.
    """
    items = [{"prompt": f"Question {number}?"} for number in range(PROMPTS)]
    theirs = measure_requests(url, lambda: run_http_processor(url, items), PROMPTS)
    calls = calls_per_actor or theirs["max_active"] // ACTORS
    rows = ChatRows(ChatOrq("openai/gpt-4o", client=client), max_concurrency=calls)
    ours = measure_requests(url, lambda: run_in_ray(rows, items), PROMPTS)
    means = [PROMPTS * LATENCY_SECONDS / measured["seconds"] for measured in (ours, theirs)]
    print(f"  calls in flight on average: {means[0]:.1f} and {means[1]:.1f}", flush=True)
    return float(theirs["seconds"] / ours["seconds"])


def measure_stored_row(client: RouterClient) -> float:
    """Return the milliseconds to look up an answer in a directory."""
    with tempfile.TemporaryDirectory() as directory:
        model = ChatOrq("openai/gpt-4o", client=client)
        rows = ChatRows(model, store=ResultStore(directory), max_concurrency=1)
        batch = {"prompt": [f"Question {number}?" for number in range(STORED)]}
        ChatRows(model, store=ResultStore(directory), max_concurrency=32)(batch)
        start = time.perf_counter()
        assert all(rows(batch)["from_store"])
        return (time.perf_counter() - start) / STORED * 1000


def measure_pacing(client: RouterClient) -> float:
    """Return the cost of the check for a limit, relative to a call without one."""
    instant = client.model_copy(update={"default_headers": {"x-instant": "1"}})
    model = ChatOrq("openai/gpt-4o", client=instant)
    call = min(timeit.repeat(lambda: model.invoke("Hi"), number=50, repeat=3)) / 50

    def check() -> bool:
        return bool(instant.pace or instant._state.pacer)

    return min(timeit.repeat(check, number=10_000, repeat=3)) / 10_000 / call


def main() -> None:
    """Print the median of each quantity with its goal."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.scale", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    import ray

    ray.init(num_cpus=ACTORS + 2, include_dashboard=False, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    with run_server() as url:
        client = RouterClient(base_url=f"{url}/v3/router", allow_insecure=True)
        quantities: dict[str, tuple[Callable[[], float], float, str]] = {
            "requests in Ray, time relative to the loader": (
                lambda: compare_with_loader(url, client),
                1.1,
                "<=",
            ),
            "requests per second relative to Ray's HTTP processor, equal calls in flight": (
                lambda: compare_with_http_processor(url, client),
                1.5,
                ">=",
            ),
            "requests per second relative to Ray's HTTP processor, 32 calls per actor": (
                lambda: compare_with_http_processor(url, client, 32),
                1.5,
                ">=",
            ),
            "stored row in milliseconds": (lambda: measure_stored_row(client), 3.0, "<="),
            "check for a limit relative to a call": (lambda: measure_pacing(client), 0.01, "<="),
        }
        for title, (measure, goal, sign) in quantities.items():
            values = [measure() for _ in range(options.rounds)]
            value = statistics.median(values)
            is_met = value >= goal if sign == ">=" else value <= goal
            rounds = ", ".join(f"{value:.3g}" for value in values)
            result = "met" if is_met else "MISSED"
            print(f"{title}: {value:.3g} ({rounds}; goal {sign} {goal:g}: {result})", flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()

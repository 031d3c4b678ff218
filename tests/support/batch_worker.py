"""A job that answers prompts in batches; started as a process by the tests of failures.

Its argument is JSON: the settings of ``Job``. It prints a line of JSON for each batch.
"""

import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from orq_router_integrations import ChatOrq, Pace, RouterClient
from orq_router_integrations.batch import ChatRows, ResultStore

KEY = "sk-orq-example"


@dataclass
class Job:
    """Attributes: see ``ChatRows``; ``start`` is a file to wait for."""

    url: str
    prompts: list[str]
    store: str | None = None
    concurrency: int = 4
    batch_size: int = 8
    processes: int = 0
    pace: dict[str, Any] | None = None
    start: str | None = None


def create_rows(job: Job) -> ChatRows:
    pace = Pace(**job.pace) if job.pace else None
    client = RouterClient(api_key=KEY, base_url=job.url, allow_insecure=True, pace=pace)
    store = ResultStore(job.store, claim_seconds=2.0) if job.store else None
    model = ChatOrq("openai/gpt-4o", client=client)
    return ChatRows(model, store=store, max_concurrency=job.concurrency)


def run(job: Job) -> None:
    rows = create_rows(job)
    if job.start:
        Path(job.start).parent.joinpath(f"ready-{id(job)}-{time.time_ns()}").touch()
        while not Path(job.start).exists():
            time.sleep(0.01)
    size = job.batch_size
    batches = [
        {"prompt": job.prompts[index : index + size]} for index in range(0, len(job.prompts), size)
    ]
    if job.processes:
        with ProcessPoolExecutor(job.processes, get_context("spawn")) as pool:
            write_tables(pool.map(rows, batches))
    else:
        write_tables(map(rows, batches))


def write_tables(tables: Any) -> None:
    for table in tables:
        sys.stdout.write(json.dumps(table) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    run(Job(**json.loads(sys.argv[1])))

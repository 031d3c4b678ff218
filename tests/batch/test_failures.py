"""Batch jobs under failures: no row is lost, and few requests are wasted or paid for twice."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import batch_worker
from support.batch_worker import KEY, Job, create_rows
from support.faulty_router import RESET, FaultyRouter, serve_faulty_router

pytestmark = pytest.mark.slow

PROMPTS = [f"Question {number}?" for number in range(60)]


@pytest.fixture
def router() -> Iterator[FaultyRouter]:
    with serve_faulty_router(FaultyRouter()) as router:
        yield router


def start(job: Job) -> "subprocess.Popen[str]":
    root = Path(__file__).parents[2]
    environment = os.environ | {"ORQ_API_KEY": KEY, "PYTHONPATH": f"{root}:{root / 'tests'}"}
    return subprocess.Popen(
        [sys.executable, batch_worker.__file__, json.dumps(vars(job))],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )


def read_rows(process: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """Wait for a job, and return its rows."""
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    tables = [json.loads(line) for line in output.splitlines()]
    return [
        dict(zip(table, values, strict=True))
        for table in tables
        for values in zip(*table.values(), strict=True)
    ]


def kill_when(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> None:
    """Kill a job and its child processes without a chance to clean up."""
    while not condition():
        assert process.poll() is None, "the job ended before it was killed"
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def assert_complete(rows: list[dict[str, Any]], prompts: list[str]) -> None:
    assert [row["prompt"] for row in rows] == prompts
    assert [row["error"] for row in rows] == [None] * len(prompts)
    assert all(row["answer"] for row in rows)


@pytest.mark.parametrize("processes", [0, 2], ids=["worker", "driver"])
def test_killed_job_completes_after_a_restart(
    router: FaultyRouter, tmp_path: Path, processes: int
) -> None:
    """At most what was in flight in the killed processes is paid for twice."""
    job = Job(router.url, PROMPTS, str(tmp_path), processes=processes)
    kill_when(lambda: len(router.paid) >= 30, start(job))
    assert_complete(read_rows(start(job)), PROMPTS)
    assert router.paid_twice <= job.concurrency * max(processes, 1)


def test_concurrent_jobs_pay_for_each_item_once(router: FaultyRouter, tmp_path: Path) -> None:
    repeated_prompts = [prompt for prompt in PROMPTS[:20] for _ in range(2)]
    job = Job(router.url, repeated_prompts, str(tmp_path / "store"), start=str(tmp_path / "start"))
    for rows in run_together([job] * 3, tmp_path):
        assert_complete(rows, repeated_prompts)
    assert router.paid_twice == 0


def test_job_completes_despite_server_errors_and_resets(
    router: FaultyRouter, tmp_path: Path
) -> None:
    faults = {7: 500, 27: 503, 47: RESET, 67: 500, 87: 503}
    router.get_fault = lambda number: faults.get(number % 100)
    prompts = [f"Question {number}?" for number in range(200)]
    job = Job(router.url, prompts, str(tmp_path), concurrency=16, batch_size=50)
    assert_complete(read_rows(start(job)), prompts)
    assert router.statuses[500] + router.statuses[503] >= 8
    assert router.statuses[RESET] >= 2
    assert router.paid_twice == 0


@pytest.mark.parametrize(
    ("is_shared", "max_wasted"), [(False, 0.4), (True, 0.05)], ids=["adaptive", "shared"]
)
def test_processes_stay_close_to_the_rate_limit(
    router: FaultyRouter, tmp_path: Path, record_property, is_shared: bool, max_wasted: float
) -> None:
    """Nothing is lost, few requests are rejected, and the limit is used."""
    router.limit, router.window, count = 60, 6.0, 20
    seconds_at_the_limit = 8 * count / router.limit * router.window
    pace = {"limit": 60, "per": 6.0, "shared": str(tmp_path / "pace.db")} if is_shared else None
    jobs = [
        Job(
            router.url,
            [f"Question {number} of worker {worker}?" for number in range(count)],
            concurrency=8,
            batch_size=count,
            pace=pace,
            start=str(tmp_path / "start"),
        )
        for worker in range(8)
    ]
    for job, rows in zip(jobs, run_together(jobs, tmp_path), strict=True):
        assert_complete(rows, job.prompts)
    wasted = router.statuses[429] / router.paid.total()
    record_property("wasted", round(wasted, 3))
    record_property("time", round(router.seconds / seconds_at_the_limit, 3))
    assert router.paid_twice == 0
    assert wasted <= max_wasted
    assert router.seconds <= 1.15 * seconds_at_the_limit


def run_together(jobs: list[Job], directory: Path) -> list[list[dict[str, Any]]]:
    """Start jobs, let them send at the same moment, and return their rows."""
    processes = [start(job) for job in jobs]
    while len(list(directory.glob("ready-*"))) < len(jobs):
        assert all(process.poll() is None for process in processes)
        time.sleep(0.02)
    (directory / "start").touch()
    return [read_rows(process) for process in processes]


@pytest.mark.parametrize("status", [401, 402])
def test_fatal_error_loses_no_paid_results(
    router: FaultyRouter, tmp_path: Path, status: int
) -> None:
    """What was paid for is returned and stored, and the next run pays for the rest."""
    router.get_fault = lambda number: status if number >= 24 else None
    job = Job(router.url, PROMPTS, str(tmp_path))
    rows = read_rows(start(job))
    assert [row["prompt"] for row in rows] == PROMPTS
    assert sum(bool(row["answer"]) for row in rows) == router.paid.total() == 24
    assert {row["status"] for row in rows if not row["answer"]} == {status}
    assert router.statuses[status] <= job.concurrency
    router.get_fault = lambda _: None
    assert_complete(read_rows(start(job)), PROMPTS)
    assert router.paid_twice == 0


def test_unreachable_store_does_not_stop_the_job(
    router: FaultyRouter, tmp_path: Path, caplog
) -> None:
    """Results are returned but not stored, so that the next run pays for them again."""
    store = tmp_path / "store"
    rows = create_rows(Job(router.url, [], str(store)))
    assert rows({"prompt": PROMPTS[:8]})["error"] == [None] * 8
    store.rename(tmp_path / "away")
    store.touch()
    assert rows({"prompt": PROMPTS[8:16]})["error"] == [None] * 8
    assert "Cannot write to" in caplog.text
    store.unlink()
    (tmp_path / "away").rename(store)
    table = rows({"prompt": PROMPTS[:24]})
    assert table["error"] == [None] * 24
    assert table["from_store"] == [True] * 8 + [False] * 16
    assert router.paid_twice == 8

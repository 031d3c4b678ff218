"""Engines other than Ray, and stores and limits on real servers."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support import database_servers, engine_job
from support.faulty_router import FaultyRouter, serve_faulty_router

from orq_router_integrations import Pace
from orq_router_integrations._http.pace import get_bucket
from orq_router_integrations._http.shared_pace import connect
from orq_router_integrations.batch import ResultStore

pytestmark = pytest.mark.engines

PACKAGES = {
    "processes": "concurrent.futures",
    "joblib": "joblib",
    "dask": "distributed",
    "daft": "daft",
    "daft_async": "daft",
    "spark": "pyspark",
}


@pytest.mark.skipif(sys.platform != "linux", reason="looks for listeners in /proc")
@pytest.mark.parametrize("engine", PACKAGES)
def test_engine_pays_for_each_row_once(engine: str, tmp_path: Path) -> None:
    """Every row comes back, and none is paid for twice."""
    if not importlib.util.find_spec(PACKAGES[engine]):
        pytest.skip(f"{PACKAGES[engine]} is not installed")
    if engine == "spark" and not shutil.which("java"):
        pytest.skip("java is not installed")
    root = Path(__file__).parents[2]
    environment = os.environ | {
        "ORQ_API_KEY": "sk-orq-example",
        "PYTHONPATH": f"{root}:{root / 'tests'}",
    }
    with serve_faulty_router(FaultyRouter()) as router:
        result = subprocess.run(
            [sys.executable, engine_job.__file__, engine, router.url, tmp_path],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            timeout=120,
        )
    assert result.returncode == 0, result.stderr[-3000:]
    columns = json.loads(result.stdout.splitlines()[-1])
    in_order = sorted if engine == "daft_async" else list  # Daft yields async batches as they end
    assert in_order(columns["prompt"]) == in_order(engine_job.PROMPTS)
    assert all(columns["answer"])
    assert columns["error"] == [None] * engine_job.COUNT
    assert len(router.paid) == engine_job.COUNT
    assert router.paid_twice == 0


@pytest.mark.parametrize("server", ["redis", "postgres"])
def test_connections_share_a_rate_limit(server: str, tmp_path: Path) -> None:
    """Connections share a limit, and each process keeps to it if the server stops."""
    pytest.importorskip({"redis": "redis", "postgres": "psycopg"}[server])
    serve = getattr(database_servers, f"serve_{server}")
    with serve(tmp_path) as url:
        pace = Pace(400, per=6000, shared=url, name="it's")
        with ThreadPoolExecutor(8) as pool:
            permits = sum(pool.map(take_permits, [pace] * 8))
        # The database counts up to the time of a request, so a request that is a millisecond late
        # misses those that arrived just before it.
        assert pace.burst == 20
        assert pace.burst <= permits < pace.burst + 8
        bucket = get_bucket(pace)
        assert bucket.acquire() > 1
    assert [bucket.acquire() for _ in range(pace.burst)] == [0] * pace.burst
    assert bucket.acquire() > 0


def take_permits(pace: Pace) -> int:
    """Take permits until there are none left, and return their number."""
    connection, permits = connect(pace), 0
    while (delay := connection.acquire()) < 1:  # PostgreSQL refuses briefly while it is locked
        permits += not delay
    return permits


@pytest.fixture
def s3_options() -> dict:
    pytest.importorskip("s3fs")
    with database_servers.serve_s3("bucket") as url:
        arguments = {"endpoint_url": url, "region_name": "us-east-1"}
        yield {"key": "key", "secret": "secret", "client_kwargs": arguments}


def test_store_works_on_s3(s3_options: dict) -> None:
    """The first writer wins, one worker computes each result, and claims expire."""
    url, computed = "s3://bucket/answers", []
    store = ResultStore(url, **s3_options)
    store.mset([("a", b"1")])
    store.mset([("a", b"2")])
    assert store.mget(["a", "b"]) == [b"1", None]

    def work(number: int) -> bytes:
        store = ResultStore(url, **s3_options)
        value = store.get_or_claim("b")
        if value is None:
            computed.append(number)
            time.sleep(0.2)
            value = b"%d" % number
            store.mset([("b", value)])
        return value

    with ThreadPoolExecutor(6) as pool:
        results = set(pool.map(work, range(6)))
    assert len(computed) == len(results) == 1
    dead = ResultStore(url, claim_seconds=0.2, **s3_options)
    dead._claims.renew = lambda: 3600.0  # type: ignore[method-assign]
    assert dead.get_or_claim("c") is None
    assert store.get_or_claim("c") is None
    store.release("c")
    assert sorted(store.yield_keys()) == ["a", "b"]

"""Ray with two nodes on loopback, of which one is killed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import batch_worker
from support.faulty_router import FaultyRouter, serve_faulty_router

pytestmark = [
    pytest.mark.engines,
    pytest.mark.skipif(not importlib.util.find_spec("ray"), reason="needs the extra 'engines'"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks for listeners in /proc"),
]


def test_killed_node_loses_no_rows(tmp_path: Path) -> None:
    """Nothing is lost, and at most what was in flight on the node is paid for twice."""
    root = Path(__file__).parents[2]
    environment = os.environ | {
        "ORQ_API_KEY": batch_worker.KEY,
        "PYTHONPATH": f"{root}:{root / 'tests'}",
    }
    job = Path(batch_worker.__file__).with_name("ray_job.py")
    with serve_faulty_router(FaultyRouter()) as router:
        result = subprocess.run(
            [sys.executable, job, router.url, tmp_path],
            check=False,
            capture_output=True,
            text=True,
            env=environment,
            timeout=240,
        )
    assert result.returncode == 0, result.stderr[-3000:]
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert sorted(row["audio"] for row in rows) == sorted(
        f"ID3 Recording {number}?" for number in range(60)
    )
    assert [row["error"] for row in rows] == [None] * 60
    assert len(router.paid) == 60
    assert router.paid_twice <= 4

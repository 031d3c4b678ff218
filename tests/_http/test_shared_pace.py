"""Limits that several processes share."""

import gc
import logging
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from orq_router_integrations import Pace
from orq_router_integrations._http import shared_pace
from orq_router_integrations._http.deadline import Deadline
from orq_router_integrations._http.pace import Pacer, _create_bucket
from orq_router_integrations._http.shared_pace import connect
from orq_router_integrations.errors import RouterInputError

pytest.importorskip("pyrate_limiter")


def test_connections_share_the_limit(tmp_path: Path) -> None:
    pace = Pace(40, per=60, shared=tmp_path / "pace.db")
    buckets = [_create_bucket(pace) for _ in range(4)]
    delays = [bucket.acquire() for bucket in buckets]
    assert delays.count(0) == pace.burst == 2
    assert all(0 <= delay < 10 for delay in delays)


def test_names_are_separate_limits(tmp_path: Path) -> None:
    for name in ("chat", "it's"):
        bucket = _create_bucket(Pace(1, shared=tmp_path / "pace.db", name=name))
        assert [bucket.acquire() == 0 for _ in range(2)] == [True, False]


@pytest.mark.slow
def test_concurrent_connections_do_not_exceed_the_limit(tmp_path: Path) -> None:
    pace = Pace(400, per=600, shared=tmp_path / "pace.db")
    with ThreadPoolExecutor(8) as pool:
        delays = list(pool.map(lambda _: connect(pace).acquire(), range(60)))
    assert delays.count(0) == pace.burst


@pytest.mark.parametrize(
    ("shared", "problem"),
    [
        ("missing/folder/pace.db", "Cannot reach missing/folder/pace.db"),
        ("ftp://user:secret@host/x", "ftp://host/x is not supported"),
        ("redis://user:secret@127.0.0.1:1/0", "redis"),
        ("postgresql://user:secret@127.0.0.1:1/db", "postgresql|psycopg"),
    ],
    ids=["path", "scheme", "redis", "postgres"],
)
def test_unreachable_database_raises_at_construction(
    tmp_path, monkeypatch, shared: str, problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RouterInputError, match=problem) as raised:
        Pace(5, shared=shared)
    assert "secret" not in str(raised.value)


def test_missing_package_raises(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrate_limiter", None)
    with pytest.raises(RouterInputError, match="Install the extra 'scale'"):
        Pace(5, shared=tmp_path / "pace.db")


def test_local_limit_applies_while_the_database_is_unreachable(
    tmp_path: Path, monkeypatch, caplog
) -> None:
    """The local limit applies until the database is back."""
    pace = Pace(20, shared=tmp_path / "pace.db")
    bucket = shared_pace.SharedBucket(pace)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(shared_pace, "connect", raise_error)
        assert bucket.acquire() == 0
        assert bucket.acquire() > 0
    assert caplog.text.count("this process applies the limit on its own") == 1
    bucket._reconnect_at = 0.0
    assert bucket.acquire() == 0


def raise_error(_: Pace) -> None:
    raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.slow
def test_clients_in_one_process_share_a_connection(tmp_path: Path, caplog) -> None:
    """Each client asks in its own thread."""
    bucket = _create_bucket(Pace(100_000, per=1, shared=tmp_path / "pace.db"))
    with ThreadPoolExecutor(8) as pool:
        delays = list(pool.map(lambda _: bucket.acquire(), range(300)))
    assert delays == [0.0] * 300
    assert not caplog.text


@pytest.mark.parametrize("delay", [-1, float("nan"), None, "x", OSError("down")], ids=repr)
def test_failed_backend_does_not_block_calls(delay: Any, caplog) -> None:
    class Backend:
        def acquire(self) -> Any:
            if isinstance(delay, Exception):
                raise delay
            return delay

    pacer = Pacer(Pace(5, shared=Backend()))
    pacer.wait_for_turn(Deadline(timeout=5.0, idle_timeout=5.0))
    assert "this process applies the limit on its own" in caplog.text


@pytest.mark.parametrize("shared", ["", 5, Pacer], ids=repr)
def test_invalid_shared_argument_raises(shared: Any) -> None:
    with pytest.raises(RouterInputError, match="shared: Expected a URL"):
        Pace(5, shared=shared)


def test_database_is_closed_with_its_bucket(tmp_path: Path) -> None:
    connection = connect(Pace(600, per=60, shared=tmp_path / "pace.db"))
    database = connection._sqlite
    assert database is not None
    del connection
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        database.execute("SELECT 1")

"""Limits that several processes share, in the databases that pyrate-limiter supports."""

import logging
import math
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from weakref import finalize

from orq_router_integrations._http.pace import Pace, PaceBackend, TokenBucket
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.error_response import hide_credentials

_LOG = logging.getLogger(__name__)

RECONNECT_SECONDS = 10.0
TIMEOUT_SECONDS = 2.0
MIN_PAUSE_SECONDS = 0.005
CLEANUP_INTERVAL = 100  # number of permits after which expired entries are deleted


class SharedBucket:
    """Bucket in a database, which applies a ``Pace`` to the requests of several processes.

    While the database cannot be reached, this process applies the limit on its own.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._fallback = TokenBucket(pace)
        self._connection: PaceBackend | None = None
        self._reconnect_at = 0.0
        self._lock = threading.Lock()  # several clients may have copies of a pace

    def acquire(self) -> float:
        """Take a permit; see ``PaceBackend``."""
        with self._lock:
            return self._acquire()

    def _acquire(self) -> float:
        if time.monotonic() < self._reconnect_at:
            return self._fallback.acquire()
        try:
            self._connection = self._connection or connect(self._pace)
            delay = self._connection.acquire()
            if 0 <= delay < math.inf:
                return delay
            raise ValueError(f"acquire() returned {delay!r} instead of the seconds to wait")
        except Exception as error:  # noqa: BLE001 - databases raise errors of any type
            _LOG.warning(
                "pace: Cannot reach %s, so this process applies the limit on its own: %s",
                hide_credentials(str(self._pace.shared)),
                error,
            )
            self._connection = None
            self._reconnect_at = time.monotonic() + RECONNECT_SECONDS
            return self._fallback.acquire()


class _Connection:
    """A pyrate-limiter bucket, used without pyrate-limiter's ``Limiter``, which starts threads.

    SQLite needs transactions, so the database is passed as ``sqlite``.
    """

    def __init__(
        self, bucket: Any, close: Callable[[], None], sqlite: sqlite3.Connection | None = None
    ) -> None:
        self._bucket = bucket
        self._sqlite = sqlite
        self._permits = 0
        finalize(self, close)  # Python 3.13 warns about connections left open

    def acquire(self) -> float:
        from pyrate_limiter import RateItem  # noqa: PLC0415

        item = RateItem("orq", time.time_ns() // 1_000_000)
        with self._begin_transaction():
            if not self._bucket.put(item):
                return max(float(self._bucket.waiting(item)) / 1000, MIN_PAUSE_SECONDS)
        self._permits += 1
        if self._permits % CLEANUP_INTERVAL == 0:
            self._bucket.leak(item.timestamp)
        return 0.0

    @contextmanager
    def _begin_transaction(self) -> Iterator[None]:
        """Prevent other processes from counting before this one has added its permit."""
        if self._sqlite is None:
            yield
            return
        self._sqlite.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            if self._sqlite.in_transaction:
                self._sqlite.commit()


def connect(pace: Pace) -> PaceBackend:
    """Connect to the database of a pace, or return the user's own backend."""
    if isinstance(pace.shared, PaceBackend):
        return pace.shared
    try:
        import pyrate_limiter  # noqa: F401, PLC0415
    except ImportError:
        raise RouterInputError(
            "shared: The package pyrate-limiter is not installed. Install the extra 'scale'."
        ) from None
    url = os.fspath(pace.shared)  # type: ignore[arg-type]
    scheme = url.partition("://")[0] if "://" in url else "sqlite"
    if scheme not in _CONNECT:
        raise RouterInputError(
            f"shared: {hide_credentials(url)} is not supported. Pass redis://..., "
            "postgresql://..., the path of a SQLite file, or an object with an acquire method."
        )
    try:
        return _CONNECT[scheme](pace, url)
    except RouterInputError:
        raise
    except Exception as error:  # noqa: BLE001 - databases raise errors of any type
        raise RouterInputError(f"shared: Cannot reach {hide_credentials(url)}: {error}") from None


def _create_rates(pace: Pace) -> list[Any]:
    from pyrate_limiter import Rate  # noqa: PLC0415

    return [Rate(pace.burst, max(1, round(1000 * pace.burst / pace.rate)))]


def _connect_sqlite(pace: Pace, path: str) -> _Connection:
    from pyrate_limiter import SQLiteBucket  # noqa: PLC0415

    bucket = SQLiteBucket.init_from_file(
        _create_rates(pace), table=_create_table_name(pace), db_path=path
    )
    bucket.conn.isolation_level = None  # transactions are explicit
    bucket.conn.execute(f"PRAGMA busy_timeout = {TIMEOUT_SECONDS * 1000:.0f}")
    return _Connection(bucket, bucket.conn.close, bucket.conn)


def _create_table_name(pace: Pace) -> str:
    return re.sub(r"\W", "_", f"pace_{pace.name}")


def _connect_redis(pace: Pace, url: str) -> _Connection:
    redis = _import("redis", "redis")
    from pyrate_limiter import RedisBucket  # noqa: PLC0415

    client = redis.Redis.from_url(
        url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
    )
    bucket = RedisBucket.init(_create_rates(pace), client, f"pace:{pace.name}")
    return _Connection(bucket, client.close)


def _connect_postgres(pace: Pace, url: str) -> _Connection:
    psycopg = _import("psycopg", "'psycopg[binary]'")
    from pyrate_limiter import PostgresBucket  # noqa: PLC0415

    timeout = f"-c statement_timeout={TIMEOUT_SECONDS * 1000:.0f}"
    connection = psycopg.connect(url, connect_timeout=round(TIMEOUT_SECONDS), options=timeout)

    @contextmanager
    def begin() -> Iterator[Any]:
        with connection.transaction():
            yield connection

    pool = SimpleNamespace(connection=begin)  # psycopg's own pool would start threads
    bucket = PostgresBucket(pool, _create_table_name(pace), _create_rates(pace))
    return _Connection(bucket, connection.close)


def _import(package: str, requirement: str) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise RouterInputError(
            f"shared: {package} is not installed. Run: pip install {requirement}"
        ) from None


_CONNECT = {
    "sqlite": _connect_sqlite,
    **dict.fromkeys(("redis", "rediss", "unix"), _connect_redis),
    **dict.fromkeys(("postgres", "postgresql"), _connect_postgres),
}
"""The functions that connect to a database, by scheme of the URL."""

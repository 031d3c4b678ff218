"""Store transcripts and pages, so that no file is sent and billed twice."""

import hashlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

from langchain_core.stores import BaseStore

from orq_router_integrations._concurrency import StepGenerator
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.atomic_write import validate_output_path
from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import Upload

LOCK_TIMEOUT_SECONDS = 30.0  # how long to wait for another process that is writing to the database
POLL_SECONDS = 0.02  # how often to check whether a concurrent request for the same file is done
_LOG = logging.getLogger(__name__)
_CREATE = "CREATE TABLE IF NOT EXISTS transcripts (key TEXT PRIMARY KEY, transcript BLOB NOT NULL)"
_SELECT = "SELECT transcript FROM transcripts WHERE key = ?"
_REPLACE = "INSERT OR REPLACE INTO transcripts VALUES (?, ?)"


def validate_store(store: Any) -> Any:
    if store is None or isinstance(store, BaseStore):
        return store
    is_url = "://" in str(store)
    if isinstance(store, (str, os.PathLike)) and not is_url:
        return str(validate_output_path(store))
    raise ValueError(
        "Expected the path of a SQLite file or a LangChain BaseStore[str, bytes], "
        f"got {'a URL' if is_url else type(store).__name__}."
    )


class LocalClaims:
    """Adds claims to a store that has none, so that a run requests identical files only once.

    A worker claims the result that it requests. ``mset`` and ``release`` give up the claim.

    Errors of the store are logged and do not stop the run: a result that cannot be read is
    requested again, and one that cannot be saved is returned anyway.
    """

    def __init__(self, store: "BaseStore[str, bytes] | SQLiteStore") -> None:
        self._store = store
        self._claims: dict[str, object] = {}

    def wait_for_claim(self, key: str, parse: Callable[[bytes], Any]) -> StepGenerator[Any]:
        """Return a stored result, or ``None`` if the caller must request it."""
        claim = object()
        while self._claims.setdefault(key, claim) is not claim:
            yield POLL_SECONDS
        try:
            [data] = self._store.mget([key])
            result = None if data is None else parse(data)
        except Exception as error:  # noqa: BLE001 - stores raise errors of any type
            _LOG.warning("store: Cannot read a result from %s: %s", self._store, error)
            result = None
        if result is not None:
            self.release(key)
        return result

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        try:
            self._store.mset(key_value_pairs)
        except Exception as error:  # noqa: BLE001 - stores raise errors of any type
            _LOG.warning("store: Cannot write a result to %s: %s", self._store, error)
        for key, _ in key_value_pairs:
            self.release(key)

    def release(self, key: str) -> None:
        self._claims.pop(key, None)


def open_store(store: str | os.PathLike[str] | BaseStore[str, bytes]) -> Any:
    """Open a store; a SQLite file is created if it does not exist.

    The result has the methods of ``LocalClaims``, as ``ResultStore`` does.
    """
    if hasattr(store, "wait_for_claim"):
        return store
    return LocalClaims(store if isinstance(store, BaseStore) else SQLiteStore(store))


class SQLiteStore:
    """Key-value store in a SQLite file, with those methods of a LangChain store that are used here.

    Each operation opens its own connection, so threads and processes may share the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = path
        try:
            with self._connect() as connection:
                connection.execute(_CREATE)
                connection.execute(_SELECT, ("",))  # fails if the table has other columns
        except sqlite3.Error as error:
            raise RouterInputError(
                f"store: {path} is not a result store ({error}). Choose another file, or wait "
                "until the process that has locked it is done."
            ) from None

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        with self._connect() as connection:
            rows = [connection.execute(_SELECT, (key,)).fetchone() for key in keys]
        return [row[0] if row else None for row in rows]

    def mset(self, key_value_pairs: Sequence[tuple[str, bytes]]) -> None:
        with self._connect() as connection:
            connection.executemany(_REPLACE, key_value_pairs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @contextmanager
    def _connect(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.path, timeout=LOCK_TIMEOUT_SECONDS)
        with closing(database) as connection, connection:
            yield connection


def compute_key(upload: Upload, params: Mapping[str, Any]) -> str:
    """Hash the contents of a file (but not its name) and the parameters that affect its result."""
    digest = hashlib.blake2b(json.dumps(sorted(params.items())), digest_size=32)
    with upload.open() as stream:
        return hashlib.file_digest(stream, lambda: digest).hexdigest()  # type: ignore[arg-type]

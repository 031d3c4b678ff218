"""Picklable functions that add columns to a batch, for Ray Data, Dask, Daft, Spark and others.

A failed item becomes a row with an error, never an exception. After an error that would affect
every row, no more requests are sent; completed rows are still stored and returned.
"""

import asyncio
import json
import logging
import os
from abc import ABC, abstractmethod
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, TypeVar
from uuid import uuid4
from weakref import WeakKeyDictionary

from langchain_core.load import dumps

from orq_router_integrations._concurrency import StepGenerator, aperform_steps, perform_steps
from orq_router_integrations.batch.store import ResultStore
from orq_router_integrations.batch.tables import add_columns, read_columns, to_values
from orq_router_integrations.document_loaders.file_loader import FATAL_ERRORS
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import IDEMPOTENCY_SEED, IdempotencySeed

_LOG = logging.getLogger(__name__)

Row = dict[str, Any]
T = TypeVar("T")

METADATA_COLUMNS = (
    "answering_model", "input_tokens", "output_tokens", "cost", "attempts", "trace_id",
    "from_store", "error_type", "error", "status", "retryable",
)  # fmt: skip
"""Columns that are added in addition to the output. They are ``None`` if they do not apply."""


class Rows(ABC):
    """Base of functions that add the results of calls as columns.

    A batch is a dict of columns (lists or arrays), a pandas ``DataFrame`` or an Arrow ``Table``,
    and the result has the same type, order and number of rows. ``rows(batch)`` runs in threads and
    ``await rows.acall(batch)`` in the event loop. Engines that await functions need ``AsyncRows``.

    The columns ``error_type``, ``error``, ``status`` and ``retryable`` describe a failed item.
    After an error that would affect every row, such as an invalid key or an exhausted quota, this
    process sends no more requests, and the other rows get the same error.

    A column of the batch is never replaced. To apply rows to the output of others, such as
    ``ChatRows`` to transcripts, pass a ``metadata_prefix``.
    """

    def __init__(
        self,
        *,
        input_column: str,
        output_column: str,
        store: ResultStore | None,
        metadata_prefix: str,
        max_concurrency: int = 1,
    ) -> None:
        if not isinstance(max_concurrency, int) or max_concurrency < 1:
            raise RouterInputError(
                f"max_concurrency: Expected a positive int, got {max_concurrency!r:.40}."
            )
        if store is not None:
            check_type("store", store, ResultStore)
        self._metadata_columns = {name: f"{metadata_prefix}{name}" for name in METADATA_COLUMNS}
        if output_column in {input_column, *self._metadata_columns.values()}:
            raise RouterInputError(
                f"The name {output_column!r} of the new column is that of the input or of another "
                "new column. Choose another name."
            )
        self.input_column = input_column
        self.output_column = output_column
        self.store = store
        self.max_concurrency = max_concurrency
        self.id = uuid4().hex
        self._subject: Any = None
        self._settings: str | None = None
        self._fatal_error: Exception | None = None

    def __call__(self, batch: Any) -> Any:
        """Process a batch in threads, and return it with the new columns."""
        columns = read_columns(batch)
        rows = self._run_batch(self._get_inputs(columns))
        return self._add_columns(batch, rows)

    async def acall(self, batch: Any) -> Any:
        """Process a batch in the event loop, and return it with the new columns."""
        columns = read_columns(batch)
        rows = await self._arun_batch(self._get_inputs(columns))
        return self._add_columns(batch, rows)

    def __getstate__(self) -> dict[str, Any]:
        # The other process may use another account.
        return {**vars(self), "_fatal_error": None, "_settings": None}

    # Batches

    def _get_inputs(self, columns: Mapping[str, Any]) -> list[Any]:
        new_columns = {self.output_column, *self._metadata_columns.values()}
        if existing := sorted(new_columns & columns.keys()):
            raise RouterInputError(
                f"The batch already has columns that would be added: {', '.join(existing)}. Rename "
                "or drop them, or pass metadata_prefix= or another name for the new column."
            )
        if self.input_column not in columns:
            count = len(next(iter(columns.values()), []))
            missing = RouterInputError(
                f"The column {self.input_column!r} is missing. Columns: {', '.join(columns)}."
            )
            return [missing] * count
        return to_values(columns[self.input_column])

    def _add_columns(self, batch: Any, rows: list[Row]) -> Any:
        names = {self.output_column: self.output_column, **self._metadata_columns}
        added = {column: [row.get(name) for row in rows] for name, column in names.items()}
        return add_columns(batch, added)

    def _run_batch(self, inputs: Sequence[Any]) -> list[Row]:
        pool = get_pool(self.id, self.max_concurrency)
        return list(pool.map(lambda value: self._run(self._process(value)), inputs))

    async def _arun_batch(self, inputs: Sequence[Any]) -> list[Row]:
        semaphore = _get_semaphore(self.id, self.max_concurrency)

        async def run(value: Any) -> Row:
            async with semaphore:
                return await self._arun(self._process(value))

        return await asyncio.gather(*map(run, inputs))

    def _run(self, steps: StepGenerator[T]) -> T:
        def call(item: tuple[Any, str | None]) -> Any:
            with derive_idempotency_key(item[1]):
                return self._call(item[0])

        return perform_steps(steps, call)

    async def _arun(self, steps: StepGenerator[T]) -> T:
        async def call(item: tuple[Any, str | None]) -> Any:
            with derive_idempotency_key(item[1]):
                return await self._acall(item[0])

        return await aperform_steps(steps, call)

    # Rows

    def _process(self, value: Any) -> StepGenerator[Row]:
        """Process one input. Yields it with its key if the store lacks its result."""
        claimed_key = None
        try:
            value = self._prepare(value)
            if self.store:
                key = self._compute_key(value)
                stored = yield from self.store.wait_for_claim(key, load_row)
                if stored is not None:
                    return stored
                claimed_key = key
            self._raise_fatal_error()
            row = yield value, claimed_key
        except Exception as error:  # noqa: BLE001 - a failed item is a row
            return self._create_error_row(error, claimed_key)
        except BaseException:  # for example because the generator was closed
            self._release(claimed_key)  # or other workers would wait until this process ends
            raise
        return self._store_row(claimed_key, row)

    def _prepare(self, value: Any) -> Any:
        """Check an input before any request. By default, it must be text."""
        if isinstance(value, RouterInputError):
            raise value
        if not isinstance(value, str) or not value.strip():
            raise RouterInputError(
                f"{self.input_column}: Expected a non-empty str, got {value!r:.80}."
            )
        return value

    @abstractmethod
    def _call(self, value: Any) -> Any:
        """Send the calls of one item, and return its row."""

    @abstractmethod
    async def _acall(self, value: Any) -> Any:
        """Send the calls of one item; see ``_call``."""

    def _describe_settings(self) -> str:
        """Return everything that affects an answer, except for the input."""
        account = self._subject.resolved_client.fingerprint()
        return f"{dumps(self._subject, sort_keys=True)}{account}"

    def _compute_key(self, value: Any) -> str:
        """Hash an input and the settings, account included."""
        if self._settings is None:
            self._settings = self._describe_settings()
        digest = blake2b(f"{type(self).__name__}\0{self._settings}\0".encode(), digest_size=32)
        digest.update(value if isinstance(value, bytes) else json.dumps(value).encode())
        return digest.hexdigest()

    def _raise_fatal_error(self) -> None:
        if self._fatal_error is not None:
            raise self._fatal_error

    def _record_fatal_error(self, error: Exception) -> None:
        if isinstance(error, FATAL_ERRORS):
            self._fatal_error = error

    def _create_error_row(self, error: Exception, *claimed_keys: str | None) -> Row:
        self._release(*claimed_keys)
        self._record_fatal_error(error)
        return {
            "error_type": type(error).__name__,
            "error": str(error)[:2000],
            "status": getattr(error, "status_code", None),
            "retryable": bool(getattr(error, "is_retryable", False)),
            "attempts": getattr(error, "attempts", None),
            "trace_id": getattr(error, "trace_id", None),
        }

    def _release(self, *keys: str | None) -> None:
        for key in filter(None, keys):
            if self.store:
                self.store.release(key)

    def _store_row(self, key: str | None, row: Row) -> Row:
        if self.store and key:
            try:
                self.store.mset([(key, json.dumps(row, default=_encode_bytes).encode())])
            except (TypeError, ValueError) as error:  # the result has been paid for
                _LOG.warning("store: Cannot store a result: %s", error)
                self._release(key)
        return {**row, "from_store": False}


def check_type(name: str, value: Any, expected: Any) -> None:
    """Check the type of an argument."""
    if not isinstance(value, expected):
        type_name = getattr(expected, "__name__", expected)
        raise RouterInputError(f"{name}: Expected {type_name}, got {type(value).__name__}.")


class AsyncRows:
    """Async version of ``Rows`` for engines that await functions, with the same limit.

    Ray's ``map_batches`` takes this class as its function, with ``fn_constructor_args=(rows,)``.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> from orq_router_integrations.batch import ChatRows
    >>> rows = ChatRows(ChatOrq("openai/gpt-4o", client=OfflineRouter().client()))
    >>> len(asyncio.run(AsyncRows(rows)({"prompt": ["Hi"]}))["answer"])
    1
    """

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    async def __call__(self, batch: Any) -> Any:
        """Process a batch, and return it with the new columns."""
        return await self.rows.acall(batch)


# One limit per process, shared by all copies of an object in it

_POOLS: dict[tuple[int, str], ThreadPoolExecutor] = {}
"""Pools by process id and rows id: a forked child does not have the threads of its parent."""

_SEMAPHORES: "WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.Semaphore]]" = (
    WeakKeyDictionary()
)


def load_row(data: bytes) -> Row:
    row: Row = json.loads(data, object_hook=_decode_bytes)
    return {**row, "from_store": True}


def get_pool(rows_id: str, max_concurrency: int) -> ThreadPoolExecutor:
    key = (os.getpid(), rows_id)
    # There is no lock, because a child could be forked while another thread holds it. If two
    # threads create a pool, the unused one has no threads.
    return _POOLS.get(key) or _POOLS.setdefault(
        key, ThreadPoolExecutor(max_concurrency, "orq-rows")
    )


def _get_semaphore(rows_id: str, max_concurrency: int) -> asyncio.Semaphore:
    semaphores = _SEMAPHORES.setdefault(asyncio.get_running_loop(), {})
    return semaphores.setdefault(rows_id, asyncio.Semaphore(max_concurrency))


@contextmanager
def derive_idempotency_key(key: str | None) -> Iterator[None]:
    """Derive the Idempotency-Key of requests from the key of a result.

    A router that honors it then charges nothing twice if the call is repeated after a crash.
    """
    token = IDEMPOTENCY_SEED.set(IdempotencySeed(key) if key else None)
    try:
        yield
    finally:
        IDEMPOTENCY_SEED.reset(token)


def _encode_bytes(value: Any) -> dict[str, str]:
    if isinstance(value, bytes):
        return {"__bytes__": b64encode(value).decode()}
    raise TypeError(f"The result contains a {type(value).__name__}, which is not JSON.")


def _decode_bytes(value: dict[str, Any]) -> Any:
    return b64decode(value["__bytes__"]) if value.keys() == {"__bytes__"} else value

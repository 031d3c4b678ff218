"""One pass over many files: concurrency, order and the error policy."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, aclosing, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol, TypeVar

from langchain_core.documents import Document

from orq_router_integrations import _concurrency as concurrency
from orq_router_integrations._concurrency import CancelToken, Steps
from orq_router_integrations.client import RouterClient
from orq_router_integrations.document_loaders.sources import SourceItem, get_label
from orq_router_integrations.errors import (
    AuthenticationError,
    BudgetExceededError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RouterError,
    RouterInputError,
)

_LOG = logging.getLogger(__name__)

PreparedT = TypeVar("PreparedT")
ResultT = TypeVar("ResultT")

OnError = Literal["raise", "skip", "mark"]

FATAL_ERRORS = (
    AuthenticationError,
    BudgetExceededError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
)
"""Errors that would also occur for every other file. They are raised under every error policy."""


@dataclass(frozen=True, slots=True)
class LoadedFile:
    """Result for one file."""

    documents: list[Document]
    duration_seconds: float | None = None
    error_count: int = 0


OnLoaded = Callable[[LoadedFile], None]
OpenProgress = Callable[[], AbstractContextManager[OnLoaded | None]]
"""Opens a progress bar, and returns the function to call for each file."""


class FileProcessor(Protocol[PreparedT, ResultT]):
    """Converts one file to Documents."""

    def check_item(self, item: SourceItem) -> None:
        """Check an item before the first request is sent."""

    def prepare(self, item: SourceItem) -> AbstractContextManager[PreparedT]:
        """Open an item."""

    def create_steps(self, prepared: PreparedT, max_groups: int) -> list[Steps[ResultT]]:
        """Create the groups of steps that may run concurrently; see ``_concurrency``."""

    def build_result(self, prepared: PreparedT, groups: Sequence[ResultT]) -> LoadedFile:
        """Build the result from the results of all groups."""

    def build_failure(self, error: RouterError, label: str) -> LoadedFile:
        """Apply the error policy to an item that could not be opened."""


def raise_or_log(error: RouterError, label: str, on_error: OnError) -> str:
    """Raise the error of a file, or log it and return its text if other files may continue."""
    if on_error == "raise" or isinstance(error, FATAL_ERRORS):
        if not isinstance(error, RouterInputError):  # its message contains the label already
            error.args = (f"{label}: {error.message}",)
        raise error
    description = f"{type(error).__name__}: {error}"
    _LOG.warning("Could not load %s: %s", label, description)
    return description


@dataclass(frozen=True, slots=True)
class LoaderRun:
    """One pass over the files of a loader.

    Up to ``max_concurrency`` files are loaded concurrently, and the requests of each file are
    divided into up to as many groups that are sent concurrently.
    """

    client: RouterClient
    processor: FileProcessor[Any, Any]
    max_concurrency: int
    cancel_token: CancelToken = field(default_factory=CancelToken)

    def iter_documents(
        self, items: Iterator[SourceItem], open_progress: OpenProgress = nullcontext
    ) -> Iterator[Document]:
        """Load files and yield their Documents in order."""
        limiter = concurrency.ThreadLimiter(
            threading.Semaphore(self.max_concurrency), threading.Lock
        )
        load = partial(self._load, limiter=limiter)
        files = concurrency.map_ordered(load, items, self.max_concurrency, self.cancel_token)
        with open_progress() as on_loaded:
            for file in files:
                if on_loaded:
                    on_loaded(file)
                yield from file.documents

    async def aiter_documents(
        self, items: Iterator[SourceItem], open_progress: OpenProgress = nullcontext
    ) -> AsyncIterator[Document]:
        """Async version of ``iter_documents``."""
        limiter = concurrency.AsyncLimiter(asyncio.Semaphore(self.max_concurrency), asyncio.Lock)
        load = partial(self._aload, limiter=limiter)
        files = concurrency.amap_ordered(load, items, self.max_concurrency)
        with open_progress() as on_loaded:
            async with aclosing(files):
                async for file in files:
                    if on_loaded:
                        on_loaded(file)
                    for document in file.documents:
                        yield document

    def _load(self, item: SourceItem, limiter: concurrency.ThreadLimiter) -> LoadedFile:
        with ExitStack() as stack:
            try:
                prepared = stack.enter_context(self.processor.prepare(item))
            except RouterError as error:
                return self.processor.build_failure(error, get_label(item))
            cancel_token = CancelToken(self.cancel_token)
            tasks = [
                partial(concurrency.run_steps, self.client, steps, limiter, cancel_token)
                for steps in self.processor.create_steps(prepared, self.max_concurrency)
            ]
            return self.processor.build_result(prepared, concurrency.gather(tasks, cancel_token))

    async def _aload(self, item: SourceItem, limiter: concurrency.AsyncLimiter) -> LoadedFile:
        context = self.processor.prepare(item)
        try:
            prepared = await asyncio.to_thread(context.__enter__)  # reads files
        except RouterError as error:
            return self.processor.build_failure(error, get_label(item))
        try:
            tasks = [
                concurrency.arun_steps(self.client, steps, limiter)
                for steps in self.processor.create_steps(prepared, self.max_concurrency)
            ]
            return self.processor.build_result(prepared, await concurrency.agather(tasks))
        finally:
            context.__exit__(None, None, None)

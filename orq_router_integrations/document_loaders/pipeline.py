"""One recording from end to end: prepared, sent, stitched; the same in threads and in a loop."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

from langchain_core.documents import Document
from typing_extensions import AsyncGenerator

from orq_router_integrations.client import RouterClient
from orq_router_integrations.document_loaders.chunking import partition
from orq_router_integrations.document_loaders.concurrency import (
    AsyncLimiter,
    CancelToken,
    ConcurrencyLimiter,
    ThreadLimiter,
    agather,
    amap_ordered,
    arun_steps,
    gather,
    map_ordered,
    run_steps,
)
from orq_router_integrations.document_loaders.sources import SourceItem, get_label
from orq_router_integrations.document_loaders.transcriber import (
    ChunkTranscripts,
    PreparedRecording,
    Transcriber,
)
from orq_router_integrations.errors import RouterError


@dataclass(frozen=True, slots=True)
class LoadedRecording:
    """What became of one recording."""

    documents: list[Document]
    duration_seconds: float | None = None
    error_count: int = 0


@dataclass(frozen=True, slots=True)
class LoaderRun:
    """One pass over recordings: who carries the calls, and how many at once.

    The pieces of one recording go up side by side too, in as many lanes of neighbours; within a
    lane each has the end of the one before as its prompt.
    """

    client: RouterClient
    transcriber: Transcriber
    max_concurrency: int
    cancel_token: CancelToken = field(default_factory=CancelToken)

    def load_all(self, items: Iterator[SourceItem]) -> Iterator[LoadedRecording]:
        """What becomes of each, in order."""
        work = partial(
            self.load_one,
            limiter=ConcurrencyLimiter(threading.Semaphore(self.max_concurrency), threading.Lock),
        )
        return map_ordered(work, items, self.max_concurrency, self.cancel_token)

    def aload_all(self, items: Iterator[SourceItem]) -> AsyncGenerator[LoadedRecording]:
        """The same in an event loop."""
        work = partial(
            self.aload_one,
            limiter=ConcurrencyLimiter(asyncio.Semaphore(self.max_concurrency), asyncio.Lock),
        )
        return amap_ordered(work, items, self.max_concurrency)

    def load_one(self, item: SourceItem, limiter: ThreadLimiter) -> LoadedRecording:
        """What becomes of one recording."""
        with ExitStack() as stack:
            try:
                job = stack.enter_context(self.transcriber.prepare(item))
            except RouterError as error:
                return self._failed(error, item)
            brake = CancelToken(self.cancel_token)
            works = [
                partial(
                    run_steps,
                    self.client,
                    self.transcriber.transcribe_chunks(job, lane),
                    limiter,
                    brake,
                )
                for lane in partition(job.chunks, self.max_concurrency)
            ]
            return self._loaded(job, gather(works, brake))

    async def aload_one(self, item: SourceItem, limiter: AsyncLimiter) -> LoadedRecording:
        """The same in an event loop."""
        prepared = self.transcriber.prepare(item)
        try:
            job = await asyncio.to_thread(prepared.__enter__)
        except RouterError as error:
            return self._failed(error, item)
        try:
            works = [
                arun_steps(self.client, self.transcriber.transcribe_chunks(job, lane), limiter)
                for lane in partition(job.chunks, self.max_concurrency)
            ]
            return self._loaded(job, await agather(works))
        finally:
            prepared.__exit__(None, None, None)

    def _loaded(self, job: PreparedRecording, lanes: list[ChunkTranscripts]) -> LoadedRecording:
        parts = list(chain.from_iterable(lanes))
        errors = sum(part is None or bool(part.errors) for part in parts)
        return LoadedRecording(
            self.transcriber.build_documents(job, parts), job.duration_seconds, errors
        )

    def _failed(self, error: RouterError, item: SourceItem) -> LoadedRecording:
        return LoadedRecording(
            self.transcriber.build_error_documents(error, get_label(item)), error_count=1
        )

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
from orq_router_integrations.document_loaders.chunking import lanes_of
from orq_router_integrations.document_loaders.concurrency import (
    Brake,
    Gate,
    LoopGate,
    ThreadGate,
    adrive,
    ain_order,
    atogether,
    drive,
    in_order,
    together,
)
from orq_router_integrations.document_loaders.sources import Item, label_of
from orq_router_integrations.document_loaders.transcriber import Engine, Job, Parts
from orq_router_integrations.errors import RouterError


@dataclass(frozen=True, slots=True)
class Loaded:
    """What became of one recording."""

    documents: list[Document]
    seconds: float | None = None
    errors: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """One pass over recordings: who carries the calls, and how many at once.

    The pieces of one recording go up side by side too, in as many lanes of neighbours; within a
    lane each has the end of the one before as its prompt.
    """

    client: RouterClient
    engine: Engine
    limit: int
    brake: Brake = field(default_factory=Brake)

    def all(self, items: Iterator[Item]) -> Iterator[Loaded]:
        """What becomes of each, in order."""
        work = partial(self.one, gate=Gate(threading.Semaphore(self.limit), threading.Lock))
        return in_order(work, items, self.limit, self.brake)

    def aall(self, items: Iterator[Item]) -> AsyncGenerator[Loaded]:
        """The same in an event loop."""
        work = partial(self.aone, gate=Gate(asyncio.Semaphore(self.limit), asyncio.Lock))
        return ain_order(work, items, self.limit)

    def one(self, item: Item, gate: ThreadGate) -> Loaded:
        """What becomes of one recording."""
        with ExitStack() as stack:
            try:
                job = stack.enter_context(self.engine.prepared(item))
            except RouterError as error:
                return self._failed(error, item)
            brake = Brake(self.brake)
            works = [
                partial(drive, self.client, self.engine.lane(job, lane), gate, brake)
                for lane in lanes_of(job.pieces, self.limit)
            ]
            return self._loaded(job, together(works, brake))

    async def aone(self, item: Item, gate: LoopGate) -> Loaded:
        """The same in an event loop."""
        prepared = self.engine.prepared(item)
        try:
            job = await asyncio.to_thread(prepared.__enter__)
        except RouterError as error:
            return self._failed(error, item)
        try:
            works = [
                adrive(self.client, self.engine.lane(job, lane), gate)
                for lane in lanes_of(job.pieces, self.limit)
            ]
            return self._loaded(job, await atogether(works))
        finally:
            prepared.__exit__(None, None, None)

    def _loaded(self, job: Job, lanes: list[Parts]) -> Loaded:
        parts = list(chain.from_iterable(lanes))
        errors = sum(part is None or bool(part.errors) for part in parts)
        return Loaded(self.engine.documents(job, parts), job.seconds, errors)

    def _failed(self, error: RouterError, item: Item) -> Loaded:
        return Loaded(self.engine.instead(error, label_of(item)), errors=1)

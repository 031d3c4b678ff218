"""Many calls at once, in order, in threads or in an event loop.

Each thing exists twice here, and only here: once with and once without ``await``.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack
from contextvars import copy_context
from functools import partial
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from typing_extensions import AsyncGenerator

from orq_router_integrations._http.deadline import CANCEL_CHECK
from orq_router_integrations.client import RouterClient
from orq_router_integrations.errors import RouterError
from orq_router_integrations.wire.call import Call

T = TypeVar("T")
R = TypeVar("R")
Seats = TypeVar("Seats")
Turn = TypeVar("Turn")
Step = Call[Any] | bytes
"""A call; or a key, whose turn one has from then on, up to the next key or the end."""
Steps = Generator[Step, Any, R]

_END: Any = object()


class WorkCancelledError(Exception):
    """The work was called off."""


class CancelToken:
    """Ends work between two of its calls; also what lies under another brake."""

    def __init__(self, parent: "CancelToken | None" = None) -> None:
        self._above = parent
        self._pulled = threading.Event()

    def cancel(self) -> None:
        """Call the work off; a call that is under way ends soon."""
        self._pulled.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was called off."""
        return self._pulled.is_set() or bool(self._above and self._above.cancelled)

    def raise_if_cancelled(self) -> None:
        """Go on, if nothing was called off.

        Raises:
            Halted: it was.
        """
        if self.cancelled:
            raise WorkCancelledError


class ConcurrencyLimiter(Generic[Seats, Turn]):
    """How many calls go up at a time; and of those that have a key, one for each key.

    Attributes:
        seats: a semaphore.
    """

    def __init__(self, seats: Seats, turn: Callable[[], Turn]) -> None:
        self.semaphore = seats
        self._turn = turn
        self._turns: WeakValueDictionary[bytes, Turn] = WeakValueDictionary()
        self._lock = threading.Lock()

    def get_lock(self, key: bytes) -> Turn:
        """The lock of a key, which is there while somebody has it or waits for it."""
        with self._lock:
            return self._turns.setdefault(key, self._turn())


ThreadLimiter = ConcurrencyLimiter[threading.Semaphore, AbstractContextManager[Any]]
AsyncLimiter = ConcurrencyLimiter[asyncio.Semaphore, asyncio.Lock]


def advance(
    steps: Steps[R], answer: Any = None, error: RouterError | None = None
) -> tuple[Step | None, Any]:
    """Let steps go on: the next step, or ``None`` and their result."""
    try:
        return (steps.throw(error) if error else steps.send(answer)), None
    except StopIteration as stop:
        return None, stop.value


def run_steps(
    client: RouterClient, steps: Steps[R], limiter: ThreadLimiter, cancel_token: CancelToken
) -> R:
    """Carry the calls of some steps to the router, and the answers back."""
    with ExitStack() as turn:
        step, result = advance(steps)
        while step is not None:
            answer, error = None, None
            try:
                if isinstance(step, bytes):
                    turn.close()
                    turn.enter_context(limiter.get_lock(step))
                else:
                    with limiter.semaphore:
                        cancel_token.raise_if_cancelled()
                        answer = _send(client, step, cancel_token)
            except RouterError as failure:
                cancel_token.raise_if_cancelled()  # what was called off is nobody's failure
                error = failure
            step, result = advance(steps, answer, error)
    return result  # type: ignore[no-any-return]


def _send(client: RouterClient, call: Call[T], brake: CancelToken) -> T:
    before = CANCEL_CHECK.set(lambda: brake.cancelled)
    try:
        return client.send(call)
    finally:
        CANCEL_CHECK.reset(before)


async def arun_steps(client: RouterClient, steps: Steps[R], limiter: AsyncLimiter) -> R:
    """The same without a thread for the calls; files are read in one."""
    async with AsyncExitStack() as turn:
        step, result = await asyncio.to_thread(advance, steps)
        while step is not None:
            answer, error = None, None
            try:
                if isinstance(step, bytes):
                    await turn.aclose()
                    await turn.enter_async_context(limiter.get_lock(step))
                else:
                    async with limiter.semaphore:
                        answer = await client.asend(step)
            except RouterError as failure:
                error = failure
            step, result = await asyncio.to_thread(advance, steps, answer, error)
    return result  # type: ignore[no-any-return]


def gather(funcs: Sequence[Callable[[], T]], cancel_token: CancelToken) -> list[T]:
    """Results of works that run side by side; the first failure calls the others off.

    It is raised at once: nobody waits for the calls that are under way.
    """
    if len(funcs) == 1:
        return [funcs[0]()]
    pool = ThreadPoolExecutor(len(funcs))
    futures = [_submit(pool, work) for work in funcs]
    try:
        ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for failed in (future for future in futures if future in ended and future.exception()):
            failed.result()
        return [future.result() for future in futures]
    finally:
        cancel_token.cancel()
        pool.shutdown(wait=False)


async def agather(works: Sequence[Awaitable[T]]) -> list[T]:
    """The same in an event loop."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        await _dropped(tasks)


def defer_errors(items: Iterator[T]) -> Iterator[Callable[[], T]]:
    """Each item as a function that hands it out; or raises what came instead, in its turn."""
    while True:
        try:
            item = next(items)
        except StopIteration:
            return
        except Exception as error:  # noqa: BLE001 - raised where the item would have been
            yield partial(_raise, error)
            return
        yield partial(_same, item)


def _same(item: T) -> T:
    return item


def _raise(error: Exception) -> Any:
    raise error


def map_ordered(
    func: Callable[[T], R], items: Iterator[T], max_concurrency: int, cancel_token: CancelToken
) -> Iterator[R]:
    """Results in the order of their items, so many in the making at once, and few waiting.

    With a limit of one nothing is begun before it is asked for.
    """
    if max_concurrency == 1:
        yield from map(func, items)
        return

    def on(taken: Callable[[], T]) -> R:
        return func(taken())

    pool = ThreadPoolExecutor(max_concurrency, thread_name_prefix="orq-audio")
    waiting: deque[Future[R]] = deque()
    try:
        for item in defer_errors(items):
            waiting.append(_submit(pool, on, item))
            while waiting and (len(waiting) >= 2 * max_concurrency or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        cancel_token.cancel()
        pool.shutdown(wait=False, cancel_futures=True)


async def amap_ordered(
    func: Callable[[T], Awaitable[R]], items: Iterator[T], max_concurrency: int
) -> AsyncGenerator[R]:
    """The same in an event loop."""
    gate = asyncio.Semaphore(max_concurrency)
    waiting: deque[asyncio.Task[R]] = deque()
    source = defer_errors(items)

    async def gated(item: Callable[[], T]) -> R:
        async with gate:
            return await func(item())

    most = 1 if max_concurrency == 1 else 2 * max_concurrency
    try:
        while (item := await asyncio.to_thread(next, source, _END)) is not _END:
            waiting.append(asyncio.ensure_future(gated(item)))
            while waiting and (len(waiting) >= most or waiting[0].done()):
                yield await waiting.popleft()
        while waiting:
            yield await waiting.popleft()
    finally:
        await _dropped(waiting)


async def _dropped(tasks: Sequence["asyncio.Future[Any]"] | deque[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _submit(pool: ThreadPoolExecutor, work: Callable[..., T], *given: Any) -> "Future[T]":
    return pool.submit(copy_context().run, work, *given)

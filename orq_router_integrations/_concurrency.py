"""Run work concurrently and return its results in order, in threads or in an event loop.

The work is written once, as a `StepGenerator`. Only the functions in this module need async
versions.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Generator, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from contextvars import copy_context
from functools import partial
from typing import Any, TypeVar

from typing_extensions import AsyncGenerator

from orq_router_integrations._http.deadline import CANCEL_CHECK
from orq_router_integrations.client import RouterClient
from orq_router_integrations.errors import RouterError
from orq_router_integrations.wire.call import Call

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

StepGenerator = Generator[Any, Any, ResultT]
"""A generator that yields steps, receives their results, and returns a ``ResultT``.

It sends no requests and does not sleep, like httpx's ``auth_flow``, so sync and async code can run
it. It may block on files, so async code resumes it in a thread. A step is a number of seconds to
wait (a float); for ``run_steps`` also a call to send, or a list of generators to run concurrently.
"""

_END: Any = object()


def perform_steps(steps: StepGenerator[ResultT], perform: Callable[[Any], Any]) -> ResultT:
    """Run steps and return their result. ``perform`` handles every step except pauses.

    Raises ``CancelledError`` if the pool in which this runs was closed.
    """
    with closing(steps):
        step, result = _advance(steps.send, None)
        while step is not None:
            try:
                _raise_if_cancelled()
                handle = time.sleep if isinstance(step, float) else perform
                resume = partial(steps.send, handle(step))
            except Exception as error:  # noqa: BLE001 - the steps handle errors
                resume = partial(steps.throw, error)
            step, result = _advance(resume)
    return result  # type: ignore[no-any-return]


def _raise_if_cancelled() -> None:
    if (is_cancelled := CANCEL_CHECK.get()) and is_cancelled():
        raise CancelledError


async def aperform_steps(
    steps: StepGenerator[ResultT], perform: Callable[[Any], Awaitable[Any]]
) -> ResultT:
    """Async version of ``perform_steps``. The generator may block, so it is resumed in a thread."""
    try:
        step, result = await asyncio.to_thread(_advance, steps.send, None)
        while step is not None:
            try:
                work = asyncio.sleep(step) if isinstance(step, float) else perform(step)
                resume = partial(steps.send, await work)
            except Exception as error:  # noqa: BLE001 - the steps handle errors
                resume = partial(steps.throw, error)
            step, result = await asyncio.to_thread(_advance, resume)
    finally:
        with suppress(ValueError):  # a thread is still running the generator, for the last time
            steps.close()
    return result  # type: ignore[no-any-return]


def _advance(resume: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """Return the next step and ``None``, or ``None`` and the result of the steps."""
    try:
        return resume(*args), None
    except StopIteration as stop:
        return None, stop.value


def run_steps(
    client: RouterClient, steps: StepGenerator[ResultT], semaphore: threading.Semaphore
) -> ResultT:
    """Run steps, which may also be calls, and lists of generators to run concurrently."""

    def perform(step: Call[Any] | list[StepGenerator[Any]]) -> Any:
        if isinstance(step, list):
            return gather([partial(run_steps, client, part, semaphore) for part in step])
        try:
            with semaphore:
                _raise_if_cancelled()
                return client.send(step)
        except RouterError:
            _raise_if_cancelled()  # the cancellation caused the error
            raise

    return perform_steps(steps, perform)


async def arun_steps(
    client: RouterClient, steps: StepGenerator[ResultT], semaphore: asyncio.Semaphore
) -> ResultT:
    async def perform(step: Call[Any] | list[StepGenerator[Any]]) -> Any:
        if isinstance(step, list):
            return await agather([partial(arun_steps, client, part, semaphore) for part in step])
        async with semaphore:
            return await client.asend(step)

    return await aperform_steps(steps, perform)


def send_all(
    client: RouterClient, calls: Sequence[Call[ResultT]], max_concurrency: int
) -> list[ResultT]:
    """Send calls concurrently and return their results in order; see ``gather``."""
    return gather([partial(client.send, call) for call in calls], max_concurrency)


async def asend_all(
    client: RouterClient, calls: Sequence[Call[ResultT]], max_concurrency: int
) -> list[ResultT]:
    return await agather([partial(client.asend, call) for call in calls], max_concurrency)


def gather(
    tasks: Sequence[Callable[[], ResultT]], max_concurrency: int | None = None
) -> list[ResultT]:
    """Run tasks concurrently and return their results in order.

    The first error cancels the other tasks and is raised without waiting for them.
    """
    if len(tasks) <= 1:
        return [task() for task in tasks]
    with _open_pool(max_concurrency or len(tasks)) as submit:
        futures = [submit(task) for task in tasks]
        for future in as_completed(futures):
            future.result()
        return [future.result() for future in futures]


async def agather(
    tasks: Sequence[Callable[[], Awaitable[ResultT]]], max_concurrency: int | None = None
) -> list[ResultT]:
    semaphore = asyncio.Semaphore(max_concurrency or len(tasks))

    async def run(task: Callable[[], Awaitable[ResultT]]) -> ResultT:
        async with semaphore:
            return await task()

    futures = [asyncio.create_task(run(task)) for task in tasks]
    try:
        return list(await asyncio.gather(*futures))
    finally:
        await _cancel_all(futures)


def map_ordered(
    func: Callable[[ItemT], ResultT], items: Iterator[ItemT], max_concurrency: int
) -> Iterator[ResultT]:
    """Apply a function to items concurrently and yield the results in order.

    Up to ``2 * max_concurrency`` items are processed ahead of the consumer, or none if
    ``max_concurrency`` is 1. Closing the iterator cancels the remaining work.
    """
    if max_concurrency == 1:
        yield from map(func, items)
        return
    pending: deque[Future[ResultT]] = deque()

    def process(get_item: Callable[[], ItemT]) -> ResultT:
        return func(get_item())

    with _open_pool(max_concurrency) as submit:
        for get_item in _defer_errors(items):
            pending.append(submit(process, get_item))
            while pending and (len(pending) >= 2 * max_concurrency or pending[0].done()):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


async def amap_ordered(
    func: Callable[[ItemT], Awaitable[ResultT]], items: Iterator[ItemT], max_concurrency: int
) -> AsyncGenerator[ResultT]:
    """Async version of ``map_ordered``. Items are read in a thread, because that may block."""
    semaphore = asyncio.Semaphore(max_concurrency)
    pending: deque[asyncio.Future[ResultT]] = deque()
    max_pending = 1 if max_concurrency == 1 else 2 * max_concurrency
    item_getters = _defer_errors(items)

    async def process(get_item: Callable[[], ItemT]) -> ResultT:
        async with semaphore:
            return await func(get_item())

    try:
        while (get_item := await asyncio.to_thread(next, item_getters, _END)) is not _END:
            pending.append(asyncio.ensure_future(process(get_item)))
            while pending and (len(pending) >= max_pending or pending[0].done()):
                yield await pending.popleft()
        while pending:
            yield await pending.popleft()
    finally:
        await _cancel_all(pending)


def _defer_errors(items: Iterator[ItemT]) -> Iterator[Callable[[], ItemT]]:
    """Yield a function for each item, which returns it or raises the error of the iterator.

    This way, an error is raised after the results of the items that precede it.
    """

    def raise_error(error: Exception) -> Any:
        raise error

    try:
        for item in items:
            yield lambda item=item: item  # type: ignore[misc]
    except Exception as error:  # noqa: BLE001 - raised by the function
        yield partial(raise_error, error)


async def _cancel_all(futures: Collection["asyncio.Future[Any]"]) -> None:
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)


@contextmanager
def _open_pool(max_workers: int) -> Iterator[Callable[..., Future[Any]]]:
    """Open a pool of threads, and return the function that submits work to it.

    The work runs with the caller's context variables. Leaving the block cancels all work that is
    not done, including that of pools opened within it. A call in flight ends shortly afterwards.
    """
    is_closed = threading.Event()
    is_parent_closed = CANCEL_CHECK.get() or (lambda: False)

    def submit(func: Callable[..., Any], *args: Any) -> Future[Any]:
        context = copy_context()
        context.run(CANCEL_CHECK.set, lambda: is_closed.is_set() or is_parent_closed())
        return pool.submit(context.run, func, *args)

    pool = ThreadPoolExecutor(max_workers, thread_name_prefix="orq-worker")
    try:
        yield submit
    finally:
        is_closed.set()
        pool.shutdown(wait=False, cancel_futures=True)

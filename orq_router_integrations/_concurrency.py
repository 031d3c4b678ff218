"""Ordered concurrent execution, in threads and in an event loop.

Work is written once, as a generator of steps, and runs in both. Only the functions in this module
need async versions.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import closing, suppress
from contextvars import copy_context
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

from typing_extensions import AsyncGenerator

from orq_router_integrations._http.deadline import CANCEL_CHECK
from orq_router_integrations.client import RouterClient
from orq_router_integrations.errors import RouterError
from orq_router_integrations.wire.call import Call

ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")

Steps = Generator[Any, Any, ResultT]
"""Yields what to do next, and receives the result.

A float is a time to wait in seconds. ``run_steps`` also accepts a call to send, and a list of steps
to run concurrently.
"""

_END: Any = object()


class WorkCancelledError(Exception):
    """The work was cancelled."""


class CancelToken:
    """Cancels work in other threads, also during a call. It is cancelled with its parent."""

    def __init__(self, parent: "CancelToken | None" = None) -> None:
        self._parent = parent
        self._event = threading.Event()

    def cancel(self) -> None:
        """Cancel the work. A call in flight ends shortly afterwards."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        return self._event.is_set() or bool(self._parent and self._parent.cancelled)

    def raise_if_cancelled(self) -> None:
        if self.cancelled:
            raise WorkCancelledError

    def sleep(self, seconds: float) -> None:
        """Wait until the time is over, or this token (not its parent) is cancelled."""
        self._event.wait(seconds)
        self.raise_if_cancelled()


def perform_steps(
    steps: Steps[ResultT],
    perform: Callable[[Any], Any],
    sleep: Callable[[float], Any] = time.sleep,
) -> ResultT:
    """Run steps and return their result. ``perform`` handles every step except pauses."""
    with closing(steps):
        step, result = _advance(steps.send, None)
        while step is not None:
            try:
                response = sleep(step) if isinstance(step, float) else perform(step)
                resume = partial(steps.send, response)
            except Exception as error:  # noqa: BLE001 - the steps handle errors
                resume = partial(steps.throw, error)
            step, result = _advance(resume)
    return result  # type: ignore[no-any-return]


async def aperform_steps(
    steps: Steps[ResultT], perform: Callable[[Any], Awaitable[Any]]
) -> ResultT:
    """Async version of ``perform_steps``. Steps may block, so they are resumed in a thread."""
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
        with suppress(ValueError):  # a thread still runs them, and is the last to use them
            steps.close()
    return result  # type: ignore[no-any-return]


def _advance(resume: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    """Return the next step and ``None``, or ``None`` and the result of the steps."""
    try:
        return resume(*args), None
    except StopIteration as stop:
        return None, stop.value


def run_steps(
    client: RouterClient,
    steps: Steps[ResultT],
    semaphore: threading.Semaphore,
    cancel_token: CancelToken,
) -> ResultT:
    """Run steps, which may yield calls, and lists of steps to run concurrently.

    Raises:
        WorkCancelledError: The work was cancelled.
    """

    def perform(step: Call[Any] | list[Steps[Any]]) -> Any:
        if isinstance(step, list):
            token = CancelToken(cancel_token)
            tasks = [partial(run_steps, client, part, semaphore, token) for part in step]
            return gather(tasks, token)
        with semaphore:
            cancel_token.raise_if_cancelled()
            try:
                return _send(client, step, cancel_token)
            except RouterError:
                cancel_token.raise_if_cancelled()  # the cancellation caused the error
                raise

    return perform_steps(steps, perform, cancel_token.sleep)


def _send(client: RouterClient, call: Call[ResultT], cancel_token: CancelToken) -> ResultT:
    reset_token = CANCEL_CHECK.set(lambda: cancel_token.cancelled)
    try:
        return client.send(call)
    finally:
        CANCEL_CHECK.reset(reset_token)


async def arun_steps(
    client: RouterClient, steps: Steps[ResultT], semaphore: asyncio.Semaphore
) -> ResultT:
    async def perform(step: Call[Any] | list[Steps[Any]]) -> Any:
        if isinstance(step, list):
            return await agather([arun_steps(client, part, semaphore) for part in step])
        async with semaphore:
            return await client.asend(step)

    return await aperform_steps(steps, perform)


def send_all(
    client: RouterClient, calls: Sequence[Call[ResultT]], max_concurrency: int
) -> list[ResultT]:
    """Send calls concurrently and return their results in order.

    The first error cancels the other calls and is raised without waiting for them.
    """
    cancel_token = CancelToken()
    tasks = [partial(_send, client, call, cancel_token) for call in calls]
    return gather(tasks, cancel_token, max_concurrency)


async def asend_all(
    client: RouterClient, calls: Sequence[Call[ResultT]], max_concurrency: int
) -> list[ResultT]:
    semaphore = asyncio.Semaphore(max_concurrency)

    async def send(call: Call[ResultT]) -> ResultT:
        async with semaphore:
            return await client.asend(call)

    return await agather([send(call) for call in calls])


def gather(
    tasks: Sequence[Callable[[], ResultT]],
    cancel_token: CancelToken,
    max_concurrency: int | None = None,
) -> list[ResultT]:
    """Run tasks concurrently and return their results in order.

    The first error cancels the other tasks and is raised without waiting for them.
    """
    if len(tasks) <= 1:
        return [task() for task in tasks]
    pool = ThreadPoolExecutor(max_concurrency or len(tasks))
    futures = [_submit(pool, task) for task in tasks]
    try:
        done, _ = wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if future in done:
                future.result()
        return [future.result() for future in futures]
    finally:
        cancel_token.cancel()
        pool.shutdown(wait=False, cancel_futures=True)


async def agather(tasks: Sequence[Awaitable[ResultT]]) -> list[ResultT]:
    futures = [asyncio.ensure_future(task) for task in tasks]
    try:
        return list(await asyncio.gather(*futures))
    finally:
        await _cancel_all(futures)


def map_ordered(
    func: Callable[[ItemT], ResultT],
    items: Iterator[ItemT],
    max_concurrency: int,
    cancel_token: CancelToken,
) -> Iterator[ResultT]:
    """Apply a function to items concurrently and yield the results in order.

    Up to ``2 * max_concurrency`` items are processed ahead of the consumer, or none if
    ``max_concurrency`` is 1. Closing the iterator cancels the remaining work.
    """
    if max_concurrency == 1:
        yield from map(func, items)
        return
    pool = ThreadPoolExecutor(max_concurrency, thread_name_prefix="orq-worker")
    pending: deque[Future[ResultT]] = deque()
    try:
        for get_item in _defer_errors(items):
            pending.append(_submit(pool, lambda get_item: func(get_item()), get_item))
            while pending and (len(pending) >= 2 * max_concurrency or pending[0].done()):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        cancel_token.cancel()
        pool.shutdown(wait=False, cancel_futures=True)


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


def partition(items: Sequence[ItemT], count: int) -> list[Sequence[ItemT]]:
    """Divide items into at most ``count`` consecutive groups of nearly equal size."""
    count = min(count, len(items))
    boundaries = [len(items) * group // count for group in range(count + 1)]
    return [items[start:end] for start, end in pairwise(boundaries)]


async def _cancel_all(futures: Iterable["asyncio.Future[Any]"]) -> None:
    futures = list(futures)
    for future in futures:
        future.cancel()
    await asyncio.gather(*futures, return_exceptions=True)


def _submit(
    pool: ThreadPoolExecutor, func: Callable[..., ResultT], *args: Any
) -> "Future[ResultT]":
    """Run a function in a thread, with the context variables of the caller."""
    return pool.submit(copy_context().run, func, *args)

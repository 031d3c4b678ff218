"""Run blocking functions in daemon threads, which cannot delay the end of the program."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from typing import Any


def create_future() -> "Future[Any]":
    """Create a future that the callers sharing it cannot cancel."""
    future: Future[Any] = Future()
    future.set_running_or_notify_cancel()
    return future


def run_in_thread(
    function: Callable[..., Any], *args: Any, future: "Future[Any] | None" = None
) -> "Future[Any]":
    """Call a function in a daemon thread; returns the future of its result."""
    result_future = future or create_future()

    def run() -> None:
        try:
            result_future.set_result(function(*args))
        except BaseException as error:  # noqa: BLE001 - raised where the result is needed
            result_future.set_exception(error)

    thread = threading.Thread(target=copy_context().run, args=[run], name="orq-io", daemon=True)
    try:
        thread.start()
    except RuntimeError as error:  # too many threads
        result_future.set_exception(OSError(str(error)))
    return result_future

"""What a forked child inherits: locks among them, held by threads that it has not."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations._http import fork_safety as forks
from orq_router_integrations._http.lazily import LazyModule
from orq_router_integrations._http.pool import _IdleConnections
from orq_router_integrations._http.retry import RetryBudget
from orq_router_integrations.tools.image_inputs import ImageRegistry

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def works_in_child(work: Callable[[], Any]) -> bool:
    """Whether a forked child gets through, and does not hang."""
    if not (child := os.fork()):
        code = 1
        with suppress(BaseException):
            signal.alarm(5)  # ends a child that hangs
            work()
            code = 0
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def ask(router: OfflineRouter) -> None:
    ChatOrq(model="openai/gpt-4o", client=router.client()).invoke("Hi")


@pytest.mark.parametrize(
    ("made", "use"),
    [
        (RetryBudget, lambda quota: quota.take(1) and quota.give(1)),
        (ImageRegistry, lambda album: album.add([])),
        (OfflineRouter, ask),
        (_IdleConnections, lambda idle: idle.emptied()),
    ],
)
def test_a_lock_that_another_thread_holds_does_not_stop_a_child(made, use):
    held, let_go = threading.Event(), threading.Event()
    thing = made()

    def hold() -> None:
        with thing._lock:
            held.set()
            let_go.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        assert works_in_child(lambda: use(thing))
    finally:
        let_go.set()
        holder.join()


def test_a_thread_that_forks_keeps_what_it_holds():
    lock = forks.ForkSafeRLock()

    def use() -> None:
        with lock:
            pass

    with lock:
        assert works_in_child(use)


def test_a_fork_waits_for_what_another_thread_loads(tmp_path, monkeypatch):
    (tmp_path / "slow_to_load.py").write_text("import time\ntime.sleep(0.5)\nready = True")
    monkeypatch.syspath_prepend(tmp_path)
    module = LazyModule("slow_to_load")
    loading = threading.Thread(target=lambda: module.ready)
    loading.start()
    assert works_in_child(lambda: module.ready)
    loading.join()

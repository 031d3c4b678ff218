"""Locks that a forked child inherits from threads that do not exist there."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from fsspec.implementations.memory import MemoryFileSystem
from support.local_client import wait_until

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations._http.client_sender import SocketWatchdog
from orq_router_integrations._http.deadline import Deadline
from orq_router_integrations._http.pool import _Pool
from orq_router_integrations._http.redaction import RedactingFilter
from orq_router_integrations.batch.claims import Claims

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="os.fork is not available"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


def succeeds_in_child(function: Callable[[], Any]) -> bool:
    """Return whether a function returns in a forked child without an error."""
    if not (child := os.fork()):
        exit_code = 1
        with suppress(BaseException):
            signal.alarm(5)  # ends a child that hangs
            function()
            exit_code = 0
        os._exit(exit_code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def invoke(router: OfflineRouter) -> None:
    ChatOrq(model="openai/gpt-4o", client=router.client()).invoke("Hi")


def create_claims() -> Claims:
    return Claims(MemoryFileSystem(), 30.0)


USES: dict[Callable[[], Any], Callable[[Any], Any]] = {
    OfflineRouter: invoke,
    _Pool: lambda pool: pool.close(),
    create_claims: lambda claims: claims.acquire("/fork/a"),
}


def get_lock(instance: Any) -> Any:
    return instance.lock if isinstance(instance, _Pool) else instance._lock


@pytest.mark.parametrize("cls", USES, ids=lambda cls: cls.__name__)
def test_lock_held_by_another_thread_does_not_block_child(cls):
    is_held, may_release = threading.Event(), threading.Event()
    instance = cls()

    def hold_lock() -> None:
        with get_lock(instance):
            is_held.set()
            may_release.wait()

    thread = threading.Thread(target=hold_lock)
    thread.start()
    is_held.wait()
    try:
        assert succeeds_in_child(lambda: USES[cls](instance))
    finally:
        may_release.set()
        thread.join()


@pytest.mark.parametrize("cls", USES, ids=lambda cls: cls.__name__)
def test_thread_that_forks_can_use_its_own_lock_in_child(cls):
    instance = cls()
    with get_lock(instance):
        assert succeeds_in_child(lambda: USES[cls](instance))


def expire_watchdog() -> None:
    with SocketWatchdog(Deadline(timeout=0.01, idle_timeout=30)) as watchdog:
        assert wait_until(lambda: watchdog.is_expired)


def test_requests_are_watched_in_child():
    with SocketWatchdog(Deadline(timeout=30, idle_timeout=30)):
        assert succeeds_in_child(expire_watchdog)


def test_redaction_works_in_child():
    """The filter is a module-level object, so only its own instance is reset."""
    lock = threading.Lock()
    redacting_filter = RedactingFilter()
    redacting_filter._lock = lock
    lock.acquire()
    redacting_filter.reset_after_fork()
    redacting_filter.add_key("sk-orq-example")
    assert redacting_filter.latest_key == "sk-orq-example"

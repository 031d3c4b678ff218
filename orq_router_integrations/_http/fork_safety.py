"""Locks that a forked child finds open, whoever held them in its parent."""

import os
import threading
from weakref import WeakSet


class ForkSafeRLock:
    """A lock, which the thread that has it may take again.

    A child has no thread but the one that forked: what another held would be locked for ever.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _ALL.add(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def reset_after_fork(self) -> None:
        """Begin anew, unless nobody has it or the thread that forked does."""
        if self._lock.acquire(blocking=False):
            self._lock.release()
        else:
            self._lock = threading.RLock()


_ALL: WeakSet[ForkSafeRLock] = WeakSet()


def _forget() -> None:
    for lock in _ALL:
        lock.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

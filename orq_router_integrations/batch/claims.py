"""Claims: files that mark the results which a worker is computing."""

import json
import logging
import math
import os
import threading
import time
from contextlib import suppress
from tempfile import mkstemp
from typing import Any
from weakref import ReferenceType, WeakSet, ref

_LOG = logging.getLogger(__name__)

PARTIAL_PREFIX = ".+"
"""Start of the names of files that are being written. Names of keys do not contain a plus."""


class Claims:
    """The claims of one worker. A thread renews them until they are released.

    An expired claim is not deleted, because two workers could do that at the same time. Instead,
    the next worker creates a claim with the next number, which only one of them can do.

    Args:
        files: An fsspec file system.
        seconds: How long a claim is valid unless it is renewed.
    """

    def __init__(self, files: Any, seconds: float) -> None:
        self._files = files
        self._seconds = seconds
        self._doubtful: dict[str, tuple[bytes, float]] = {}
        """Claims with an unusable expiry: their content, and when they expire unless it changes."""
        self.reset_after_fork()
        _INSTANCES.add(self)

    def reset_after_fork(self) -> None:
        """Forget all claims: they belong to the parent process, as does the thread."""
        self._lock = threading.RLock()  # the garbage collector may release a claim while it is held
        self._paths: dict[str, str] = {}
        self._has_thread = False

    def acquire(self, path: str) -> bool:
        """Try to claim a result; returns false if another worker has claimed it."""
        number = 0
        try:
            while (expires := self._read_expiry(f"{path}.claim.{number}")) is not None:
                if expires > time.time():
                    return False
                number += 1
            claim = f"{path}.claim.{number}"
            if not create_file(self._files, claim, self._build_claim()):
                return False
        except Exception as error:  # noqa: BLE001 - file systems raise errors of any type
            _LOG.warning("store: Cannot claim a result: %s", error)
            return True
        with self._lock:
            if not self._has_thread:
                self._has_thread = True
                threading.Thread(target=_renew_regularly, args=(ref(self),), daemon=True).start()
            self._paths[path] = claim
        return True

    def release(self, path: str) -> None:
        """Give up a claim, if this worker has it."""
        with self._lock:
            claim = self._paths.pop(path, None)
        if claim is not None:
            with suppress(Exception):  # a claim that cannot be deleted expires
                self._files.rm_file(claim)

    def renew(self) -> float:
        """Renew all claims; returns the seconds until the next renewal."""
        with self._lock:
            paths = list(self._paths)
        for path in paths:
            with self._lock, suppress(Exception):  # if a claim expires, another worker takes over
                if claim := self._paths.get(path):  # not released in the meantime
                    self._files.pipe_file(claim, self._build_claim())
        return self._seconds / 3

    def _build_claim(self) -> bytes:
        content = {"expires": time.time() + self._seconds, "seconds": self._seconds}
        return json.dumps(content).encode()

    def _read_expiry(self, claim: str) -> float | None:
        try:
            data = self._files.cat_file(claim)
        except FileNotFoundError:
            return None
        try:
            content = json.loads(data)
            expires, seconds = float(content["expires"]), float(content["seconds"])
        except (ValueError, KeyError, TypeError):  # it is being written, or its writer has died
            expires, seconds = math.inf, self._seconds
        latest = time.time() + seconds
        if expires <= latest:
            return expires
        # The file is damaged, or its writer has another clock, so check whether it is renewed.
        doubtful = self._doubtful.get(claim)
        if doubtful is None or doubtful[0] != data:
            doubtful = self._doubtful[claim] = (data, latest)
        return doubtful[1]


_INSTANCES: "WeakSet[Claims]" = WeakSet()


def _reset_after_fork() -> None:
    for claims in _INSTANCES:
        claims.reset_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)


def _renew_regularly(claims: "ReferenceType[Claims]") -> None:
    while (current := claims()) is not None:
        seconds = current.renew()
        del current  # so that the claims can be garbage collected
        time.sleep(seconds)


def create_file(files: Any, path: str, data: bytes) -> bool:
    """Create a file that appears only once it is complete; returns whether it was missing."""
    try:
        if "file" in files.protocol:
            _create_local_file(path, data)
        else:
            files.pipe_file(path, data, mode="create")
    except FileExistsError:
        return False
    return True


def _create_local_file(path: str, data: bytes) -> None:
    directory = os.path.dirname(path)
    os.makedirs(directory, exist_ok=True)
    descriptor, temporary = mkstemp(dir=directory, prefix=PARTIAL_PREFIX)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
        os.link(temporary, path)  # unlike a rename, this fails if the path exists
    finally:
        os.unlink(temporary)

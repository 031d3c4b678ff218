"""A disk that is full: no file of this process may become longer."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def simulate_full_disk(room: int) -> Iterator[None]:
    """Let files have so many bytes; who writes more is told as where no space is left."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

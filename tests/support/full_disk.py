"""Simulate a full disk by limiting the file size of this process."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def simulate_full_disk(size: int) -> Iterator[None]:
    """Limit files to ``size`` bytes; further writes fail as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

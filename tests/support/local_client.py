"""A client of a server on this machine."""

import json
import time
from collections.abc import Callable
from typing import Any

from support.loopback_server import Loopback
from support.scripted_router import ANSWER, KEY

from orq_router_integrations import RouterClient

COMPLETION = json.dumps(ANSWER).encode()
"""The body of a completion, which is parsed to ``ANSWER``."""


def local_client(server: Loopback, **settings: Any) -> RouterClient:
    """Create a client of a server, without retries."""
    return RouterClient(**{"api_key": KEY, "base_url": server.url, "max_retries": 0} | settings)


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Wait until a condition is true, and return whether it became true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()

"""An offline router on loopback that records requests and fails as a real one does under load."""

import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.testing.serve import create_asgi_app

RESET = 0
"""A fault that resets the connection before a response."""


@dataclass
class FaultyRouter:
    """Serves a router, and counts the requests it works on, which a real one would charge for.

    Attributes:
        limit: Maximum number of requests in a rolling window; ``None`` for any number.
        window: Length of the window in seconds.
        get_fault: Returns the status for the nth request, ``RESET``, or ``None`` to answer it.
        paid: Number of requests that were worked on, by prompt or recording.
        statuses: Number of responses by status.
    """

    router: OfflineRouter = field(default_factory=lambda: OfflineRouter(latency=0.1))
    limit: int | None = None
    window: float = 6.0
    get_fault: Callable[[int], int | None] = lambda _: None
    paid: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    url: str = ""
    first_at: float = 0.0
    last_at: float = 0.0
    _times: deque[float] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._app = create_asgi_app(self.router)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        event = await receive()
        self.last_at = time.monotonic()
        self.first_at = self.first_at or self.last_at
        fault = self._find_fault()
        self.statuses[200 if fault is None else fault] += 1
        if fault == RESET:
            send.__self__.transport.abort()
        elif fault is not None:
            await _send_error(send, fault, self._get_retry_after() if fault == 429 else None)
        else:
            self.paid[_find_item(event["body"])] += 1
            events = iter([event])

            async def replay() -> Any:
                return next(events, None) or await receive()

            await self._app(scope, replay, send)

    def _find_fault(self) -> int | None:
        fault = self.get_fault(self.statuses.total())
        if fault is not None or self.limit is None:
            return fault
        now = time.monotonic()
        while self._times and self._times[0] <= now - self.window:
            self._times.popleft()
        if len(self._times) >= self.limit:
            return 429
        self._times.append(now)
        return None

    def _get_retry_after(self) -> float:
        return max(self._times[0] + self.window - time.monotonic(), 0.001)

    @property
    def seconds(self) -> float:
        """Time between the first and the last request."""
        return self.last_at - self.first_at

    @property
    def paid_twice(self) -> int:
        """Number of requests that repeat one that was worked on."""
        return self.paid.total() - len(self.paid)


def _find_item(body: bytes) -> str:
    """Return the prompt or recording of a request."""
    match = re.search(rb"(?:Question|Recording) [\w ]+\?", body)
    assert match, body
    return match.group().decode()


async def _send_error(send: Any, status: int, retry_after: float | None) -> None:
    headers = [(b"content-type", b"application/json")]
    if retry_after is not None:
        headers.append((b"retry-after", f"{retry_after:.3f}".encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    body = json.dumps({"error": {"message": f"A fault with status {status}."}}).encode()
    await send({"type": "http.response.body", "body": body})


@contextmanager
def serve_faulty_router(router: FaultyRouter) -> Iterator[FaultyRouter]:
    """Serve a router on a free port while the ``with`` block runs."""
    server = uvicorn.Server(uvicorn.Config(router, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    router.url = f"http://127.0.0.1:{port}/v3/router"
    try:
        yield router
    finally:
        server.should_exit = True
        server.force_exit = True
        thread.join()

"""Serve the offline router on a local port, for other clients."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.testing.serve import create_asgi_app


@contextmanager
def serve_router(router: OfflineRouter) -> Iterator[str]:
    """Serve a router while the ``with`` block runs, and return its base URL."""
    server = uvicorn.Server(uvicorn.Config(create_asgi_app(router), port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v3/router"
    finally:
        server.should_exit = True
        thread.join()

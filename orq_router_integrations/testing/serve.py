"""Serve the offline router on a loopback port, for any OpenAI-compatible client."""

import ipaddress
import os
import socket
import sys
from pathlib import Path

from orq_router_integrations.testing.asgi import create_asgi_app
from orq_router_integrations.testing.router import OfflineRouter


def serve(
    host: str = "127.0.0.1",
    port: int = 8080,
    router: OfflineRouter | None = None,
    *,
    record: Path | None = None,
) -> None:
    """Serve an offline router until interrupted, and print the base URL to use.

    Args:
        host: A loopback address. Any API key is accepted, so other hosts are rejected.
        port: Port to listen on; 0 picks a free port.
        router: Router to serve; a new one by default.
        record: File to which each request is appended, as one line of JSON without the API key.

    Raises:
        ValueError: ``host`` is not a loopback address.
        ImportError: ``uvicorn`` is not installed (extra ``serve``).
        OSError: The port cannot be opened, for example because it is in use, or ``record`` cannot
            be written.
    """
    if not _is_loopback(host):
        raise ValueError(f"host: {host!r} is not a loopback address. Use '127.0.0.1'.")
    try:
        import uvicorn  # noqa: PLC0415 - optional dependency
    except ImportError:
        raise ImportError(
            "The server requires uvicorn. Install it with pip install uvicorn."
        ) from None
    if record is not None:
        record.open("ab").close()  # raises now if the file cannot be written
    app = create_asgi_app(OfflineRouter() if router is None else router, record=record)
    with _open_listener(host, port) as listener:
        url_host = f"[{host}]" if ":" in host else host
        base_url = f"http://{url_host}:{listener.getsockname()[1]}/v3/router"
        sys.stdout.write(f"The offline router serves {base_url} (any API key is accepted)\n")
        sys.stdout.flush()
        config = uvicorn.Config(app, log_level="warning")
        uvicorn.Server(config).run(sockets=[listener])


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _open_listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise OSError(
            error.errno,
            f"Cannot listen on port {port} of {host}: {os.strerror(error.errno or 0)}. "
            "Choose another port with --port (port= in Python); 0 picks a free port.",
        ) from None

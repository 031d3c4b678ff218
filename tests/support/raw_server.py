"""A server that handles a single connection with a function on its socket."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from faults.certificate import create_untrusted_context


@contextmanager
def serve_connection(
    serve: Callable[[socket.socket], None], host: str, *, tls: bool = False
) -> Iterator[str]:
    """Accept one connection and serve it in a thread; yields the URL with the given host."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        if tls:
            server = stack.enter_context(
                create_untrusted_context().wrap_socket(server, server_side=True)
            )
        thread = threading.Thread(target=lambda: serve(server.accept()[0]), daemon=True)
        thread.start()
        yield f"http{'s' * tls}://{host}:{server.getsockname()[1]}"
        thread.join(5)

"""``python -m tests.benchmarks.image_memory``: memory needed to write a 1.5 MB image.

The server runs in its own process. Each run prints two figures, as in ``speech_memory``. The
``openai`` client, whose users decode the base64 themselves, is measured for comparison.
Goal: at most 1.5 MB more than before the call.
"""

import asyncio
import base64
import multiprocessing
import socket
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import openai

from orq_router_integrations import OrqImageTool
from tests.benchmarks.speech_memory import measure_memory

SIZE = 1_500_000
GOAL = 1_500_000
CHUNK = 16_384
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
MODEL = "openai/gpt-image-1"


def create_response_body(size: int) -> bytes:
    """Create a response with one image of ``size`` bytes."""
    image = b"\x89PNG\r\n\x1a\n" + bytes(size - 8)
    return b'{"created":1,"data":[{"b64_json":"' + base64.b64encode(image) + b'"}]}'


def serve(listener: socket.socket, size: int) -> None:
    """Answer every request with an image of this size, in chunks."""
    body = create_response_body(size)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_send_response, args=(connection, body), daemon=True).start()


def _send_response(connection: socket.socket, body: bytes) -> None:
    with connection:
        while request := connection.recv(65_536):
            while b"\r\n\r\n" not in request or not request.endswith(b"}"):
                request += connection.recv(65_536)
            connection.sendall(HEAD % len(body))
            for start in range(0, len(body), CHUNK):
                connection.sendall(body[start : start + CHUNK])


def create_runs(folder: Path, url: str) -> dict[str, Callable[[], object]]:
    """Return the calls to measure, by name."""
    settings = {"model": MODEL, "base_url": url, "api_key": "any"}
    tool, loop = OrqImageTool(**settings, directory=folder), asyncio.new_event_loop()
    memory_tool = OrqImageTool(**settings)
    openai_client = openai.OpenAI(base_url=url, api_key="any")

    def generate_with_openai() -> None:
        image = openai_client.images.generate(model=MODEL, prompt="boat").data[0]
        (folder / "openai.png").write_bytes(base64.b64decode(image.b64_json))

    return {
        "sync, to a file": lambda: tool.generate("boat"),
        "async, to a file": lambda: loop.run_until_complete(tool.agenerate("boat")),
        "sync, in memory": lambda: memory_tool.generate("boat"),
        "openai client, to a file": generate_with_openai,
    }


def main() -> None:
    """Measure, and print a line per run."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = multiprocessing.Process(target=serve, args=(listener, SIZE), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v3/router"
    print(f"an image of {SIZE / 1e6:g} MB; goal for a file: at most {GOAL / 1e6:g} MB")
    with tempfile.TemporaryDirectory() as folder:
        for name, work in create_runs(Path(folder), url).items():
            peak, resident = measure_memory(work)
            print(f"{name:26} {peak / 1e6:6.2f} MB allocated, {resident / 1e6:6.2f} MB resident")
    server.terminate()


if __name__ == "__main__":
    main()

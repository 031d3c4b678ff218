"""``python -m tests.benchmarks.speech_memory``: memory needed to write 5 MB of speech.

The server runs in its own process. Each run prints two figures: the peak of what Python allocated
(tracemalloc), and the growth of the resident memory of this process, which for the first run
includes what a first call imports. Goal: at most 1 MB more than before the call.
"""

import asyncio
import multiprocessing
import resource
import socket
import tempfile
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from orq_router_integrations import OrqSpeechTool
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header

SIZE = 5_000_000
GOAL = 1_000_000
CHUNK = 16_384
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n\r\n"
SENTENCES = "This is a sentence. " * 8


def serve(listener: socket.socket, size: int) -> None:
    """Answer every request with a WAV of this size, in chunks."""
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_send_response, args=(connection, size), daemon=True).start()


def _send_response(connection: socket.socket, size: int) -> None:
    with connection:
        while request := connection.recv(65_536):
            while b"\r\n\r\n" not in request or not request.endswith(b"}"):
                request += connection.recv(65_536)
            header = build_wav_header(build_pcm_format(24_000), None)
            connection.sendall(HEAD + b"%x\r\n%s\r\n" % (len(header), header))
            for start in range(len(header), size, CHUNK):
                piece = bytes(min(CHUNK, size - start))
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.sendall(b"0\r\n\r\n")


def measure_memory(work: Callable[[], object]) -> tuple[int, int]:
    """Return the peak memory of some work in bytes: traced by Python, and resident."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    work()
    resident = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    tracemalloc.start()
    tracemalloc.reset_peak()
    level = tracemalloc.get_traced_memory()[0]
    work()
    peak = tracemalloc.get_traced_memory()[1] - level
    tracemalloc.stop()
    return peak, resident


def create_runs(folder: Path, url: str) -> dict[str, Callable[[], object]]:
    """Return the calls to measure, by name."""
    settings = {"model": "openai/tts-1", "voice": "alloy", "base_url": url, "api_key": "any"}
    tool = OrqSpeechTool(**settings)
    joining_tool = OrqSpeechTool(**settings, max_chars=80)
    path, loop = folder / "speech.wav", asyncio.new_event_loop()
    return {
        "sync": lambda: tool.synthesize_to_file(SENTENCES, path),
        "async": lambda: loop.run_until_complete(tool.asynthesize_to_file(SENTENCES, path)),
        "sync, two pieces joined": lambda: joining_tool.synthesize_to_file(SENTENCES, path),
        "async, two pieces joined": lambda: loop.run_until_complete(
            joining_tool.asynthesize_to_file(SENTENCES, path)
        ),
    }


def main() -> None:
    """Measure, and print a line per run."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = multiprocessing.Process(target=serve, args=(listener, SIZE), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/v3/router"
    print(f"{SIZE / 1e6:g} MB of speech to a file; goal: at most {GOAL / 1e6:g} MB")
    with tempfile.TemporaryDirectory() as folder:
        for name, work in create_runs(Path(folder), url).items():
            peak, resident = measure_memory(work)
            allocated = f"{peak / 1e6:6.2f} MB allocated ({'ok' if peak <= GOAL else 'TOO MUCH'})"
            print(f"{name:26} {allocated}, {resident / 1e6:6.2f} MB resident")
    server.terminate()


if __name__ == "__main__":
    main()

"""The server of the benchmarks, which runs in its own process, on its own core.

The first segment of a path says how it answers: ``/stream-text/v3/router/chat/completions``.
"""

import asyncio
import base64
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import NamedTuple

import orjson

from tests.faults.certificate import create_untrusted_context

CHUNKS = 1000
PACE = 0.001
THINKING = 0.05
PAUSE = 0.3
PICTURE, SPEECH = 1_500_000, 5_000_000
SERVER_CORE, CLIENT_CORE = 1, 0
HOST = "nobody.invalid"
"""Host of the certificate, which does not exist."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_USAGE = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
_HEAD = {"id": "chatcmpl-1", "created": 1760000000, "model": "gpt-4o-2024-08-06"}
_TEXT = "A router sends each packet on towards the network it is meant for."


def _build_response(data: dict[str, object]) -> bytes:
    body = orjson.dumps(data)
    return b"\r\n".join(
        [
            b"HTTP/1.1 200 OK",
            b"Content-Type: application/json",
            b"x-orq-trace-id: 01JB",
            b"Content-Length: %d" % len(body),
            b"",
            body,
        ]
    )


def _build_completion() -> bytes:
    message = {"role": "assistant", "content": _TEXT, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return _build_response(
        {**_HEAD, "object": "chat.completion", "choices": [choice], "usage": _USAGE}
    )


def _encode_event(delta: dict[str, object], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    data = {**_HEAD, "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: %s\n\n" % orjson.dumps(data)


def _encode_chunk(event: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(event), event)


def _build_stream(deltas: list[dict[str, object]]) -> list[bytes]:
    """Build the response head and its events, one HTTP chunk each."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    events = [
        *(_encode_event(delta) for delta in deltas),
        _encode_event({}, "stop"),
        b"data: [DONE]\n\n",
    ]
    return [head, *(_encode_chunk(event) for event in events), b"0\r\n\r\n"]


def _build_image_response() -> bytes:
    data = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(PICTURE)).decode()
    return _build_response({"created": 1760000000, "data": [{"b64_json": data}]})


def _build_speech_response() -> list[bytes]:
    """Build audio in two chunks, the second of which is delayed."""
    size = SPEECH - 44
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", size + 36, b"WAVE", b"fmt ", 16, 1, 1, 24000, 48000, 2, 16, b"data", size),
    )
    http = b"HTTP/1.1 200 OK\r\nContent-Type: audio/wav\r\nContent-Length: %d\r\n\r\n" % SPEECH
    return [http + head + bytes(4096), bytes(size - 4096)]


def _build_embeddings(count: int) -> bytes:
    """Build base64 vectors of 1,536 dimensions."""
    vector = base64.b64encode(struct.pack("<1536f", *(n / 1536 for n in range(1536)))).decode()
    data = [{"object": "embedding", "index": n, "embedding": vector} for n in range(count)]
    return _build_response({"object": "list", "data": data, "model": "m", "usage": _USAGE})


def _build_scores(count: int) -> bytes:
    results = [{"object": "rerank", "index": n, "relevance_score": 0.5} for n in range(count)]
    return _build_response({"object": "list", "results": results})


def _build_transcript(count: int) -> bytes:
    """Build a transcript with timed words, 150 per minute, in segments of ten."""
    texts = [f"word{n % 500}" for n in range(count)]
    words = [{"word": text, "start": n * 0.4, "end": n * 0.4 + 0.3} for n, text in enumerate(texts)]
    segments = [
        {"start": n * 0.4, "end": (n + 10) * 0.4, "text": " ".join(texts[n : n + 10])}
        for n in range(0, count, 10)
    ]
    duration = count * 0.4
    data = {"text": " ".join(texts), "duration": duration, "words": words, "segments": segments}
    return _build_response({**data, "language": "english"})


def _create_text_deltas(count: int) -> list[dict[str, object]]:
    return [{"role": "assistant", "content": ""}, *({"content": " word"} for _ in range(count))]


def _create_tool_deltas(count: int) -> list[dict[str, object]]:
    """Create one tool call whose arguments arrive in ``count`` fragments."""
    header = {"index": 0, "id": "call_1", "type": "function"}
    first = {"tool_calls": [{**header, "function": {"name": "search", "arguments": ""}}]}
    pieces = ['{"query": "', *(["word "] * (count - 2)), '"}']
    arguments = [{"tool_calls": [{"index": 0, "function": {"arguments": p}}]} for p in pieces]
    return [first, *arguments]


@lru_cache
def _build_answer(kind: bytes) -> list[bytes]:
    """Return the chunks of an answer; only the first of paced ones is written immediately."""
    name, _, count = kind.decode().partition(".")
    size = int(count or CHUNKS)
    answers: dict[str, Callable[[], list[bytes]]] = {
        "whole": lambda: [_build_completion()],
        "late": lambda: [_build_completion()],
        "text": lambda: [b"".join(_build_stream(_create_text_deltas(size)))],
        "tool": lambda: [b"".join(_build_stream(_create_tool_deltas(size)))],
        "picture": lambda: [_build_image_response()],
        "transcript": lambda: [_build_response({"text": _TEXT})],
        "words": lambda: [_build_transcript(size)],
        "speech": _build_speech_response,
        "vectors": lambda: [_build_embeddings(size)],
        "scores": lambda: [_build_scores(size)],
        "paced": lambda: _build_stream(_create_text_deltas(size)),
    }
    return answers[name]()


class Connection(asyncio.Protocol):
    """One connection: discards requests and sends prepared answers."""

    accepted = 0

    def __init__(self) -> None:
        self._head = b""
        self._missing = 0
        self._kind = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        Connection.accepted += 1

    def data_received(self, data: bytes) -> None:
        if not self._missing:
            self._head += data
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._head, 0, end + 2)
            self._kind = self._head[: self._head.index(b"\r\n")].split(b"/")[1].split(b" ")[0]
            self._missing = int(length[1]) if length else 0
            data, self._head = self._head[end + 4 :], b""
        self._missing -= len(data)
        if not self._missing:
            self._reply()

    def _reply(self) -> None:
        if self._kind == b"accepted":
            Connection.accepted -= 1  # the one that asks
            self._transport.write(_build_response({"accepted": Connection.accepted}))
            return
        pieces = _build_answer(self._kind)
        if self._kind == b"late":
            asyncio.get_running_loop().call_later(THINKING, self._transport.write, pieces[0])
            return
        self._transport.write(pieces[0])
        if len(pieces) > 1:
            pace = PAUSE if self._kind == b"speech" else PACE
            self._task = asyncio.ensure_future(self._write_paced(pieces[1:], pace))

    async def _write_paced(self, pieces: list[bytes], pace: float) -> None:
        for piece in pieces:
            await asyncio.sleep(pace)
            self._transport.write(piece)


class Tunnel(asyncio.Protocol):
    """A proxy connection: opens a tunnel to a port of this machine, whatever the host."""

    def __init__(self) -> None:
        self._peer: asyncio.WriteTransport | None = None
        self._head = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._peer:
            self._peer.write(data)
            return
        self._head += data
        if self._head.endswith(b"\r\n\r\n"):
            self._task = asyncio.ensure_future(self._connect(self._head.split()[1]))

    async def _connect(self, target: bytes) -> None:
        loop, tunnel = asyncio.get_running_loop(), Tunnel()
        port = int(target.rpartition(b":")[2])
        self._peer, _ = await loop.create_connection(lambda: tunnel, "127.0.0.1", port)
        tunnel._peer = self._transport
        self._transport.write(b"HTTP/1.1 200 OK\r\n\r\n")

    def connection_lost(self, error: Exception | None) -> None:
        if self._peer:
            self._peer.close()


class Addresses(NamedTuple):
    """Where the server listens."""

    http: str
    https: str
    proxy: str


async def _serve() -> None:
    loop, ports = asyncio.get_running_loop(), []
    for create, context in (
        (Connection, None),
        (Connection, create_untrusted_context()),
        (Tunnel, None),
    ):
        server = await loop.create_server(create, "127.0.0.1", 0, backlog=1024, ssl=context)
        ports.append(server.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    await server.serve_forever()


def pin_to_core(core: int) -> None:
    """Keep this process on one core, where the system supports it."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {core})


@contextmanager
def run_server() -> Iterator[Addresses]:
    """Run the server in another process and yield its addresses."""
    command = [sys.executable, "-m", "tests.benchmarks.server"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            http, https, proxy = process.stdout.readline().split()
            yield Addresses(
                f"http://127.0.0.1:{http}", f"https://{HOST}:{https}", f"http://127.0.0.1:{proxy}"
            )
        finally:
            process.terminate()


if __name__ == "__main__":
    pin_to_core(SERVER_CORE)
    asyncio.run(_serve())

"""A local HTTP server for many routers, and a router with a fixed response."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson

COMMON_FIELDS = {
    "id": "chatcmpl-1",
    "created": 1760000000,
    "model": "gpt-4o",
    "system_fingerprint": "fp",
}
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}
DONE = b"data: [DONE]\n\n"


class RouterServer:
    """Serves many routers, each below its own path.

    If a client keeps sending requests after its check has ended, it does not disturb other checks.
    """

    latency = 0.0

    def __init__(self) -> None:
        self.root = ""
        self.requests: list[Any] = []  # always empty: each router has its own
        self._routers: list[Any] = []

    def add(self, router: Any, prefix: str) -> str:
        """Start to serve a router, and return its base URL."""
        self._routers.append(router)
        return f"{self.root}/{len(self._routers) - 1}/{prefix}"

    def handle(self, request: httpx.Request) -> httpx.Response:
        return self._routers[int(request.url.path.split("/")[1])].handle(request)


class FixedRouter:
    """Answers every request with the same response, which the offline router would not send."""

    def __init__(self, *, body: Any = None, stream: httpx.AsyncByteStream | None = None) -> None:
        self._body = body
        self._stream = stream
        self.requests: list[Any] = []

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(orjson.loads(request.content))
        if self._stream is None:
            return httpx.Response(200, json=self._body)
        headers = {"content-type": "text/event-stream"}
        return httpx.Response(200, headers=headers, stream=self._stream)


class PacedEvents(httpx.AsyncByteStream):
    """Events of a chat stream, with a pause in seconds before each."""

    def __init__(self, *events: bytes, pause: float = 0) -> None:
        self._events = events
        self._pause = pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self._events:
            await asyncio.sleep(self._pause)
            yield event


def create_chunk(*, finish: str | None = None, **delta: Any) -> bytes:
    """Create an event with a part of the answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    body = {**COMMON_FIELDS, "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: %s\n\n" % orjson.dumps(body)


def create_completion(**message: Any) -> dict[str, Any]:
    """Create the body of a complete answer."""
    full_message = {"role": "assistant", "content": "Here.", "refusal": None, **message}
    choice = {"index": 0, "message": full_message, "finish_reason": "stop", "logprobs": None}
    return {**COMMON_FIELDS, "object": "chat.completion", "choices": [choice], "usage": USAGE}

"""One HTTP server on this machine, that serves many routers, and a router that is scripted."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson

HEAD = {"id": "chatcmpl-1", "created": 1760000000, "model": "gpt-4o", "system_fingerprint": "fp"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


DONE = b"data: [DONE]\n\n"


class Stage:
    """What ``asgi_app`` serves: many routers, each below a folder of its own.

    So a client that goes on asking, after its check is over, disturbs no other check.
    """

    def __init__(self) -> None:
        self.root = ""
        self._routers: list[Any] = []

    def url(self, router: Any, prefix: str) -> str:
        """The base URL of this router, which is served from now on."""
        self._routers.append(router)
        return f"{self.root}/{len(self._routers) - 1}/{prefix}"

    def handle(self, request: httpx.Request) -> httpx.Response:
        return self._routers[int(request.url.path.split("/")[1])].handle(request)


class Scripted:
    """Answers every request with the same reply: what the offline router would never say."""

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


class Events(httpx.AsyncByteStream):
    """Events of a chat stream, each so many seconds after the one before."""

    def __init__(self, *events: bytes, pause: float = 0) -> None:
        self._events = events
        self._pause = pause

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self._events:
            await asyncio.sleep(self._pause)
            yield event


def chunk(*, finish: str | None = None, **delta: Any) -> bytes:
    """An event with a piece of the answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    body = {**HEAD, "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: %s\n\n" % orjson.dumps(body)


def completion(**message: Any) -> dict[str, Any]:
    """The body of a whole answer."""
    said = {"role": "assistant", "content": "Here.", "refusal": None, **message}
    choice = {"index": 0, "message": said, "finish_reason": "stop", "logprobs": None}
    return {**HEAD, "object": "chat.completion", "choices": [choice], "usage": USAGE}

"""A scripted router, and sync and async callers with one interface, for tests of the client."""

import asyncio
import types
from collections.abc import Callable, Iterable, Iterator
from contextlib import aclosing, closing
from functools import partial
from typing import Any

import httpx
import pytest

from orq_router_integrations import RouterClient
from orq_router_integrations.wire.call import Call, Response, StreamCall
from orq_router_integrations.wire.chat_completions import ChatStreamDecoder, parse_completion
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS

KEY = "sk-orq-nobodys-key.0123456789"
BODY = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}


def create_call(**options: Any) -> Call[Any]:
    """Create a call that is answered with a completion."""
    defaults = {"endpoint": CHAT_COMPLETIONS, "body": BODY, "parse": parse_completion}
    return Call(**defaults | options)


class TextDecoder:
    """Decode a chat stream to chunks of text."""

    def __init__(self, _: Response) -> None:
        self._chunks = ChatStreamDecoder()
        self.partial = ""

    @property
    def done(self) -> bool:
        return self._chunks.done

    def feed(self, data: bytes) -> Iterator[str]:
        for chunk in self._chunks.feed(data):
            text = chunk["choices"][0]["delta"].get("content", "")
            self.partial += text
            yield text

    def finish(self) -> Iterable[str]:
        self._chunks.finish()
        return ()


def create_stream_call(**options: Any) -> StreamCall[str]:
    """Create a streamed call that yields text."""
    defaults = {"endpoint": CHAT_COMPLETIONS, "body": BODY, "create_decoder": TextDecoder}
    return StreamCall(**defaults | options)


def encode_event(text: str, finish: str = "") -> bytes:
    """Encode one event of a chat stream."""
    reason = f'"{finish}"' if finish else "null"
    delta = f'{{"index":0,"delta":{{"content":"{text}"}},"finish_reason":{reason}}}'
    return f'data: {{"choices":[{delta}]}}\n\n'.encode()


DONE = b"data: [DONE]\n\n"


class ResponseBody(httpx.SyncByteStream, httpx.AsyncByteStream):
    """Response body in chunks; exceptions among them are raised. Records whether it was closed."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = pieces
        self.closed = False

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def __aiter__(self) -> Any:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed = True

    async def aclose(self) -> None:
        self.closed = True


def respond(status: int = 200, json: Any = ANSWER, **headers: str) -> Callable[..., httpx.Response]:
    """Create a step that returns a complete response."""
    response_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, json=json, headers=response_headers)


def respond_with_stream(
    *pieces: bytes | Exception, kind: str = "text/event-stream"
) -> Callable[..., Any]:
    """Create a step that returns a streamed response."""
    headers = {"content-type": kind}
    return lambda _: httpx.Response(200, headers=headers, stream=ResponseBody(*pieces))


class Script:
    """Answer each request with the next step, repeating the last one, and record the requests."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps or (respond(),)
        self.requests: list[httpx.Request] = []
        self.replies: list[httpx.Response] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self.steps[min(len(self.requests), len(self.steps)) - 1]
        if isinstance(step, Exception):
            raise type(step)(*step.args)
        self.replies.append(step(request))
        return self.replies[-1]

    @property
    def sent(self) -> int:
        """Number of requests."""
        return len(self.requests)

    def headers(self, name: str) -> list[str | None]:
        """Values of a header, one for each request."""
        return [request.headers.get(name) for request in self.requests]


def create_client(script: Callable[..., Any], **settings: Any) -> RouterClient:
    """Create a client whose network is the script."""
    return RouterClient(
        **{"api_key": KEY} | settings,
        http_client=httpx.Client(transport=httpx.MockTransport(script)),
        http_async_client=httpx.AsyncClient(transport=httpx.MockTransport(script)),
    )


class SyncCaller:
    """Call a client with its sync methods, and check that no connection stays open."""

    def send(self, client: RouterClient, call: Call[Any], *, times: int = 1) -> Any:
        """Return the answer of the call, or of the last one of several."""
        with client:
            return [client.send(call) for _ in range(times)][-1]

    def stream(self, client: RouterClient, call: StreamCall[str], into: Any = None) -> list[str]:
        items = [] if into is None else into
        with client:
            for item in client.stream(call):
                items.append(item)
        return items

    def first(self, client: RouterClient, call: StreamCall[str]) -> str:
        """Return the first item of a stream and close the stream."""
        with client, closing(client.stream(call)) as stream:
            return next(stream)


class AsyncCaller:
    """Call a client with its async methods, each time in a new event loop."""

    def send(self, client: RouterClient, call: Call[Any], *, times: int = 1) -> Any:
        async def ask() -> Any:
            async with client:
                return [await client.asend(call) for _ in range(times)][-1]

        return asyncio.run(ask())

    def stream(self, client: RouterClient, call: StreamCall[str], into: Any = None) -> list[str]:
        items = [] if into is None else into

        async def collect() -> None:
            async with client:
                async for item in client.astream(call):
                    items.append(item)

        asyncio.run(collect())
        return items

    def first(self, client: RouterClient, call: StreamCall[str]) -> str:
        async def take() -> str:
            async with client, aclosing(client.astream(call)) as stream:
                return await anext(stream)

        return asyncio.run(take())


Caller = SyncCaller | AsyncCaller
both_callers = pytest.mark.parametrize(
    "caller", [SyncCaller(), AsyncCaller()], ids=["sync", "async"]
)


def record_sleeps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Skip the delays between attempts, and record their lengths."""
    pauses: list[float] = []
    sleep = asyncio.sleep

    def record(_: object, seconds: float) -> None:
        if seconds:
            pauses.append(seconds)

    async def asleep(seconds: float) -> None:
        record(None, seconds)
        await sleep(0)

    nap = types.SimpleNamespace(sleep=partial(record, None))
    monkeypatch.setattr("tenacity.nap.time", nap)
    monkeypatch.setattr("asyncio.sleep", asleep)
    monkeypatch.setattr("orq_router_integrations._http.pace.Gate.reject", record)
    return pauses

"""The contenders and their inputs."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import StructuredTool
from langchain_openai import ChatOpenAI

from orq_router_integrations import ChatOrq
from tests.benchmarks.floor import MinimalChatModel
from tests.benchmarks.measuring import FLOOR, OPENAI, OURS

KEY = "sk-orq-example"
QUESTION = "What is a router?"
LOOP = asyncio.new_event_loop()


def create_models(url: str) -> dict[str, Any]:
    """Create one model of each contender."""
    return {name: make(url) for name, make in MAKERS.items()}


MAKERS: dict[str, Callable[[str], Any]] = {
    OURS: lambda url: ChatOrq(model="openai/gpt-4o", base_url=url, api_key=KEY),
    FLOOR: lambda url: MinimalChatModel(base_url=url, api_key=KEY),
    OPENAI: lambda url: ChatOpenAI(model="openai/gpt-4o", base_url=url, api_key=KEY),
}


def build_base_url(server: str, kind: str) -> str:
    """Return the base URL under which the server answers in one way."""
    return f"{server}/{kind}/v3/router"


def create_history(messages: int) -> list[Any]:
    """Create a conversation that ends with a question."""
    turns = [
        HumanMessage(f"Question {n}: {QUESTION}")
        if n % 2
        else AIMessage(f"Answer {n}: it sends each packet on towards its network.")
        for n in range(messages - 2)
    ]
    return [SystemMessage("You are brief."), *turns, HumanMessage(QUESTION)][-messages:]


def create_tools() -> list[StructuredTool]:
    """Create tools with three arguments each."""

    def look_up(query: str, limit: int = 10, language: str = "en") -> str:
        """Look something up in a collection of documents."""
        return query + language * limit

    return [StructuredTool.from_function(look_up, name=f"look_up_{n}") for n in range(20)]


class Listener(BaseCallbackHandler):
    """A tracer that handles every event and does nothing."""

    def on_chat_model_start(self, *_: Any, **__: Any) -> None:
        """Ignore the event."""

    def on_llm_new_token(self, *_: Any, **__: Any) -> None:
        """Ignore the event."""

    def on_llm_end(self, *_: Any, **__: Any) -> None:
        """Ignore the event."""


def run_async(make: Callable[[], Coroutine[Any, Any, Any]]) -> Callable[[], Any]:
    """Convert async work to a function. All of it runs in one event loop."""
    return lambda: LOOP.run_until_complete(make())


class RawSocketClient:
    """The lower bound: a socket that sends a prepared request and waits for the end."""

    def __init__(self, url: str, end: bytes) -> None:
        parts = urlsplit(url)
        body = b'{"model":"openai/gpt-4o","messages":[{"role":"user","content":"%s"}]}'
        data = body % QUESTION.encode()
        head = f"POST {parts.path}/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: "
        self._request = head.encode() + b"%d\r\n\r\n" % len(data) + data
        self._end = end
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 80))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def call(self) -> None:
        """Send one request and read its response to the end."""
        self._socket.sendall(self._request)
        tail = b""
        while not tail.endswith(self._end):
            tail = (tail + self._socket.recv(65536))[-len(self._end) :]

"""A desk to ask the offline router from: plain httpx, no package client in between."""

import base64
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.wire.sse import SSEDecoder

ASSETS = Path(__file__).parents[2] / "orq_router_integrations" / "assets"


class Desk:
    """One router and one httpx client of it."""

    def __init__(self, router: OfflineRouter, http: httpx.Client) -> None:
        self.router = router
        self.http = http

    def post(self, body: dict[str, Any] | None = None, **members: Any) -> httpx.Response:
        """A chat request: a short one, with these members in it."""
        prefix = members.pop("prefix", "v3/router")
        messages = [{"role": "user", "content": members.pop("text", "hi")}]
        whole = {"model": "openai/gpt-4o", "messages": messages} | members | (body or {})
        return self.http.post(f"/{prefix}/chat/completions", json=whole)

    def answer(self, **members: Any) -> dict[str, Any]:
        """The reply, which must be a good one."""
        reply = self.post(**members)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def message(self, **members: Any) -> dict[str, Any]:
        return self.answer(**members)["choices"][0]["message"]

    def error(self, status: int, **members: Any) -> dict[str, Any]:
        """The error, which must have this status."""
        reply = self.post(**members)
        assert reply.status_code == status, reply.text
        return reply.json()["error"]

    def chunks(self, **members: Any) -> list[Any]:
        """What a stream carries, the mark of its end included."""
        return events(self.post(stream=True, **members))

    @property
    def asked(self) -> list[tuple[str, int]]:
        return [(call.model, call.status) for call in self.router.log]


class ResponsesDesk(Desk):
    """The same for /responses."""

    def post(self, body: dict[str, Any] | None = None, **members: Any) -> httpx.Response:
        """A request for a response: a short one, with these members in it."""
        prefix = members.pop("prefix", "v3/router")
        whole = {"model": "openai/gpt-4o", "input": "hi"} | members | (body or {})
        return self.http.post(f"/{prefix}/responses", json=whole)

    def get(self, id_: str) -> httpx.Response:
        return self.http.get(f"/v3/router/responses/{id_}")

    def message(self, **members: Any) -> dict[str, Any]:
        """The message in the output."""
        return self.item("message", **members)

    def item(self, kind: str, **members: Any) -> dict[str, Any]:
        """The one output item of this type."""
        (item,) = [item for item in self.answer(**members)["output"] if item["type"] == kind]
        return item

    def text(self, **members: Any) -> str:
        """The text of the answer."""
        return "".join(part["text"] for part in self.message(**members)["content"])


def events(reply: httpx.Response) -> list[Any]:
    found = [data for data, _ in SSEDecoder().feed(reply.read())]
    return [data.decode() if data == b"[DONE]" else orjson.loads(data) for data in found]


@pytest.fixture
def desk() -> Iterator[Callable[..., Desk]]:
    with ExitStack() as stack:
        yield partial(_sit_down, stack, Desk)


@pytest.fixture
def respond() -> Iterator[Callable[..., ResponsesDesk]]:
    with ExitStack() as stack:
        yield partial(_sit_down, stack, ResponsesDesk)


def _sit_down(stack: ExitStack, kind: type[Desk], **settings: Any) -> Any:
    router = OfflineRouter(**settings)
    headers = {"Authorization": "Bearer any-key"}
    http = httpx.Client(transport=router.transport, base_url="https://any.host", headers=headers)
    return kind(router, stack.enter_context(http))


class Clock:
    """A clock that only tests move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _uri(mime_type: str, data: bytes) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


@pytest.fixture
def chart() -> dict[str, Any]:
    url = _uri("image/png", (ASSETS / "chart.png").read_bytes())
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.fixture
def report() -> dict[str, Any]:
    data = _uri("application/pdf", (ASSETS / "report.pdf").read_bytes())
    return {"type": "file", "file": {"file_data": data, "filename": "report.pdf"}}


@pytest.fixture
def question() -> dict[str, Any]:
    data = base64.b64encode((ASSETS / "question.wav").read_bytes()).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


@pytest.fixture
def weather() -> dict[str, Any]:
    return function("get_weather", "The weather of a place", location={"type": "string"})


def function(name: str, description: str = "", /, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    body = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": body}


def flat(name: str, description: str = "", /, **properties: Any) -> dict[str, Any]:
    """The same tool as /responses has it."""
    return {"type": "function", **function(name, description, **properties)["function"]}


@pytest.fixture
def tool() -> Callable[..., dict[str, Any]]:
    return function


@pytest.fixture
def flat_tool() -> Callable[..., dict[str, Any]]:
    return flat

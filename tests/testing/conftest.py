"""Fixtures of the offline router's tests: HTTP clients, tools and content parts."""

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
from orq_router_integrations.wire.event_stream import SSEDecoder

ASSETS = Path(__file__).parents[2] / "orq_router_integrations" / "assets"


class ChatClient:
    """An httpx client that sends chat completion requests to a new offline router.

    Keyword arguments of the methods are fields of the request body, added to a minimal valid body.
    ``prefix`` replaces ``v3/router`` and ``text`` the user's text.
    """

    def __init__(self, router: OfflineRouter, http: httpx.Client) -> None:
        self.router = router
        self.http = http

    def post(self, body: dict[str, Any] | None = None, **fields: Any) -> httpx.Response:
        prefix = fields.pop("prefix", "v3/router")
        messages = [{"role": "user", "content": fields.pop("text", "hi")}]
        payload = {"model": "openai/gpt-4o", "messages": messages} | fields | (body or {})
        return self.http.post(f"/{prefix}/chat/completions", json=payload)

    def complete(self, **fields: Any) -> dict[str, Any]:
        """Return the body of a successful response."""
        response = self.post(**fields)
        assert response.status_code == 200, response.text
        return response.json()

    def get_message(self, **fields: Any) -> dict[str, Any]:
        return self.complete(**fields)["choices"][0]["message"]

    def get_error(self, status: int, **fields: Any) -> dict[str, Any]:
        """Return the error of a response that has this status."""
        response = self.post(**fields)
        assert response.status_code == status, response.text
        return response.json()["error"]

    def stream(self, **fields: Any) -> list[Any]:
        """Return the parsed events of a stream, including ``[DONE]``."""
        return parse_events(self.post(stream=True, **fields))

    @property
    def provider_calls(self) -> list[tuple[str, int]]:
        """Model and status of each call to a provider."""
        return [(call.model, call.status) for call in self.router.log]


class ResponsesClient(ChatClient):
    """An httpx client that sends requests to ``/responses`` of a new offline router."""

    def post(self, body: dict[str, Any] | None = None, **fields: Any) -> httpx.Response:
        prefix = fields.pop("prefix", "v3/router")
        payload = {"model": "openai/gpt-4o", "input": "hi"} | fields | (body or {})
        return self.http.post(f"/{prefix}/responses", json=payload)

    def get_stored(self, id_: str) -> httpx.Response:
        return self.http.get(f"/v3/router/responses/{id_}")

    def get_message(self, **fields: Any) -> dict[str, Any]:
        return self.get_item("message", **fields)

    def get_item(self, item_type: str, **fields: Any) -> dict[str, Any]:
        """Return the only output item of a type."""
        (item,) = [item for item in self.complete(**fields)["output"] if item["type"] == item_type]
        return item

    def get_text(self, **fields: Any) -> str:
        return "".join(part["text"] for part in self.get_message(**fields)["content"])


def parse_events(response: httpx.Response) -> list[Any]:
    events = [data for data, _ in SSEDecoder().feed(response.read())]
    return [data.decode() if data == b"[DONE]" else orjson.loads(data) for data in events]


@pytest.fixture
def create_chat() -> Iterator[Callable[..., ChatClient]]:
    """Create a client of /chat/completions. Arguments are those of ``OfflineRouter``."""
    with ExitStack() as stack:
        yield partial(_create_client, stack, ChatClient)


@pytest.fixture
def create_responses() -> Iterator[Callable[..., ResponsesClient]]:
    """Create a client of /responses. Arguments are those of ``OfflineRouter``."""
    with ExitStack() as stack:
        yield partial(_create_client, stack, ResponsesClient)


def _create_client(stack: ExitStack, client_class: type[ChatClient], **settings: Any) -> Any:
    router = OfflineRouter(**settings)
    headers = {"Authorization": "Bearer any-key"}
    http = httpx.Client(transport=router.transport, base_url="https://any.host", headers=headers)
    return client_class(router, stack.enter_context(http))


class Clock:
    """A clock that only advances when a test sets ``now``."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _build_data_url(mime_type: str, data: bytes) -> str:
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


@pytest.fixture
def image_part() -> dict[str, Any]:
    url = _build_data_url("image/png", (ASSETS / "chart.png").read_bytes())
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.fixture
def file_part() -> dict[str, Any]:
    data = _build_data_url("application/pdf", (ASSETS / "report.pdf").read_bytes())
    return {"type": "file", "file": {"file_data": data, "filename": "report.pdf"}}


@pytest.fixture
def audio_part() -> dict[str, Any]:
    data = base64.b64encode((ASSETS / "question.wav").read_bytes()).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


@pytest.fixture
def weather_tool() -> dict[str, Any]:
    return _build_tool("get_weather", "The weather of a place", location={"type": "string"})


@pytest.fixture
def create_tool() -> Callable[..., dict[str, Any]]:
    """Create a tool in the format of /chat/completions."""
    return _build_tool


@pytest.fixture
def create_responses_tool() -> Callable[..., dict[str, Any]]:
    """Create a tool in the format of /responses."""
    return _build_responses_tool


def _build_tool(name: str, description: str = "", /, **properties: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": name, "description": description, "parameters": schema}
    return {"type": "function", "function": function}


def _build_responses_tool(name: str, description: str = "", /, **properties: Any) -> dict[str, Any]:
    return {"type": "function", **_build_tool(name, description, **properties)["function"]}

"""The pages in docs/: examples run as printed."""

import asyncio
import re
from collections.abc import AsyncIterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from langchain_core import exceptions as core

import orq_router_integrations
from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient, RouterControls
from orq_router_integrations.settings import RouterSettings
from orq_router_integrations.testing import Fault

DOCS = Path(__file__).parents[1] / "docs"
PUBLIC_OBJECTS = [
    getattr(orq_router_integrations, name) for name in orq_router_integrations.__all__
]
ARGUMENT_CLASSES = [
    cls.__name__
    for cls in PUBLIC_OBJECTS
    if isinstance(cls, type) and issubclass(cls, RouterSettings | RouterControls)
]
EXAMPLE = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if EXAMPLE.search(page.read_text())]


@pytest.fixture(autouse=True)
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-example")


def run_examples(page: Path) -> dict[str, Any]:
    """Run the examples of a page, which build on each other."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for example in EXAMPLE.findall(page.read_text()):
        exec(compile(example, page.name, "exec"), namespace)
    return namespace


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_examples_run_in_order(page: Path) -> None:
    if "ModelRefusalMiddleware" in page.read_text() and not hasattr(core, "ModelRefusalError"):
        pytest.skip("requires langchain-core 1.7.5")
    if "langchain_core.decisions" in page.read_text():
        pytest.importorskip("langchain_core.decisions", reason="requires langchain-core 1.8")
    run_examples(page)


@pytest.fixture(scope="module")
def tables() -> ModuleType:
    spec = spec_from_file_location("generated_tables", DOCS / "_hooks" / "generated_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestGeneratedTables:
    def test_table_of_model_fields(self, tables: ModuleType) -> None:
        table = tables.build_table("arguments", "OrqEmbeddings")
        assert "| `model` | <code>str</code> | required |  | The embedding model" in table
        assert "| `max_batch_tokens` | <code>int</code> | `16000` | tokens |" in table

    def test_table_of_constructor_parameters(self, tables: ModuleType) -> None:
        table = tables.build_table("arguments", "OfflineRouter")
        assert "| `latency` | <code>float</code> | `0.0` | seconds | Real delay" in table

    def test_unit_depends_on_the_class(self, tables: ModuleType) -> None:
        table = tables.build_table("arguments", "RouterControls")
        assert "| `timeout` | <code>RouterTimeout</code> |  | milliseconds |" in table

    @pytest.mark.parametrize("name", ARGUMENT_CLASSES)
    def test_reference_lists_the_arguments(self, name: str) -> None:
        """The descriptions of fields only become docstrings when the package is imported."""
        assert f"<!-- arguments: {name} -->" in (DOCS / "reference.md").read_text()

    def test_table_of_errors_has_statuses(self, tables: ModuleType) -> None:
        assert re.search(r"`RateLimitError` \| .* \| 429 \|", tables.build_table("errors", ""))


class EndlessStream(httpx.AsyncByteStream):
    is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'data: {"choices": [{"index": 0, "delta": {"content": "Hello"}}]}\n\n'
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.is_closed = True


class TestWebService:
    @pytest.fixture
    def service(self) -> dict[str, Any]:
        return run_examples(DOCS / "deployment.md")

    async def post(self, service: dict[str, Any], path: str, **router: Any) -> httpx.Response:
        service["model"] = ChatOrq("openai/gpt-4o", client=OfflineRouter(**router).client())
        transport = httpx.ASGITransport(service["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path, json={"text": "Hi"})

    async def test_question_is_answered(self, service: dict[str, Any]) -> None:
        response = await self.post(service, "/ask", answers={"Hi": "Hello!"})
        assert response.json() == {"text": "Hello!"}

    async def test_answer_is_streamed(self, service: dict[str, Any]) -> None:
        response = await self.post(service, "/stream", answers={"Hi": "Hello!"})
        assert "".join(re.findall(r'^data: "(.*)"$', response.text, re.MULTILINE)) == "Hello!"

    @pytest.mark.parametrize("path", ["/ask", "/stream"])
    @pytest.mark.parametrize(("fault", "status"), [(401, 500), (404, 404)])
    async def test_error_has_a_status(
        self, service: dict[str, Any], path: str, fault: int, status: int
    ) -> None:
        """The client of the service is not at fault if the key of the service is wrong."""
        response = await self.post(service, path, faults={"openai/gpt-4o": fault})
        assert response.status_code == status

    async def test_error_says_when_to_retry(self, service: dict[str, Any]) -> None:
        fault = Fault(status=429, headers={"Retry-After": "90"})
        response = await self.post(service, "/ask", faults={"openai/gpt-4o": fault})
        assert (response.status_code, response.headers["Retry-After"]) == (429, "90")

    async def test_error_in_a_stream_is_an_event(self, service: dict[str, Any]) -> None:
        fault = Fault(status=200, cut_after=2)
        response = await self.post(service, "/stream", faults={"openai/gpt-4o": fault})
        assert response.status_code == 200
        assert "event: error" in response.text

    async def test_disconnect_closes_the_request(self, service: dict[str, Any]) -> None:
        """A server cancels the generator if its client disconnects."""
        body = EndlessStream()
        headers = {"content-type": "text/event-stream"}
        transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=body))
        client = RouterClient(http_async_client=httpx.AsyncClient(transport=transport))
        service["model"] = ChatOrq("openai/gpt-4o", client=client)
        chunks = service["model"].astream("Hi")
        events = service["iter_events"](await anext(chunks), chunks)
        assert await anext(events) == 'data: "Hello"\n\n'
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), timeout=0.01)
        assert body.is_closed

"""The pages in docs/: examples run as printed."""

import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from langchain_core import exceptions as core

from orq_router_integrations import ChatOrq, OfflineRouter

DOCS = Path(__file__).parents[1] / "docs"
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
    def test_fields_of_a_model(self, tables: ModuleType) -> None:
        table = tables.build_table("arguments", "OrqEmbeddings")
        assert "| `model` | <code>str</code> | required |  | The embedding model" in table
        assert "| `max_batch_tokens` | <code>int</code> | `16000` | tokens |" in table

    def test_parameters_of_another_class(self, tables: ModuleType) -> None:
        table = tables.build_table("arguments", "OfflineRouter")
        assert "| `latency` | <code>float</code> | `0.0` | seconds | Real delay" in table

    def test_errors_have_a_status(self, tables: ModuleType) -> None:
        assert re.search(r"`RateLimitError` \| .* \| 429 \|", tables.build_table("errors", ""))


class TestWebService:
    @pytest.fixture
    def service(self) -> dict[str, Any]:
        return run_examples(DOCS / "deployment.md")

    async def post(self, service: dict[str, Any], path: str, **router: Any) -> httpx.Response:
        service["model"] = ChatOrq("openai/gpt-4o", client=OfflineRouter(**router).client())
        transport = httpx.ASGITransport(service["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post(path, json={"text": "Hi"})

    async def test_answers(self, service: dict[str, Any]) -> None:
        response = await self.post(service, "/ask", answers={"Hi": "Hello!"})
        assert response.json() == {"text": "Hello!"}

    async def test_streams(self, service: dict[str, Any]) -> None:
        response = await self.post(service, "/stream", answers={"Hi": "Hello!"})
        assert "".join(re.findall(r'^data: "(.*)"$', response.text, re.MULTILINE)) == "Hello!"

    @pytest.mark.parametrize(("fault", "status"), [(401, 500), (404, 404)])
    async def test_error_has_a_status(
        self, service: dict[str, Any], fault: int, status: int
    ) -> None:
        """The client of the service is not at fault if the key of the service is wrong."""
        response = await self.post(service, "/ask", faults={"openai/gpt-4o": fault})
        assert response.status_code == status

    async def test_error_in_a_stream_is_an_event(self, service: dict[str, Any]) -> None:
        response = await self.post(service, "/stream", faults={"openai/gpt-4o": 401})
        assert "event: error" in response.text

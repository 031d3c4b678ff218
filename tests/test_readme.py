"""The README and the pages in docs/: examples run, links resolve, tables match the code."""

import asyncio
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from orq_router_integrations.wire import endpoints
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import ControlLocation, Dialect

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINKS = [
    (page.relative_to(ROOT).as_posix(), link)
    for page in PAGES
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())
]
ENDPOINTS = (
    endpoints.CHAT_COMPLETIONS,
    endpoints.RESPONSES,
    endpoints.IMAGE_GENERATIONS,
    endpoints.IMAGE_EDITS,
    endpoints.SPEECH,
    endpoints.TRANSCRIPTIONS,
    endpoints.EMBEDDINGS,
    endpoints.RERANK,
    endpoints.DECISIONS,
    endpoints.MODERATIONS,
)
CELLS = {ControlLocation.TOP: "yes", ControlLocation.HEADER: "header", None: ""}


EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def run_examples() -> None:
    namespace: dict[str, object] = {}
    for example in EXAMPLES:
        exec(compile(example, "README.md", "exec"), namespace)


async def run_examples_in_a_loop() -> None:
    run_examples()


@pytest.fixture
def empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORQ_API_KEY", raising=False)


@pytest.mark.usefixtures("empty_directory")
@pytest.mark.skipif(not find_spec("langchain_core.decisions"), reason="requires langchain-core 1.8")
class TestExamples:
    @pytest.mark.slow
    def test_run_in_a_script(self) -> None:
        assert len(EXAMPLES) == 10
        run_examples()

    @pytest.mark.slow
    def test_run_in_a_notebook(self) -> None:
        """Cells of a notebook run within an event loop."""
        asyncio.run(run_examples_in_a_loop())


def test_readme_is_short() -> None:
    assert README.count("\n") <= 250


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_link_resolves(page: str, link: str) -> None:
    assert (ROOT / page).parent.joinpath(link).exists()


@pytest.mark.parametrize("anchor", re.findall(r"\]\(#([^)]+)\)", README))
def test_anchor_has_a_heading(anchor: str) -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_project_check_runs_the_test_command() -> None:
    command = re.search(r"<!-- the tests -->\n```sh\n(.*?)\n```", README, re.DOTALL)
    assert command is not None
    assert "pytest" in command[1]
    assert "<!-- the tests -->" in (ROOT / ".ci" / "run").read_text()


def test_control_table_matches_the_code() -> None:
    page = (ROOT / "docs" / "controls.md").read_text()
    table = page.partition("<!-- controls by endpoint -->")[2].partition("\n\n")[0]
    documented = {}
    for line in table.strip().splitlines()[2:]:
        names, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for name in re.findall(r"`(\w+)`", names):
            documented[name] = cells
    assert documented == {
        name: [CELLS[endpoint.locate_control(name, Dialect.V3_ROUTER)] for endpoint in ENDPOINTS]
        for name in RouterControls.model_fields
    }

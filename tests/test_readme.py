"""Everything that the README shows runs."""

import re
from pathlib import Path

import pytest

from orq_router_integrations.wire import endpoints
from orq_router_integrations.wire.control_placement import ControlLocation, locate_control
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Dialect

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_examples_run_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(EXAMPLES) == 13
    monkeypatch.chdir(ROOT)
    monkeypatch.delenv("ORQ_API_KEY", raising=False)
    namespace: dict[str, object] = {}
    for example in EXAMPLES:
        exec(compile(example, "README.md", "exec"), namespace)


@pytest.mark.parametrize("path", re.findall(r"\]\((?!http)([^)#]+)\)", README))
def test_links_into_the_repository_lead_somewhere(path: str) -> None:
    assert (ROOT / path).exists()


@pytest.mark.parametrize("anchor", re.findall(r"\]\(#([^)]+)\)", README))
def test_links_within_the_page_lead_to_a_heading(anchor: str) -> None:
    headings = re.findall(r"^#+ (.+)$", README, re.MULTILINE)
    assert anchor in {re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings}


def test_the_continuous_check_runs_the_readmes_test_command() -> None:
    found = re.search(r"<!-- the tests -->\n```sh\n(.*?)\n```", README, re.DOTALL)
    assert found is not None
    assert "pytest" in found[1]
    assert "<!-- the tests -->" in (ROOT / ".ci" / "run").read_text()


COLUMNS = (
    endpoints.CHAT_COMPLETIONS,
    endpoints.RESPONSES,
    endpoints.IMAGE_GENERATIONS,
    endpoints.IMAGE_EDITS,
    endpoints.SPEECH,
    endpoints.TRANSCRIPTIONS,
)


CELLS = {ControlLocation.TOP: "yes", ControlLocation.HEADER: "header", None: ""}


def test_the_table_of_controls_is_the_clients() -> None:
    table = README.partition("<!-- controls by endpoint -->")[2].partition("\n\n")[0]
    shown = {}
    for line in table.strip().splitlines()[2:]:
        names, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        for name in re.findall(r"`(\w+)`", names):
            shown[name] = cells
    assert shown == {
        name: [CELLS[locate_control(name, endpoint, Dialect.V3_ROUTER)] for endpoint in COLUMNS]
        for name in RouterControls.model_fields
    }

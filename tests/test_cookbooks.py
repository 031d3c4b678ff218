"""The notebooks run with and without an API key, and their committed outputs are up to date."""

import ast
import asyncio
import base64
import difflib
import inspect
import logging
import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from support.notebooks import (
    ALLOW_ONLY_LOOPBACK,
    COOKBOOKS,
    execute_notebooks,
    list_notebooks,
)
from support.served_router import serve_router

from orq_router_integrations import OfflineRouter
from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.testing.images import read_image_text

NOTEBOOKS = list_notebooks()
README = (COOKBOOKS / "README.md").read_text()
UPDATE_COMMAND = "python tests/support/notebooks.py"
BASE64_IMAGE = re.compile(r"(?:iVBORw0KGgo|/9j/)(?:[A-Za-z0-9+/=]|\\\\n){200,}")
INSTALL_COMMANDS = [
    '# %pip install -q "..[cookbooks]"',
    '# %pip install -q "orq-router-integrations[cookbooks]"',
]
API_KEY = "sk-orq-test"
MAX_TOTAL_SIZE = 1_500_000  # bytes

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def executions() -> dict[Path, NotebookNode | BaseException]:
    return execute_notebooks(NOTEBOOKS, setup_code=ALLOW_ONLY_LOOPBACK)


@pytest.fixture(scope="module")
def router_url() -> Iterator[str]:
    with serve_router(OfflineRouter(api_keys=[API_KEY])) as url:
        yield url


@pytest.fixture
def notebook_environment(router_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set an API key and the URL of a served offline router, which replaces the real one."""
    monkeypatch.setenv("ORQ_API_KEY", API_KEY)
    monkeypatch.setenv("ORQ_BASE_URL", router_url)
    monkeypatch.chdir(COOKBOOKS)
    monkeypatch.syspath_prepend(COOKBOOKS)  # for helpers.py, as in a kernel
    logger = logging.getLogger("orq_router_integrations")
    level = logger.level
    yield
    logger.setLevel(level)  # a notebook changes it


def skip_if_core_is_old(path: Path) -> None:
    if "langchain_core.decisions" in path.read_text():
        pytest.importorskip("langchain_core.decisions", reason="requires langchain-core 1.8")


def execute_cell(source: str, namespace: dict[str, Any]) -> None:
    """Execute a cell in this process. The cell may contain ``await``."""
    code = compile(source, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    result = eval(code, namespace)
    if inspect.iscoroutine(result):
        asyncio.run(result)


def list_code_cells(path: Path) -> list[NotebookNode]:
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def serialize_lines(notebook: NotebookNode) -> list[str]:
    """Serialize a notebook for comparison, independently of the version of Pillow."""
    text = BASE64_IMAGE.sub(
        lambda match: describe_image(match[0]) + "\n", nbformat.writes(notebook)
    )
    return re.sub(r"img_[0-9a-f]{12}", "img_id", text).splitlines()


def describe_image(base64_text: str) -> str:
    """Return the size of an image and its text or digest. Pillow encodes JPEGs in varying ways."""
    data = base64.b64decode(base64_text.replace("\\n", ""))
    text = read_image_text(data) or ("JPEG" if data[:1] == b"\xff" else sha256(data).hexdigest())
    return f"{read_image_size(data)} pixels: {text}"


@pytest.mark.slow
@each_notebook
def test_committed_outputs_are_up_to_date(
    path: Path, executions: dict[Path, NotebookNode | BaseException]
) -> None:
    skip_if_core_is_old(path)
    executed = executions[path]
    if isinstance(executed, BaseException):
        raise executed
    committed = serialize_lines(nbformat.read(path, as_version=4))
    diff = difflib.unified_diff(
        committed, serialize_lines(executed), "committed", "executed", n=1, lineterm=""
    )
    changes = "\n".join(line[:300] for line in diff)
    assert not changes, f"Run '{UPDATE_COMMAND} {path.stem}' to update the outputs:\n{changes}"


@pytest.mark.slow
@pytest.mark.usefixtures("notebook_environment")
@each_notebook
def test_notebook_runs_with_api_key(
    path: Path, capsys: pytest.CaptureFixture[str], router_url: str
) -> None:
    skip_if_core_is_old(path)
    namespace: dict[str, Any] = {"display": lambda _: None}
    for cell in list_code_cells(path):
        execute_cell(cell.source, namespace)
    assert router_url in capsys.readouterr().out


@each_notebook
def test_first_cell_installs_the_package(path: Path) -> None:
    lines = list_code_cells(path)[0].source.splitlines()
    assert [line for line in lines if "%pip" in line] == INSTALL_COMMANDS


@each_notebook
def test_second_cell_reports_which_router_answers(path: Path) -> None:
    cell = list_code_cells(path)[1]
    assert 'os.environ.get("ORQ_API_KEY")' in cell.source
    assert re.search(r"\bRouterClient\(\)", cell.source)
    assert re.search(r"\bOfflineRouter\(", cell.source)
    (output,) = cell.outputs
    assert output.text.startswith("The offline router")


@each_notebook
def test_drawings_are_made_by_helpers(path: Path) -> None:
    assert all("<svg" not in cell.source for cell in list_code_cells(path))


@each_notebook
def test_readme_links_to_notebook(path: Path) -> None:
    assert README.count(f"]({path.name})") == 1


@each_notebook
def test_relative_links_exist(path: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)]+)\)", path.read_text())
    assert links
    assert all((COOKBOOKS / link).exists() for link in links), links


def test_notebooks_are_numbered_in_the_order_of_the_readme() -> None:
    listed = re.findall(r"^- (\d\d) \[.*\]\(\1(-.*\.ipynb)\)", README, re.MULTILINE)
    assert listed == [(path.name[:2], path.name[2:]) for path in NOTEBOOKS]
    assert [number for number, _ in listed] == [f"{n:02d}" for n in range(1, len(listed) + 1)]


def test_notebooks_are_small() -> None:
    assert sum(path.stat().st_size for path in NOTEBOOKS) < MAX_TOTAL_SIZE

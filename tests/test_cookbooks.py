"""Every notebook runs offline from its first cell to its last, and shows what it really prints."""

import ast
import asyncio
import base64
import difflib
import hashlib
import inspect
import logging
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode
from support.notebooks import COOKBOOKS, ONLY_LOOPBACK, executed, notebooks
from support.served_router import serve_router

from orq_router_integrations import OfflineRouter

NOTEBOOKS = notebooks()
README = (COOKBOOKS / "README.md").read_text()
REFRESH = "python tests/support/notebooks.py"
PNG_DATA = re.compile(r"iVBORw0KGgo(?:[A-Za-z0-9+/=]|\\\\n){200,}")
KEY = "sk-orq-stand-in"
LARGEST = 1_500_000  # bytes, of all of them

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def runs() -> dict[Path, Any]:
    return executed(NOTEBOOKS, prelude=ONLY_LOOPBACK)


@pytest.fixture(scope="module")
def served_url() -> Iterator[str]:
    with serve_router(OfflineRouter(api_keys=[KEY])) as url:
        yield url


@pytest.fixture
def key_of_a_served_router(served_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("ORQ_API_KEY", KEY)
    monkeypatch.setenv("ORQ_BASE_URL", served_url)
    monkeypatch.chdir(COOKBOOKS)
    logger = logging.getLogger("orq_router_integrations")
    level = logger.level
    yield
    logger.setLevel(level)  # a notebook may have chosen another


def run(source: str, namespace: dict[str, Any]) -> None:
    """Run a cell, which may await."""
    code = compile(source, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    done = eval(code, namespace)
    if inspect.iscoroutine(done):
        asyncio.run(done)


def first_cell(notebook: NotebookNode) -> NotebookNode:
    return next(cell for cell in notebook.cells if cell.cell_type == "code")


def finished(run: NotebookNode | BaseException) -> NotebookNode:
    if isinstance(run, BaseException):
        raise run
    return run


def shown(notebook: NotebookNode) -> list[str]:
    """The notebook as text, with pictures by their pixels: how they are packed is up to zlib."""
    text = PNG_DATA.sub(lambda match: f"{pixels(match[0])}\n", nbformat.writes(notebook))
    return re.sub(r"img_[0-9a-f]{12}", "img_of_a_digest", text).splitlines()


def pixels(base64_text: str) -> str:
    """The size of a PNG and a digest of what it shows."""
    data = base64.b64decode(base64_text.replace("\\n", ""))
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    size = struct.unpack_from(">II", data, 16)
    return f"{size} pixels {hashlib.sha256(zlib.decompress(packed)).hexdigest()}"


@each_notebook
def test_it_runs_and_shows_what_it_prints(path: Path, runs: dict[Path, Any]) -> None:
    fresh = shown(finished(runs[path]))
    committed = shown(nbformat.read(path, as_version=4))
    changes = difflib.unified_diff(committed, fresh, "committed", "fresh", n=1, lineterm="")
    told = "\n".join(line[:300] for line in changes)
    assert not told, f"to commit the fresh outputs: {REFRESH} {path.stem}\n{told}"


@each_notebook
def test_its_first_cell_says_which_router_answers(path: Path) -> None:
    first = first_cell(nbformat.read(path, as_version=4))
    assert 'os.environ.get("ORQ_API_KEY")' in first.source
    assert re.search(r"\bRouterClient\(\)", first.source)
    assert re.search(r"\bOfflineRouter\(", first.source)
    (output,) = first.outputs
    assert output.text.startswith("The offline router")


@pytest.mark.usefixtures("key_of_a_served_router")
@each_notebook
def test_it_also_runs_where_a_key_is_present(
    path: Path, capsys: pytest.CaptureFixture[str], served_url: str
) -> None:
    """Its cells, in this process; a served offline router stands in for the real one."""
    namespace: dict[str, Any] = {"display": lambda _: None}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            run(cell.source, namespace)
    assert served_url in capsys.readouterr().out


@each_notebook
def test_the_readme_has_a_line_for_it(path: Path) -> None:
    assert README.count(f"]({path.name})") == 1


@each_notebook
def test_its_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)]+)\)", path.read_text())
    assert links
    assert all((COOKBOOKS / link).exists() for link in links), links


def test_they_are_in_reading_order_and_small() -> None:
    listed = re.findall(r"^- (\d\d) \[.*\]\(\1(-.*\.ipynb)\)", README, re.MULTILINE)
    assert listed == [(path.name[:2], path.name[2:]) for path in NOTEBOOKS]
    assert [path.name[:2] for path in NOTEBOOKS] == [f"{n + 1:02d}" for n in range(len(NOTEBOOKS))]
    assert sum(path.stat().st_size for path in NOTEBOOKS) < LARGEST

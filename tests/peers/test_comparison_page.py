"""The docs' comparison of packages: the column of this package is up to date."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from peers import table
from peers.findings import ROWS, Row
from peers.packages import PACKAGES, Orq
from peers.server import RouterServer

pytestmark = pytest.mark.slow  # some checks wait for timeouts

PAGE = (Path(__file__).parents[2] / "docs" / "comparison.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("\n|  | `ChatOrq` |")[2].partition("\n\n")[0]
CELLS = {
    cells[0]: cells[1:]
    for line in re.findall(r"^\| ([^-].*) \|$", TABLE, re.MULTILINE)
    for cells in [line.split(" | ")]
}
"""The cells of each row of the docs' table, by row title."""


@pytest.fixture(scope="module")
def server() -> Iterator[RouterServer]:
    with table.run_server() as running:
        yield running


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.check.__name__)
def test_cell_equals_finding(row: Row, server: RouterServer) -> None:
    finding = row.check(Orq(server))
    assert CELLS[row.title][0] == finding.cell, finding.reason


def test_page_has_all_rows_and_columns() -> None:
    assert list(CELLS) == [row.title for row in ROWS]
    assert {len(cells) for cells in CELLS.values()} == {len(PACKAGES)}


def test_page_names_the_current_version() -> None:
    name, version = Orq.release().split()
    assert f"`{name}` {version}" in PAGE

"""The README's column about our own model says what the checks find."""

import re
from pathlib import Path

import pytest

from peers import table
from peers.findings import ROWS, Row
from peers.packages import PACKAGES, Orq
from peers.stage import Stage

README = (Path(__file__).parents[2] / "README.md").read_text()
SECTION = README.partition("## Beside other packages")[2].partition("\n## ")[0]
CELLS = {
    cells[0]: cells[1:]
    for line in re.findall(r"^\| (.+) \|$", SECTION, re.MULTILINE)
    for cells in [line.split(" | ")]
}


@pytest.fixture(scope="module")
def stage():
    with table.stage() as on:
        yield on


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.check.__name__)
def test_our_column_is_what_the_check_finds(row: Row, stage: Stage) -> None:
    found = row.check(Orq(stage))
    assert CELLS[row.title][0] == found.cell, found.why


def test_the_table_has_these_rows_and_no_other() -> None:
    assert list(CELLS)[2:] == [row.title for row in ROWS]
    assert {len(cells) for cells in list(CELLS.values())[2:]} == {len(PACKAGES)}

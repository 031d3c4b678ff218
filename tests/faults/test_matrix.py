"""Every fault through every face and mode: the right error, in time, and nothing left behind."""

import pytest

from faults.catalogue import FAULTS
from faults.matrix import run_fault


@pytest.mark.parametrize("name", FAULTS)
def test_fault_has_expected_outcome(name: str) -> None:
    cells = run_fault(FAULTS[name], all_pools=False)
    assert cells
    assert [cell for cell in cells if cell.problems] == []
    outcomes: dict[str, set[str]] = {}
    for cell in cells:
        outcomes.setdefault(cell.integration, set()).add(cell.outcome)
    may_differ = "then a reset" in name  # what was sent before it may or may not arrive
    assert may_differ or all(len(found) == 1 for found in outcomes.values())

"""Every fault with every integration: the right error, in time, and no connection left open."""

import pytest

from faults.catalogue import FAULTS
from faults.matrix import run_fault


@pytest.mark.slow
@pytest.mark.parametrize("name", FAULTS)
def test_fault_has_expected_outcome(name: str) -> None:
    results = run_fault(FAULTS[name], all_pools=False)
    assert results
    assert [result for result in results if result.problems] == []
    outcomes: dict[str, set[str]] = {}
    for result in results:
        outcomes.setdefault(result.integration, set()).add(result.outcome)
    may_differ = "then a reset" in name  # the response may be lost with the connection
    assert may_differ or all(len(names) == 1 for names in outcomes.values())

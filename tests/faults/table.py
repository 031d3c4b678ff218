"""The matrix as a table."""

import time
from collections.abc import Iterable
from itertools import groupby

from faults.catalogue import FAULTS
from faults.integrations import INTEGRATIONS
from faults.matrix import Result, run_fault
from orq_router_integrations._http import retry


def print_table(names: Iterable[str] = ()) -> int:
    """Print the matrix, or some faults of it; the number of flagged cells."""
    retry.INITIAL_BACKOFF_SECONDS = 0.005
    began, cells = time.monotonic(), []
    print(f"{'fault':<40} {'face':<24} {'outcome':<24} {'sent':>4} {'s':>5}  back")
    for name in names or FAULTS:
        found = run_fault(FAULTS[name])
        cells += found
        for face, of_face in groupby(found, key=lambda cell: cell.integration):
            _print_row(name, face, list(of_face))
    flagged = [cell for cell in cells if cell.problems]
    print(
        f"\n{len(cells)} cells: {len(INTEGRATIONS)} faces, sync and async, over our own connections and "
        f"over a pool of one; {len(flagged)} flagged; {time.monotonic() - began:.0f} seconds"
    )
    return len(flagged)


def _print_row(name: str, face: str, cells: list[Result]) -> None:
    """The modes and pools of a face in one row, as long as they agree."""
    outcome = "/".join(sorted({cell.outcome for cell in cells}))
    sent = "/".join(sorted({str(cell.attempts) for cell in cells}))
    slowest = max(cell.seconds for cell in cells)
    back = "yes" if all(cell.is_recovered for cell in cells) else "-"
    print(f"{name:<40} {face:<24} {outcome:<24} {sent:>4} {slowest:>5.2f}  {back}")
    for cell in cells:
        for problem in cell.problems:
            print(f"    !! {cell.mode}, {cell.pool} pool: {problem}")

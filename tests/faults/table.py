"""Prints the results of faults as a table."""

import time
from collections.abc import Iterable
from itertools import groupby

from faults.catalogue import FAULTS
from faults.integrations import INTEGRATIONS
from faults.matrix import Result, run_fault
from orq_router_integrations._http import retry


def print_table(names: Iterable[str] = ()) -> int:
    """Run all faults, or those with these names; returns the number of unexpected results."""
    retry.INITIAL_BACKOFF_SECONDS = 0.005
    start, results = time.monotonic(), []
    print(f"{'fault':<40} {'integration':<24} {'outcome':<24} {'sent':>4} {'s':>5}  freed")
    for name in names or FAULTS:
        fault_results = run_fault(FAULTS[name])
        results += fault_results
        for integration, group in groupby(fault_results, key=lambda result: result.integration):
            _print_row(name, integration, list(group))
    flagged = [result for result in results if result.problems]
    print(
        f"\n{len(results)} calls: {len(INTEGRATIONS)} integrations, sync and async, with the "
        f"package's own pools and with an httpx pool of one connection; "
        f"{len(flagged)} flagged; {time.monotonic() - start:.0f} seconds"
    )
    return len(flagged)


def _print_row(name: str, integration: str, results: list[Result]) -> None:
    """Print the results for all modes and pools of an integration in one row."""
    outcome = "/".join(sorted({result.outcome for result in results}))
    attempts = "/".join(sorted({str(result.attempts) for result in results}))
    slowest = max(result.seconds for result in results)
    freed = "yes" if all(result.is_recovered for result in results) else "-"
    print(f"{name:<40} {integration:<24} {outcome:<24} {attempts:>4} {slowest:>5.2f}  {freed}")
    for result in results:
        for problem in result.problems:
            print(f"    !! {result.mode}, {result.pool} pool: {problem}")

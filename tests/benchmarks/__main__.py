"""``python -m tests.benchmarks``: print what calls cost, with the goal of each row.

``--rows 1,3,7`` selects rows; ``--rounds 21`` takes longer and is more precise. Requires two cores,
one for the server, and ``pip install -e '.[bench]'``.
"""

import argparse
import platform
import warnings
from importlib.metadata import version
from itertools import chain

from tests.benchmarks import calls, media, retrieval, startup
from tests.benchmarks.measuring import HEADER, Case, compute_medians, format_row
from tests.benchmarks.server import CLIENT_CORE, pin_to_core, run_server

COMPARED = ("langchain-core", "langchain-openai", "openai", "httpx", "orjson", "pydantic")


def main() -> None:
    """Measure the selected rows and print each as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", default="", help="numbers of rows, such as 1,3,7")
    parser.add_argument("--rounds", type=int, default=11)
    given = parser.parse_args()
    wanted = {number.strip() for number in given.rows.split(",") if number.strip()}
    warnings.simplefilter("ignore")
    pin_to_core(CLIENT_CORE)
    print(f"Python {platform.python_version()}, {platform.machine()};", *_versions())
    print(f"medians of {given.rounds} rounds\n\n{HEADER}", flush=True)
    with run_server() as server:
        for case in chain(
            *(module.iter_cases(server) for module in (calls, startup, media, retrieval))
        ):
            if not wanted or wanted & {line.number for line in case.lines}:
                _show(case, given.rounds)
        calls.close()


def _show(case: Case, rounds: int) -> None:
    found = compute_medians(case, rounds)
    for line in case.lines:
        print(format_row(line, found), flush=True)


def _versions() -> list[str]:
    return [f"{name} {version(name)}" for name in COMPARED]


main()

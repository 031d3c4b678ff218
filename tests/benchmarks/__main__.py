"""``python -m tests.benchmarks``: print what calls cost, with the goal of each row.

``--rows 1,3,7`` selects rows; ``--rounds 21`` takes longer and is more precise. Requires two cores,
one for the server, and ``pip install -e '.[bench]'``.
"""

import argparse
import platform
import warnings
from importlib.metadata import version
from itertools import chain

from tests.benchmarks import calls, media, proxies, recordings, retrieval, startup
from tests.benchmarks.measuring import HEADER, Case, Measurements, format_row
from tests.benchmarks.server import CLIENT_CORE, pin_to_core, run_server

COMPARED = ("langchain-core", "langchain-openai", "openai", "httpx", "orjson", "pydantic")
MODULES = (calls, startup, media, recordings, retrieval)


def main() -> None:
    """Measure the selected rows and print each as soon as it is known."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--rows", default="", help="numbers of rows, such as 1,3,7")
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    selected = {number.strip() for number in options.rows.split(",") if number.strip()}
    warnings.simplefilter("ignore")
    pin_to_core(CLIENT_CORE)
    print(f"Python {platform.python_version()}, {platform.machine()};", *_format_versions())
    print(f"medians of {options.rounds} rounds, ± half the interquartile range of the ratios")
    print(f"\n{HEADER}", flush=True)
    with run_server() as addresses:
        cases = chain(
            *(module.iter_cases(addresses.http) for module in MODULES),
            proxies.iter_cases(addresses),
        )
        for case in cases:
            if not selected or selected & {row.number for row in case.rows}:
                _print_rows(case, options.rounds)
        calls.close()


def _print_rows(case: Case, rounds: int) -> None:
    measurements = Measurements(case, rounds)
    for row in case.rows:
        print(format_row(row, measurements), flush=True)


def _format_versions() -> list[str]:
    return [f"{name} {version(name)}" for name in COMPARED]


main()

"""``python -m tests.benchmarks.growth``: how the cost of a call grows with what it is given."""

import warnings

from tests.benchmarks.calls import at_once, repeated
from tests.benchmarks.contenders import QUESTION, base_url, history, models
from tests.benchmarks.measuring import Case, medians, timed
from tests.benchmarks.server import CLIENT_CORE, pin, running

HISTORY = (1, 10, 61, 201, 1001)
CHUNKS = (10, 100, 1000, 5000)
CONCURRENCY = (1, 10, 50, 100, 200)


def main() -> None:
    """Measure, and print a table for each kind of growth."""
    warnings.simplefilter("ignore")
    pin(CLIENT_CORE)
    with running() as server:
        _show("us per call, by messages", HISTORY, lambda n: _by_messages(server, n))
        _show("us per chunk, by chunks", CHUNKS, lambda n: _by_chunks(server, n))
        _show("us per call, by calls at once", CONCURRENCY, lambda n: _by_calls(server, n))


def _show(title, sizes, case_of) -> None:
    found = [medians(case_of(size), 5) for size in sizes]
    print(f"\n| {title} | {' | '.join(map(str, sizes))} |")
    print("|---" * (len(sizes) + 1) + "|")
    for name in found[0]:
        cells = [f"{each[name]['cpu']:,.1f}" for each in found]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _by_messages(server: str, number: int) -> Case:
    given = history(number)
    found = models(base_url(server, "whole"))
    runs = {n: repeated(lambda m=model: m.invoke(given), 10) for n, model in found.items()}
    return Case([], runs)


def _by_chunks(server: str, number: int) -> Case:
    def read(model) -> None:
        for _ in model.stream(QUESTION):
            pass

    found = models(base_url(server, f"text.{number}"))
    runs = {n: lambda m=model: timed(lambda: read(m), number) for n, model in found.items()}
    return Case([], runs)


def _by_calls(server: str, number: int) -> Case:
    found = models(base_url(server, "late"))
    count = max(number * 2, 10)
    runs = {n: lambda m=model: at_once(m, number, count) for n, model in found.items()}
    return Case([], runs, rounds=3)


if __name__ == "__main__":
    main()

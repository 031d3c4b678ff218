"""``python -m tests.benchmarks.growth``: how the cost of a call grows with its input."""

import warnings

from tests.benchmarks.calls import repeat, run_batch
from tests.benchmarks.contenders import QUESTION, build_base_url, create_history, create_models
from tests.benchmarks.measuring import Case, Measurements, measure_time
from tests.benchmarks.server import CLIENT_CORE, pin_to_core, run_server

HISTORY = (1, 10, 61, 201, 1001)
CHUNKS = (10, 100, 1000, 5000)
CONCURRENCY = (1, 10, 50, 100, 200)


def main() -> None:
    """Measure, and print a table for each kind of growth."""
    warnings.simplefilter("ignore")
    pin_to_core(CLIENT_CORE)
    with run_server() as addresses:
        server = addresses.http
        _show("us per call, by messages", HISTORY, lambda n: _create_message_case(server, n))
        _show("us per chunk, by chunks", CHUNKS, lambda n: _create_chunk_case(server, n))
        _show(
            "us per call, by concurrent calls", CONCURRENCY, lambda n: _create_call_case(server, n)
        )


def _show(title, sizes, case_of) -> None:
    cases = [case_of(size) for size in sizes]
    results = [Measurements(case, 5) for case in cases]
    print(f"\n| {title} | {' | '.join(map(str, sizes))} |")
    print("|---" * (len(sizes) + 1) + "|")
    for name in cases[0].runs:
        cells = [f"{result.compute_median(name, 'cpu'):,.1f}" for result in results]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def _create_message_case(server: str, number: int) -> Case:
    messages = create_history(number)
    models = create_models(build_base_url(server, "whole"))
    runs = {n: repeat(lambda m=model: m.invoke(messages), 10) for n, model in models.items()}
    return Case([], runs)


def _create_chunk_case(server: str, number: int) -> Case:
    def read(model) -> None:
        for _ in model.stream(QUESTION):
            pass

    models = create_models(build_base_url(server, f"text.{number}"))
    runs = {n: lambda m=model: measure_time(lambda: read(m), number) for n, model in models.items()}
    return Case([], runs)


def _create_call_case(server: str, number: int) -> Case:
    models = create_models(build_base_url(server, "late"))
    count = max(number * 2, 10)
    runs = {n: lambda m=model: run_batch(m, number, count) for n, model in models.items()}
    return Case([], runs, rounds=3)


if __name__ == "__main__":
    main()

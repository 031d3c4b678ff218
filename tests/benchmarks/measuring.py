"""Samples, medians and ratios. Contenders alternate in each round, so noise affects all of them."""

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Quantity = Literal["cpu", "wall", "peak", "memory", "modules"]
UNITS = {"peak": " MB", "memory": " MB", "modules": ""}
Sample = Mapping[str, float]
"""Measurements of one run, by quantity: microseconds per unit of work, or megabytes."""

OURS, FLOOR, OPENAI, SOCKET = "ours", "floor", "ChatOpenAI", "socket"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        number: Number of the goal.
        title: What is measured.
        limits: Maximum ratio to each contender.
        quantity: Quantity of the samples that is compared.
        maximum: Maximum value for this package.
    """

    number: str
    title: str
    limits: Mapping[str, float]
    quantity: Quantity = "cpu"
    maximum: float | None = None


@dataclass(frozen=True)
class Case:
    """Contenders that do the same work, and the rows filled by their samples."""

    lines: Sequence[Row]
    runs: Mapping[str, Callable[[], Sample]]
    rounds: int | None = None


def measure_time(work: Callable[[], Any], units: int) -> Sample:
    """Return CPU and wall-clock microseconds per unit of work."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu / units * 1e6, "wall": wall / units * 1e6}


def measure_memory(work: Callable[[], Any]) -> Sample:
    """Return the peak memory of some work in megabytes, and its CPU time."""
    sample = measure_time(work, 1)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        work()
        return {**sample, "peak": (tracemalloc.get_traced_memory()[1] - before) / 1e6}
    finally:
        tracemalloc.stop()


def compute_medians(case: Case, rounds: int) -> dict[str, dict[str, float]]:
    """Return the median of each quantity by contender, without the warm-up round."""
    samples: dict[str, list[Sample]] = {name: [] for name in case.runs}
    for number in range((case.rounds or rounds) + 1):
        for name, run in case.runs.items():
            sample = run()
            if number:
                samples[name].append(sample)
    return {
        name: {key: statistics.median(s[key] for s in found) for key in found[0]}
        for name, found in samples.items()
    }


HEADER = """\
| # | quantity | ours | floor | ChatOpenAI | socket | goals | met |
|---|---|---|---|---|---|---|---|"""


def format_row(line: Row, found: Mapping[str, Mapping[str, float]]) -> str:
    """Format a row: medians, and our ratio to each contender with its goal."""
    values = {name: quantities[line.quantity] for name, quantities in found.items()}
    unit = UNITS.get(line.quantity, " us")
    cells = [f"{_format_number(values[n])}{unit}" if n in values else "" for n in COLUMNS]
    ours, goals, met = values[OURS], [], True
    for name, limit in line.limits.items():
        ratio = ours / values[name]
        goals.append(f"{ratio:.2f}x {name} (<= {limit:g})")
        met = met and ratio <= limit
    if line.maximum is not None:
        goals.append(f"<= {line.maximum:g}{unit}")
        met = met and ours <= line.maximum
    row = [line.number, line.title, *cells, ", ".join(goals), "yes" if met else "NO"]
    return f"| {' | '.join(row)} |"


COLUMNS = (OURS, FLOOR, OPENAI, SOCKET)


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.3f}"

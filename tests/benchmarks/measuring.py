"""Samples, medians and ratios. Contenders take turns in every round, so noise hits all alike."""

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
"""What one run took, by quantity: microseconds per unit of work, or megabytes."""

OURS, FLOOR, OPENAI, SOCKET = "ours", "floor", "ChatOpenAI", "socket"


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        number: of the goal.
        what: is measured.
        limits: how often what a contender needs ours may need, by contender.
        quantity: which quantity of the samples.
        most: how much ours may need, as a number.
    """

    number: str
    what: str
    limits: Mapping[str, float]
    quantity: Quantity = "cpu"
    most: float | None = None


@dataclass(frozen=True)
class Case:
    """Contenders that do the same work, and the lines that their samples fill."""

    lines: Sequence[Line]
    runs: Mapping[str, Callable[[], Sample]]
    rounds: int | None = None


def timed(work: Callable[[], Any], units: int) -> Sample:
    """Microseconds of processor and of wall clock for each unit of some work."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu / units * 1e6, "wall": wall / units * 1e6}


def weighed(work: Callable[[], Any]) -> Sample:
    """The most memory that some work holds at once, in megabytes, and its processor time."""
    sample = timed(work, 1)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        work()
        return {**sample, "peak": (tracemalloc.get_traced_memory()[1] - before) / 1e6}
    finally:
        tracemalloc.stop()


def medians(case: Case, rounds: int) -> dict[str, dict[str, float]]:
    """The median of every quantity, by contender; the first round warms up."""
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


def told(line: Line, found: Mapping[str, Mapping[str, float]]) -> str:
    """A line of the table: the medians, and our ratio to each contender beside its goal."""
    values = {name: quantities[line.quantity] for name, quantities in found.items()}
    unit = UNITS.get(line.quantity, " us")
    cells = [f"{_short(values[n])}{unit}" if n in values else "" for n in COLUMNS]
    ours, goals, met = values[OURS], [], True
    for name, limit in line.limits.items():
        ratio = ours / values[name]
        goals.append(f"{ratio:.2f}x {name} (<= {limit:g})")
        met = met and ratio <= limit
    if line.most is not None:
        goals.append(f"<= {line.most:g}{unit}")
        met = met and ours <= line.most
    row = [line.number, line.what, *cells, ", ".join(goals), "yes" if met else "NO"]
    return f"| {' | '.join(row)} |"


COLUMNS = (OURS, FLOOR, OPENAI, SOCKET)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.3f}"

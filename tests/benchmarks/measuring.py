"""Samples, medians and ratios. Contenders alternate in each round, so noise affects all of them."""

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Quantity = Literal["cpu", "wall", "rate", "peak", "memory", "modules"]
UNITS = {"rate": "/s", "peak": " MB", "memory": " MB", "modules": ""}
Sample = Mapping[str, float]
"""Measurements of one run, by quantity: microseconds per unit of work, or megabytes."""

OURS, FLOOR, OPENAI, SDK, SOCKET = "ours", "floor", "ChatOpenAI", "openai client", "socket"


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        number: Number of the goal.
        title: What is measured.
        goals: Maximum ratio to each contender; the minimum ratio if the quantity is a rate.
        quantity: Quantity of the samples that is compared.
        maximum: Maximum value for this package.
    """

    number: str
    title: str
    goals: Mapping[str, float]
    quantity: Quantity = "cpu"
    maximum: float | None = None


@dataclass(frozen=True)
class Case:
    """Contenders that do the same work, and the rows filled by their samples."""

    rows: Sequence[Row]
    runs: Mapping[str, Callable[[], Sample]]
    rounds: int | None = None


def measure_time(work: Callable[[], Any], units: int) -> Sample:
    """Return CPU and wall-clock microseconds per unit of work, and units per second."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu / units * 1e6, "wall": wall / units * 1e6, "rate": units / wall}


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


class Measurements:
    """The samples of a case, without those of the warm-up round."""

    def __init__(self, case: Case, rounds: int) -> None:
        self._samples: dict[str, list[Sample]] = {name: [] for name in case.runs}
        for number in range((case.rounds or rounds) + 1):
            for name, run in case.runs.items():
                sample = run()
                if number:
                    self._samples[name].append(sample)

    def compute_median(self, name: str, quantity: str) -> float | None:
        """Return the median of a contender, or ``None`` if it was not measured."""
        samples = self._samples.get(name, ())
        return statistics.median(s[quantity] for s in samples) if samples else None

    def compute_ratio(self, name: str, quantity: str) -> tuple[float, float]:
        """Return our ratio to a contender, and half the interquartile range of those by round."""
        ours, theirs = self._samples[OURS], self._samples[name]
        pairs = zip(ours, theirs, strict=True)
        ratios = [
            our_sample[quantity] / their_sample[quantity] for our_sample, their_sample in pairs
        ]
        first, _, third = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (0, 0, 0)
        medians = [statistics.median(s[quantity] for s in samples) for samples in (ours, theirs)]
        return medians[0] / medians[1], (third - first) / 2


HEADER = """\
| # | quantity | ours | floor | ChatOpenAI | openai client | socket | ratio (goal) | met |
|---|---|---|---|---|---|---|---|---|"""

COLUMNS = (OURS, FLOOR, OPENAI, SDK, SOCKET)


def format_row(row: Row, measurements: Measurements) -> str:
    """Format a row: medians, our ratios with their noise, and whether the goals are met."""
    unit, sign = UNITS.get(row.quantity, " us"), ">=" if row.quantity == "rate" else "<="
    values = [measurements.compute_median(name, row.quantity) for name in COLUMNS]
    cells = ["" if value is None else f"{_format_number(value)}{unit}" for value in values]
    ratios, met = [], []
    for name, goal in row.goals.items():
        ratio, noise = measurements.compute_ratio(name, row.quantity)
        ratios.append(f"{ratio:.2f} ±{noise:.2f} {name} ({sign} {goal:g})")
        met.append(ratio >= goal if row.quantity == "rate" else ratio <= goal)
    if row.maximum is not None:
        ratios.append(f"(<= {row.maximum:,g}{unit})")
        met.append((values[0] or 0) <= row.maximum)
    result = "" if not met else "yes" if all(met) else "NO"
    return f"| {' | '.join([row.number, row.title, *cells, ', '.join(ratios), result])} |"


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.3f}"

"""Findings of checks, and the rows of the table."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Any, NamedTuple

YES, PARTLY, NO = "yes", "partly", "no"


class Finding(NamedTuple):
    """A cell: the verdict, the reason if it is not "yes", and whether the code was only read."""

    verdict: str
    reason: str = ""
    read: bool = False

    @property
    def cell(self) -> str:
        """The text of the cell; ``°`` marks findings that were not run."""
        return self.verdict + "°" * self.read


def yes() -> Finding:
    return Finding(YES)


def partly(reason: str) -> Finding:
    return Finding(PARTLY, reason)


def no(reason: str, *, read: bool = False) -> Finding:
    return Finding(NO, reason, read)


def combine(results: dict[str, bool]) -> Finding:
    """Return "yes" if all results are true, "no" if all are false, else "partly"."""
    missing = ", ".join(name for name, passed in results.items() if not passed)
    if not missing:
        return yes()
    return partly(f"not: {missing}") if any(results.values()) else no(f"none of: {missing}")


@dataclass(frozen=True)
class Row:
    """A row: its title, and the check that defines what the title means."""

    title: str
    check: Callable[[Any], Finding]


ROWS: list[Row] = []


def row(title: str) -> Callable[[Any], Any]:
    """Add a check to the table as its next row."""

    def register(check: Callable[[Any], Finding]) -> Any:
        ROWS.append(Row(title, check))
        return check

    return register


def get_outcome(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return the result of a call, or the exception that it raises."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - packages fail in different ways
        return error


def get_outcome_within(seconds: float, function: Callable[[], Any]) -> Any:
    """Return the outcome of a call, or ``TimeoutError``; the call then continues in its thread."""
    outcomes: list[Any] = []
    thread = Thread(target=lambda: outcomes.append(get_outcome(function)), daemon=True)
    thread.start()
    thread.join(seconds)
    return outcomes[0] if outcomes else TimeoutError(f"still trying after {seconds} s")


def describe_outcome(outcome: Any) -> str:
    """Describe an unexpected outcome, as the reason of a finding."""
    if isinstance(outcome, Exception):
        message = " ".join(str(outcome).split())
        return f"{type(outcome).__name__}: {message[:120]}"
    return repr(outcome)[:160]

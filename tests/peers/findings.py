"""What a check finds, and the rows of the table."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Thread
from typing import Any, NamedTuple

YES, PARTLY, NO = "yes", "partly", "no"


class Finding(NamedTuple):
    """A cell: the verdict, why it is not yes, and whether it was only read, not run."""

    verdict: str
    why: str = ""
    read: bool = False

    @property
    def cell(self) -> str:
        """How the table shows it."""
        return self.verdict + "°" * self.read


def yes() -> Finding:
    return Finding(YES)


def partly(why: str) -> Finding:
    return Finding(PARTLY, why)


def no(why: str, *, read: bool = False) -> Finding:
    return Finding(NO, why, read)


def all_of(found: dict[str, bool]) -> Finding:
    """Yes where everything holds, no where nothing does; else partly, and what is missing."""
    missing = ", ".join(name for name, holds in found.items() if not holds)
    if not missing:
        return yes()
    return partly(f"not: {missing}") if any(found.values()) else no(f"none of: {missing}")


@dataclass(frozen=True)
class Row:
    """A row: its title, and the check whose code says what the title means."""

    title: str
    check: Callable[[Any], Finding]


ROWS: list[Row] = []


def row(title: str) -> Callable[[Any], Any]:
    """Make a check a row of the table, below the earlier ones."""

    def added(check: Callable[[Any], Finding]) -> Any:
        ROWS.append(Row(title, check))
        return check

    return added


def outcome(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """What a call returns, or the exception that it raises."""
    try:
        return function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - how a package fails is what is to be found
        return error


def within(seconds: float, function: Callable[[], Any]) -> Any:
    """The same, or a ``TimeoutError`` once so much time is over; the call is then left alone."""
    ends: list[Any] = []
    thread = Thread(target=lambda: ends.append(outcome(function)), daemon=True)
    thread.start()
    thread.join(seconds)
    return ends[0] if ends else TimeoutError(f"still trying after {seconds} s")


def told(found: Any) -> str:
    """An unexpected outcome, for a finding's reason."""
    if isinstance(found, Exception):
        said = " ".join(str(found).split())
        return f"{type(found).__name__}: {said[:120]}"
    return repr(found)[:160]

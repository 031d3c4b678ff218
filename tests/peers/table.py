"""The table: every row's check, run against some packages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from support.served_router import served

from peers.findings import ROWS, Finding, Row
from peers.packages import Package
from peers.stage import Stage

for name in ("routing", "replies", "inputs", "models"):
    import_module(f"peers.{name}")  # they bring the rows, in this order

Findings = dict[str, list[Finding]]


@contextmanager
def stage() -> Iterator[Stage]:
    """A stage behind a port of this machine, for as long as the block lasts."""
    empty = Stage()
    with served(empty) as url:
        empty.root = url.removesuffix("/v3/router")
        yield empty


def found(packages: Sequence[type[Package]], rows: Sequence[Row] = ROWS) -> Findings:
    """By title, what each row's check finds of each package."""
    with stage() as on:
        return {row.title: [row.check(package(on)) for package in packages] for row in rows}


def markdown(findings: Findings, packages: Sequence[type[Package]]) -> str:
    """The table as the README has it."""
    head = ["", *(f"`{package.chat_model}`" for package in packages)]
    lines = [head, ["---"] * len(head)]
    lines += [[title, *(one.cell for one in cells)] for title, cells in findings.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def reasons(findings: Findings, packages: Sequence[type[Package]]) -> str:
    """Why a cell does not say yes."""
    return "\n".join(
        f"- {title}; {package.chat_model}: {one.verdict}. {one.why}"
        for title, cells in findings.items()
        for package, one in zip(packages, cells, strict=True)
        if one.why
    )

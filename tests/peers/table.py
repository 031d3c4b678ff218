"""The table: runs the checks and formats the findings."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from support.served_router import serve_router

from peers.findings import ROWS, Finding, Row
from peers.packages import Package
from peers.server import RouterServer

for name in ("routing", "replies", "inputs", "models"):
    import_module(f"peers.{name}")  # registers rows, in this order

Findings = dict[str, list[Finding]]


@contextmanager
def run_server() -> Iterator[RouterServer]:
    """Run a ``RouterServer`` on a local port."""
    server = RouterServer()
    with serve_router(server) as url:
        server.root = url.removesuffix("/v3/router")
        yield server


def run_checks(packages: Sequence[type[Package]], rows: Sequence[Row] = ROWS) -> Findings:
    """Run the checks, and return the findings for each package by row title."""
    with run_server() as server:
        return {row.title: [row.check(package(server)) for package in packages] for row in rows}


def format_markdown(findings: Findings, packages: Sequence[type[Package]]) -> str:
    """Format the table as in the documentation."""
    header = ["", *(f"`{package.chat_model}`" for package in packages)]
    lines = [header, ["---"] * len(header)]
    lines += [[title, *(finding.cell for finding in cells)] for title, cells in findings.items()]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def format_reasons(findings: Findings, packages: Sequence[type[Package]]) -> str:
    """List the reasons for cells that are not "yes"."""
    return "\n".join(
        f"- {title}; {package.chat_model}: {finding.verdict}. {finding.reason}"
        for title, cells in findings.items()
        for package, finding in zip(packages, cells, strict=True)
        if finding.reason
    )

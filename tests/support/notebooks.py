"""Run the notebooks of ``cookbooks/`` afresh: ``python tests/support/notebooks.py [name ...]``.

Without ORQ_API_KEY in their environment, so that they use the offline router and their outputs
are the same on every machine. What is written has no times, no random ids and no kernel's versions.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

COOKBOOKS = Path(__file__).parents[2] / "cookbooks"
SETTINGS = ("ORQ_API_KEY", "ORQ_BASE_URL", "LC_OUTPUT_VERSION")
SECONDS_PER_CELL = 60
KERNELS_AT_ONCE = 2
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
ONLY_LOOPBACK = """
import pytest_socket
pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
"""


def notebooks() -> list[Path]:
    """All notebooks, in reading order."""
    return sorted(COOKBOOKS.glob("*.ipynb"))


def executed(
    paths: list[Path], settings: Mapping[str, str] | None = None, prelude: str = ""
) -> dict[Path, NotebookNode | BaseException]:
    """Notebooks, run side by side, each in a kernel of its own, or what stopped them.

    Args:
        paths: the notebooks.
        settings: environment variables for them, such as a key; by default there is none.
        prelude: code to run before the first cell, which leaves no trace in the result.
    """

    async def run_all() -> list[NotebookNode | BaseException]:
        slots = asyncio.Semaphore(KERNELS_AT_ONCE)
        runs = [_executed(path, settings or {}, prelude, slots) for path in paths]
        return await asyncio.gather(*runs, return_exceptions=True)

    return dict(zip(paths, asyncio.run(run_all()), strict=True))


async def _executed(
    path: Path, settings: Mapping[str, str], prelude: str, slots: asyncio.Semaphore
) -> NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(prelude))
    environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    client = NotebookClient(
        notebook,
        timeout=SECONDS_PER_CELL,
        iopub_timeout=SECONDS_PER_CELL,  # outputs come late on a busy machine
        kernel_name="python3",
        resources={"metadata": {"path": str(COOKBOOKS)}},
        extra_arguments=["--log-level=ERROR"],
    )
    async with slots:
        await client.async_execute(env=environment | dict(settings))
    notebook.cells.pop(0)
    return settled(notebook)


def settled(notebook: NotebookNode) -> NotebookNode:
    """The notebook with counted cells, joined prints and no trace of time and machine."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for count, cell in enumerate((c for c in notebook.cells if c.cell_type == "code"), 1):
        cell.metadata.pop("execution", None)
        cell.execution_count = count
        cell.outputs = joined(cell.outputs)
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    return notebook


def joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Prints that follow each other as one; where a kernel cuts them is chance."""
    result: list[NotebookNode] = []
    for output in outputs:
        last = result[-1] if result else None
        if last and output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            result.append(output)
    return result


def refresh(names: list[str]) -> None:
    """Run the named notebooks, or all, and write them with their new outputs."""
    chosen = [path for path in notebooks() if not names or path.stem in names or path.name in names]
    if not chosen:
        raise SystemExit(f"no such notebook in {COOKBOOKS.name}/: {', '.join(names)}")
    for path, result in executed(chosen).items():
        if isinstance(result, BaseException):
            raise result
        nbformat.write(result, path)
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    refresh(sys.argv[1:])

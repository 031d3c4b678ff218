"""Execute the notebooks in ``cookbooks/`` and update their outputs.

Usage: ``python tests/support/notebooks.py [name ...]``. The notebooks run without ``ORQ_API_KEY``,
so they use the offline router and produce the same outputs on every machine. Times, random ids and
kernel versions are removed.
"""

import asyncio
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

COOKBOOKS = Path(__file__).parents[2] / "cookbooks"
REMOVED_VARIABLES = ("ORQ_API_KEY", "ORQ_BASE_URL", "LC_OUTPUT_VERSION")
CELL_TIMEOUT = 60  # seconds
MAX_KERNELS = 2
PROGRESS_BAR = re.compile(r"\d%\||/s[,\]]|TqdmWarning")
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
ALLOW_ONLY_LOOPBACK = """
import pytest_socket
pytest_socket.socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
"""


def list_notebooks() -> list[Path]:
    """Return the paths of all notebooks, in reading order."""
    return sorted(COOKBOOKS.glob("*.ipynb"))


def execute_notebooks(
    paths: list[Path], *, setup_code: str = ""
) -> dict[Path, NotebookNode | BaseException]:
    """Execute notebooks concurrently, each in its own kernel.

    Args:
        paths: Paths of the notebooks.
        setup_code: Code that runs before the first cell. It is not part of the result.

    Returns:
        For each path, the executed notebook or the exception that stopped it.
    """

    async def execute_all() -> list[NotebookNode | BaseException]:
        semaphore = asyncio.Semaphore(MAX_KERNELS)
        executions = [_execute_notebook(path, setup_code, semaphore) for path in paths]
        return await asyncio.gather(*executions, return_exceptions=True)

    return dict(zip(paths, asyncio.run(execute_all()), strict=True))


async def _execute_notebook(
    path: Path, setup_code: str, semaphore: asyncio.Semaphore
) -> NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(setup_code))
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        iopub_timeout=CELL_TIMEOUT,  # outputs arrive late if the machine is busy
        kernel_name="python3",
        resources={"metadata": {"path": str(COOKBOOKS)}},
        extra_arguments=["--log-level=ERROR"],
    )
    variables = {name: os.environ[name] for name in os.environ if name not in REMOVED_VARIABLES}
    async with semaphore:
        await client.async_execute(env=variables)
    notebook.cells.pop(0)
    _normalize(notebook)
    return notebook


def _normalize(notebook: NotebookNode) -> None:
    """Remove everything that differs between runs or machines."""
    notebook.metadata = nbformat.from_dict(METADATA)
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for count, cell in enumerate(code_cells, start=1):
        cell.metadata.pop("execution", None)
        cell.execution_count = count
        merged = _merge_streams(cell.outputs)
        cell.outputs = [output for output in merged if not _is_progress_bar(output)]
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count


def _is_progress_bar(output: NotebookNode) -> bool:
    """Return whether an output is a progress bar, which contains times, or its warning."""
    if output.get("name") == "stderr":
        return not output.text.strip() or bool(PROGRESS_BAR.search(output.text))
    return WIDGET in output.get("data", {})


def _merge_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Merge consecutive stream outputs, which the kernel splits at random positions."""
    merged: list[NotebookNode] = []
    for output in outputs:
        last = merged[-1] if merged else None
        if last and output.output_type == "stream" and last.get("name") == output.name:
            last.text += output.text
        else:
            merged.append(output)
    return merged


def update_notebooks(names: list[str]) -> None:
    """Execute notebooks and write them with their new outputs.

    Args:
        names: Names of the notebooks, with or without ``.ipynb``; all if empty.

    Raises:
        SystemExit: A name does not match a notebook.
    """
    notebooks = {path.stem: path for path in list_notebooks()}
    stems = [Path(name).stem for name in names] or list(notebooks)
    if unknown := [stem for stem in stems if stem not in notebooks]:
        raise SystemExit(f"Unknown notebook {unknown[0]!r}. Choose from: {', '.join(notebooks)}")
    for path, result in execute_notebooks([notebooks[stem] for stem in stems]).items():
        if isinstance(result, BaseException):
            raise result
        nbformat.write(result, path)
        sys.stdout.write(f"{path.name}: {path.stat().st_size / 1000:.0f} kB\n")


if __name__ == "__main__":
    update_notebooks(sys.argv[1:])

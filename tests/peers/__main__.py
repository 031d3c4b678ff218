"""``python -m tests.peers``: run the checks behind the docs' comparison of packages.

Requires ``pip install -e '.[test,peers]'``. All traffic stays on this machine: LiteLLM would
download a price list when it is imported, so it is configured to use the one it ships.
"""

import argparse
import logging
import os
import platform
import sys
import warnings
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path

from pytest_socket import socket_allow_hosts

sys.path.insert(0, str(Path(__file__).parents[1]))  # pytest adds this directory as well

from peers import table
from peers.findings import ROWS
from peers.packages import PACKAGES

PAGE = Path(__file__).parents[2] / "docs" / "comparison.md"


def main() -> None:
    """Run the checks and print the table, with the reasons for cells that are not "yes".

    Exit with an error if the page contains a different table.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("--row", default="", help="run only rows whose title contains this text")
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    row_filter = parser.parse_args().row.lower()
    warnings.simplefilter("ignore")
    logging.disable()
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
    with redirect_stdout(sys.stderr):  # LiteLLM prints there
        findings = table.run_checks(
            PACKAGES, [row for row in ROWS if row_filter in row.title.lower()]
        )
    today = datetime.now(tz=UTC).date()
    releases = ", ".join(package.release() for package in PACKAGES)
    print(f"{today}, Python {platform.python_version()}: {releases}\n")
    markdown = table.format_markdown(findings, PACKAGES)
    print(f"{markdown}\n\n{table.format_reasons(findings, PACKAGES)}")
    if not row_filter and markdown not in PAGE.read_text():
        sys.exit("docs/comparison.md has a different table. Replace it, with date and versions.")


main()

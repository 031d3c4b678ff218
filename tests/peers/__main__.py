"""``python -m tests.peers``: the README's table beside other packages, run afresh.

It wants ``pip install -e '.[test,peers]'``. All traffic stays on this machine: LiteLLM
is told to use the price list that it brings, and not to fetch one when it is imported.
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

sys.path.insert(0, str(Path(__file__).parents[1]))  # where pytest finds these modules, too

from peers import table
from peers.findings import ROWS
from peers.packages import PACKAGES

README = Path(__file__).parents[2] / "README.md"


def main() -> None:
    """Run the checks; print the table, and why a cell does not say yes.

    Fails where the README has another table.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.peers", description=__doc__)
    parser.add_argument("--row", default="", help="only rows with these words in their title")
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    words = parser.parse_args().row.lower()
    warnings.simplefilter("ignore")
    logging.disable()
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)
    with redirect_stdout(sys.stderr):  # LiteLLM prints there
        found = table.found(PACKAGES, [row for row in ROWS if words in row.title.lower()])
    today = datetime.now(tz=UTC).date()
    releases = ", ".join(package.release() for package in PACKAGES)
    print(f"{today}, Python {platform.python_version()}: {releases}\n")
    shown = table.markdown(found, PACKAGES)
    print(f"{shown}\n\n{table.reasons(found, PACKAGES)}")
    if not words and shown not in README.read_text():
        sys.exit("README.md has another table: put this one there, with the date and the versions")


main()

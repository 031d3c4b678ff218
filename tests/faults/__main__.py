"""``python -m tests.faults``: the matrix of faults as a table, and storms.

``table`` prints for every fault and face what became of the call, how many requests it took, the
longest time of its modes and pools, and whether the connection was back; a cell that breaks a
promise is flagged. ``table silence 429`` runs some faults only. ``storms`` runs many calls at once.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # where pytest finds these modules too


def main() -> int:
    """Run what is asked for; the number of what went wrong."""
    from faults import storms, table

    what, *names = sys.argv[1:] or ["table"]
    if what == "table":
        return table.print_table(names)
    if what == "storms":
        return storms.run_storms(names)
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(min(main(), 1))

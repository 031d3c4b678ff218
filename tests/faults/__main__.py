"""``python -m tests.faults``: what happens to each kind of call under each fault, and storms.

``table`` prints the outcome, the number of requests, the longest duration and whether the
connection was freed, for each fault and integration. Unexpected results are flagged.
``table silence 429`` runs only these faults. ``storms`` runs many calls at the same time.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does


def main() -> int:
    """Run the command of the arguments; returns the number of problems."""
    from faults import storms, table

    command, *names = sys.argv[1:] or ["table"]
    if command == "table":
        return table.print_table(names)
    if command == "storms":
        return storms.run_storms(names)
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(min(main(), 1))

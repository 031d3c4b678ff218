"""HTML tables for notebooks."""

import re

from orq_router_integrations.wire.html_table import format_table


def test_cells_are_escaped_and_none_becomes_empty() -> None:
    table = format_table(["<name>", "n"], [("<b>", 1), ("&", None)])
    assert re.sub(r' style="[^"]*"', "", table) == (
        "<table><tr><th>&lt;name&gt;</th><th>n</th></tr>"
        "<tr><td>&lt;b&gt;</td><td>1</td></tr><tr><td>&amp;</td><td></td></tr></table>"
    )


def test_cells_are_aligned_to_the_left() -> None:
    assert format_table(["name"], [("a",)]).count('style="text-align: left"') == 2

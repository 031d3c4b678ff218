"""HTML tables for notebooks."""

from orq_router_integrations.wire.html_table import format_table


def test_cells_are_escaped() -> None:
    table = format_table(("<name>", "n"), [("<b>", 1), ("&", None)])
    assert table == (
        "<table><tr><th>&lt;name&gt;</th><th>n</th></tr>"
        "<tr><td>&lt;b&gt;</td><td>1</td></tr><tr><td>&amp;</td><td></td></tr></table>"
    )

"""HTML tables, which notebooks show instead of the ``repr`` of a result."""

import html
from collections.abc import Iterable, Sequence


def format_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Format rows as an HTML table. Cells are escaped; ``None`` is an empty cell."""
    lines = [_format_row("th", header), *(_format_row("td", row) for row in rows)]
    return f"<table>{''.join(lines)}</table>"


def _format_row(tag: str, cells: Sequence[object]) -> str:
    texts = ("" if cell is None else html.escape(str(cell)) for cell in cells)
    start = f'<{tag} style="text-align: left">'  # Jupyter's own style aligns them to the right
    return f"<tr>{''.join(f'{start}{text}</{tag}>' for text in texts)}</tr>"

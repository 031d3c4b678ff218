"""Convert tables of distributed engines to columns of Python values, and back."""

from collections.abc import Mapping
from typing import Any

from orq_router_integrations.errors import RouterInputError

Columns = dict[str, list[Any]]


def read_columns(table: Any) -> Columns:
    """Return the columns of a dict, a pandas ``DataFrame`` or an Arrow ``Table``.

    Raises:
        RouterInputError: The table has another type, or columns of different lengths, or a
            column that is not a list.
    """
    if isinstance(table, Mapping):
        columns = {str(name): _to_list(name, values) for name, values in table.items()}
    elif hasattr(table, "to_pydict"):  # Arrow
        columns = table.to_pydict()
    elif hasattr(table, "columns") and hasattr(table, "to_dict"):  # pandas
        columns = {str(name): table[name].tolist() for name in table.columns}
    else:
        raise RouterInputError(
            "Expected a dict of columns, a pandas DataFrame or an Arrow Table, "
            f"got {type(table).__name__}."
        )
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise RouterInputError(f"The columns have different lengths: {sorted(lengths)}.")
    return columns


def write_columns(table: Any, columns: Columns) -> Any:
    """Return columns as a table of the same type as ``table``."""
    if isinstance(table, Mapping):
        return columns
    if hasattr(table, "to_pydict"):
        return type(table).from_pydict(columns)
    return type(table)(columns, index=table.index)


def _to_list(name: Any, values: Any) -> list[Any]:
    if isinstance(values, list):
        return values
    if isinstance(values, str | bytes):
        raise RouterInputError(
            f"The column {name!r} is a {type(values).__name__}. Pass a list of values."
        )
    return list(values.tolist() if hasattr(values, "tolist") else values)

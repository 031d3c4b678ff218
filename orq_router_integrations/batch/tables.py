"""Read and add columns of the tables that distributed engines use."""

from collections.abc import Mapping
from typing import Any

from orq_router_integrations.errors import RouterInputError

Columns = dict[str, list[Any]]


def read_columns(table: Any) -> dict[str, Any]:
    """Return the columns of a dict, a pandas ``DataFrame`` or an Arrow ``Table``, as they are.

    Raises:
        RouterInputError: The table has an unsupported type, columns of different lengths, or a
            column that is not a list.
    """
    if isinstance(table, Mapping):
        columns = {str(name): _check_column(name, values) for name, values in table.items()}
    elif hasattr(table, "to_pydict"):  # Arrow
        columns = dict(zip(table.schema.names, table.columns, strict=True))
    elif hasattr(table, "columns") and hasattr(table, "to_dict"):  # pandas
        columns = {str(name): table.iloc[:, i] for i, name in enumerate(table.columns)}
    else:
        raise RouterInputError(
            "Expected a dict of columns, a pandas DataFrame or an Arrow Table, "
            f"got {type(table).__name__}."
        )
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise RouterInputError(f"The columns have different lengths: {sorted(lengths)}.")
    return columns


def to_values(column: Any) -> list[Any]:
    """Return a column as a list of Python values."""
    for name in ("to_pylist", "tolist"):  # Arrow, NumPy and pandas
        if hasattr(column, name):
            column = getattr(column, name)()
    # NumPy and pandas have arrays in a column of lists, such as messages
    return [value.tolist() if hasattr(value, "tolist") else value for value in column]


def add_columns(table: Any, columns: Columns) -> Any:
    """Return a table of the same type with more columns. The others are not changed."""
    if isinstance(table, Mapping):
        return {**table, **columns}
    if hasattr(table, "to_pydict"):
        added = type(table).from_pydict(columns)
        names = [*table.schema.names, *added.schema.names]
        return type(table).from_arrays([*table.columns, *added.columns], names=names)
    result, added = table.copy(deep=False), type(table)(columns, index=table.index)
    for name in columns:
        result[name] = added[name]
    return result


def _check_column(name: Any, values: Any) -> Any:
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__len__"):
        raise RouterInputError(
            f"The column {name!r} is a {type(values).__name__}. Pass a list of values."
        )
    return values

"""Names that are not known, and the known ones that were meant."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the known name that is most like an unknown one; empty where none is."""
    close = difflib.get_close_matches(name, set(known) - {name}, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def refuse_unknown(cls: type[BaseModel], data: Any, hints: Mapping[str, str] | None = None) -> Any:
    """For a ``mode="before"`` validator: name the nearest known field for each unknown one.

    Args:
        cls: whose fields are known.
        data: what the caller gave.
        hints: what to say of names that belong elsewhere.

    Raises:
        ValueError: a keyword is not a field, nor the alias of one.
    """
    if isinstance(data, Mapping) and not data.keys() <= cls.model_fields.keys():
        known = {n for name, f in cls.model_fields.items() for n in (name, f.alias) if n}
        for name in data:
            if name not in known:
                hint = (hints or {}).get(name) or nearest(str(name), known)
                raise ValueError(f"{name}: unknown keyword{hint}")
    return data

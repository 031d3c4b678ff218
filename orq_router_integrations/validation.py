"""What is wrong with a caller's input, in one line that names the field and the fix."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from orq_router_integrations.error_bodies import clean
from orq_router_integrations.errors import RouterInputError


def input_error(
    error: ValueError, *, endpoint: str = "", known: Iterable[str] = ()
) -> RouterInputError:
    """A ``ValueError`` of the wire, or of pydantic, as the error a caller gets.

    ``known`` are the names that an unknown one is compared with.
    """
    if isinstance(error, RouterInputError):
        return error
    text = explained(error, known) if isinstance(error, ValidationError) else str(error)
    return RouterInputError(clean(text), endpoint=endpoint)


def explained(error: ValidationError, known: Iterable[str] = (), *, prefix: str = "") -> str:
    """Pydantic's errors in one line: field, problem, and the name that was meant.

    Args:
        error: what pydantic raised.
        known: names that an unknown one is compared with.
        prefix: of every field's name.
    """
    lines = []
    for item in error.errors(include_url=False, include_context=False):
        where = prefix + ".".join(str(part) for part in item["loc"])
        plain = item["loc"] and item["type"] != "missing"
        shown = f", not {item['input']!r:.80}" if plain else ""
        if item["type"] == "extra_forbidden":
            lines.append(f"{where}: unknown{nearest(str(item['loc'][-1]), known)}")
        else:
            text = item["msg"].removeprefix("Value error, ") + shown
            lines.append(f"{where}: {text}" if item["loc"] else text)
    return "; ".join(lines)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the known name that is most like an unknown one; empty where none is."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def refuse_unknown(cls: type[BaseModel], data: Any) -> Any:
    """For a ``mode="before"`` validator: name the nearest known field for each unknown one.

    Raises:
        ValueError: a keyword is not a field, nor the alias of one.
    """
    if isinstance(data, Mapping):
        known = {n for name, f in cls.model_fields.items() for n in (name, f.alias) if n}
        for name in data:
            if name not in known:
                raise ValueError(f"{name}: unknown keyword{nearest(str(name), known)}")
    return data

"""What is wrong with a caller's input, in one line that names the field and the fix."""

import inspect
import warnings
from collections.abc import Iterable

from pydantic import ValidationError

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.error_body import redact
from orq_router_integrations.wire.suggestions import suggest_name

_INNER = ("orq_router_integrations.", "langchain_core.")


def warn_caller(message: str) -> None:
    """Warn of what a caller has given, at a line that is neither ours nor langchain-core's."""
    level, frame = 1, inspect.currentframe()
    while frame and str(frame.f_globals.get("__name__")).startswith(_INNER):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)


def to_input_error(
    error: ValueError, *, endpoint: str = "", candidates: Iterable[str] = ()
) -> RouterInputError:
    """A ``ValueError`` of the wire, or of pydantic, as the error a caller gets.

    ``known`` are the names that an unknown one is compared with.
    """
    if isinstance(error, RouterInputError):
        return error
    text = (
        format_validation_error(error, candidates)
        if isinstance(error, ValidationError)
        else str(error)
    )
    return RouterInputError(redact(text), endpoint=endpoint)


def format_validation_error(
    error: ValidationError, candidates: Iterable[str] = (), *, prefix: str = ""
) -> str:
    """Pydantic's errors in one line: field, problem, and the name that was meant.

    Args:
        error: what pydantic raised.
        candidates: names that an unknown one is compared with.
        prefix: of every field's name.
    """
    lines = []
    items = error.errors(include_url=False, include_context=False)
    inner = {item["loc"][:depth] for item in items for depth in range(1, len(item["loc"]))}
    for item in items:
        if item["loc"] in inner:
            continue  # it is too short without its members, which are told of themselves
        where = (prefix + ".".join(str(part) for part in item["loc"])).removesuffix(".")
        plain = item["loc"] and item["type"] != "missing"
        shown = f", not {item['input']!r:.80}" if plain else ""
        if item["type"] == "extra_forbidden" and not item["msg"].startswith("unknown"):
            lines.append(f"{where}: unknown{suggest_name(str(item['loc'][-1]), candidates)}")
        else:
            said = item["msg"].removeprefix("Value error, ")
            ours = item["type"] in {"value_error", "extra_forbidden"}
            named = where and (item["loc"] or not ours)  # ours of a whole name the part themselves
            lines.append((f"{where}: " if named else "") + said + ("" if ours else shown))
    return "; ".join(lines)

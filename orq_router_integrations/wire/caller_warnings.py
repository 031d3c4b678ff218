"""Warnings that point to the caller's line."""

import inspect
import warnings

_INTERNAL_PREFIXES = ("orq_router_integrations.", "langchain_core.", "pydantic.")


def warn_caller(message: str) -> None:
    """Issue a warning at the first stack frame outside this package and its frameworks."""
    level, frame = 1, inspect.currentframe()
    while frame and str(frame.f_globals.get("__name__")).startswith(_INTERNAL_PREFIXES):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, stacklevel=level)

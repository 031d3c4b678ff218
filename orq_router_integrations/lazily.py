"""Modules that are loaded when something of them is first used."""

from importlib import import_module
from types import ModuleType
from typing import Any


class Lazily:
    """Stands for a module that many programs import and few need.

    Args:
        name: of the module, in full.

    >>> Lazily("math").floor(2.5)
    2
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # of copies and pickles; no module is asked for it
            raise AttributeError(name)
        if self._module is None:
            self._module = import_module(self._name)
        return getattr(self._module, name)

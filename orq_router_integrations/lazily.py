"""Modules that are loaded when something of them is first used."""

from importlib import import_module
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

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)

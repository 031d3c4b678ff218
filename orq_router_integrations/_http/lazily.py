"""Modules that are loaded when something of them is first used."""

import os
from importlib import import_module
from threading import RLock
from types import ModuleType
from typing import Any

_LOADING = RLock()
"""Held while one is loaded, and by a fork: a child cannot wait for threads that it has not."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_LOADING.acquire,
        after_in_parent=_LOADING.release,
        after_in_child=_LOADING.release,
    )


class LazyModule:
    """Stands for a module that many programs import and few need.

    Args:
        name: of the module, in full.

    >>> LazyModule("math").floor(2.5)
    2
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # of copies and pickles; no module is asked for it
            raise AttributeError(name)
        if self._module is None:
            with _LOADING:
                self._module = import_module(self._name)
        return getattr(self._module, name)

"""Griffe extension: show the doctests of docstrings as code."""

import re
from typing import Any

from griffe import Extension, Object

DOCTEST = re.compile(r"^( *)>>> .*(?:\n\1\S.*)*", re.MULTILINE)


class DoctestFences(Extension):
    """Puts each doctest of a docstring into a fenced code block."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of an object (called by griffe)."""
        if obj.docstring:
            obj.docstring.value = DOCTEST.sub(fence, obj.docstring.value)


def fence(match: re.Match[str]) -> str:
    indent = match[1]
    return f"{indent}```pycon\n{match[0]}\n{indent}```"

"""Substitute variables such as ``{{name}}``."""

import re
from collections.abc import Mapping
from typing import Any

_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def substitute_variables(text: str, variables: Mapping[str, Any]) -> str:
    """Replace ``{{name}}`` with its value. Unknown names are left unchanged."""
    return _VARIABLE.sub(lambda match: str(variables.get(match[1], match[0])), text)

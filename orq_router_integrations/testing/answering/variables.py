"""Variables: values for ``{{name}}`` in a text."""

import re
from collections.abc import Mapping
from typing import Any

_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


def substitute_variables(text: str, variables: Mapping[str, Any]) -> str:
    """The text with its variables filled in; names without a value stay as they are."""
    return _VARIABLE.sub(lambda found: str(variables.get(found[1], found[0])), text)

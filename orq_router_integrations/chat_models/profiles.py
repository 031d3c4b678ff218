"""What a model can do, as LangChain's ``ModelProfile``: a small shipped table, read at first use.

The table is generated from public facts by ``tests/profiles/generate.py``. Keys that no source
confirms are left out of a profile, and models without confirmed facts have none.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

from langchain_core.language_models import ModelProfile

from orq_router_integrations.wire import json

_TABLE = Path(__file__).with_suffix(".json")
_BEDROCK_VERSION = re.compile(r"-v\d+(:\d+)?$")
_SNAPSHOT = re.compile(r"(-\d{4}-\d{2}-\d{2}|[-@]\d{8}|[-@]latest|@default)$")


def get_profile(model: str) -> ModelProfile | None:
    """The profile of a model, by its exact id or, for a dated snapshot, by the id without date.

    A similar name is never taken for the model: what is not in the table has no profile. Neither
    have routers of the workspace (``<workspace>@orq/<key>``), which choose the model themselves.

    >>> get_profile("openai/gpt-4o-2024-08-06")["max_input_tokens"]
    128000
    >>> get_profile("openai/gpt-4o-of-mine") is None
    True
    """
    table = _load_table()
    for spelling in _spellings(model):
        if (place := table["models"].get(spelling)) is not None:
            return cast("ModelProfile", dict(table["profiles"][place]))
    return None


def _spellings(model: str) -> Iterator[str]:
    """The id, then without Bedrock's version, then without the date as well."""
    yield model
    unversioned = _BEDROCK_VERSION.sub("", model) if model.startswith("aws/") else model
    yield unversioned
    yield _SNAPSHOT.sub("", unversioned)


@cache
def _load_table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(_TABLE.read_bytes())
    return table

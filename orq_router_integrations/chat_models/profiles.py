"""Model profiles: the capabilities of each model, as LangChain's ``ModelProfile``.

``tests/profiles/generate.py`` generates the table from public facts. Profiles leave out properties
that no source confirms, and models without any confirmed property have no profile.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any, cast

from langchain_core.language_models import ModelProfile

from orq_router_integrations.wire import json

_BEDROCK_VERSION = re.compile(r"-v\d+(:\d+)?$")
_SNAPSHOT = re.compile(r"(-\d{4}-\d{2}-\d{2}|[-@]\d{8}|[-@]latest|@default)$")


def get_profile(model: str) -> ModelProfile | None:
    """Return the profile of a model, or ``None`` if the model is unknown.

    Dated snapshots have the profile of the model without the date; otherwise the id must match
    exactly. Routers of a workspace (``<workspace>@orq/<key>``) choose the model themselves, so
    they do not have a profile.

    >>> get_profile("openai/gpt-4o-2024-08-06")["max_input_tokens"]
    128000
    >>> get_profile("openai/gpt-4o-custom")
    """
    table = _load_table()
    unversioned = _BEDROCK_VERSION.sub("", model) if model.startswith("aws/") else model
    for model_id in (model, unversioned, _SNAPSHOT.sub("", unversioned)):
        if (index := table["models"].get(model_id)) is not None:
            return cast("ModelProfile", dict(table["profiles"][index]))
    return None


@cache
def _load_table() -> dict[str, Any]:
    table: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_bytes())
    return table

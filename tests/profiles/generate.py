"""Generate the table of model profiles from ``facts.json``.

Run ``python tests/profiles/generate.py`` after a change of the facts. A family of models can have
several id formats, one for each provider that offers it. Equal profiles are stored once.

With ``--catalog`` the script prints a family for ``facts.json`` instead: the chat models in the
catalog of the router that the facts lack.
"""

import json
import sys
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

from orq_router_integrations import RouterClient
from orq_router_integrations.wire.models import CatalogModel

DIRECTORY = Path(__file__).parent
FACTS = DIRECTORY / "facts.json"
TABLE = DIRECTORY.parents[1] / "orq_router_integrations" / "chat_models" / "profiles.json"

TEXT = {"text_inputs": True, "text_outputs": True}
UNSUPPORTED = {"video_inputs": False, "video_outputs": False}  # by the router


def build_table(facts: dict[str, Any]) -> str:
    """Build the JSON text of the table.

    Raises:
        ValueError: A model belongs to two families.
    """
    models: dict[str, str] = {}
    for family in facts["families"]:
        for name, properties in family["models"].items():
            profile = build_profile({**family["all"], **properties})
            for id_format in family["id_formats"]:
                model = id_format.format(name)
                if model in models:
                    raise ValueError(f"{model} is in two families")
                models[model] = json.dumps(profile, sort_keys=True)
    profiles = sorted(set(models.values()))
    indexes = [f'"{model}":{profiles.index(models[model])}' for model in sorted(models)]
    lines = ['{"profiles":[', ",\n".join(profiles), '],"models":{', ",\n".join(indexes), "}}"]
    return "\n".join(lines) + "\n"


def build_profile(properties: dict[str, Any]) -> dict[str, Any]:
    """Build the profile of a model as ``ChatOrq`` supports it."""
    images = {"image_url_inputs": properties["image_inputs"]}
    return {**TEXT, **images, **properties, **UNSUPPORTED}


def build_family(models: Iterable[CatalogModel], facts: dict[str, Any]) -> dict[str, Any]:
    """Build a family of the models in a catalog that the facts lack."""
    known_models = {
        id_format.format(name)
        for family in facts["families"]
        for id_format in family["id_formats"]
        for name in family["models"]
    }
    new = {model.id: describe_model(model) for model in models if model.id not in known_models}
    return {
        "name": "From the catalog of the router",
        "source": "GET /v2/model-catalog",
        "checked": date.today().isoformat(),
        "id_formats": ["{}"],
        "all": {},
        "models": dict(sorted(new.items())),
    }


def describe_model(model: CatalogModel) -> dict[str, Any]:
    """Convert what the catalog states about a model to the properties of a profile."""
    limits = {"max_input_tokens": model.context_window} if model.context_window else {}
    return {
        **limits,
        **{f"{kind}_inputs": kind in model.input_modalities for kind in ("image", "audio")},
        **{f"{kind}_outputs": kind in model.output_modalities for kind in ("image", "audio")},
        "pdf_inputs": bool(model.input_modalities & {"file", "pdf"}),
        "tool_calling": model.supports("tool_calling"),
        "reasoning_output": model.supports("reasoning"),
    }


if __name__ == "__main__":
    all_facts = json.loads(FACTS.read_text("utf-8"))
    if "--catalog" in sys.argv:
        catalog = RouterClient().list_catalog_models(endpoint="chat")
        print(json.dumps(build_family(catalog, all_facts), indent=2))  # noqa: T201
    else:
        TABLE.write_text(build_table(all_facts), "utf-8")

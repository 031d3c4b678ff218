"""Generate the table of model profiles from ``facts.json``.

Run ``python tests/profiles/generate.py`` after a change of the facts. A family of models can have
several id formats, one for each provider that offers it. Equal profiles are stored once.
"""

import json
from pathlib import Path
from typing import Any

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


if __name__ == "__main__":
    TABLE.write_text(build_table(json.loads(FACTS.read_text("utf-8"))), "utf-8")

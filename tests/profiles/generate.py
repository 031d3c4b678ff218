"""Write the shipped table of model profiles from the facts: ``python tests/profiles/generate.py``.

Every family's models are spelled in each of its ways. Equal profiles are stored once.
"""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FACTS = HERE / "facts.json"
TABLE = HERE.parents[1] / "orq_router_integrations" / "chat_models" / "profiles.json"

TEXT = {"text_inputs": True, "text_outputs": True}
NOT_CARRIED = {"video_inputs": False, "video_outputs": False}  # the router takes no video


def table(facts: dict[str, Any]) -> str:
    """The text of the table."""
    models: dict[str, str] = {}
    for family in facts["families"]:
        for name, own in family["models"].items():
            for spelling in family["spelled"]:
                model = spelling.format(name)
                if model in models:
                    raise ValueError(f"{model} stands in two families")
                models[model] = json.dumps(profile({**family["all"], **own}), sort_keys=True)
    profiles = sorted(set(models.values()))
    places = [f'"{model}":{profiles.index(models[model])}' for model in sorted(models)]
    lines = ['{"profiles":[', ",\n".join(profiles), '],"models":{', ",\n".join(places), "}}"]
    return "\n".join(lines) + "\n"


def profile(known: dict[str, Any]) -> dict[str, Any]:
    """A profile as ``ChatOrq`` can use the model."""
    images = {"image_url_inputs": known["image_inputs"]}
    return {**TEXT, **images, **known, **NOT_CARRIED}


if __name__ == "__main__":
    TABLE.write_text(table(json.loads(FACTS.read_text("utf-8"))), "utf-8")

"""The models of the offline workspace: which are enabled, and the endpoints that list them.

The entries of the catalog are invented: a model has the modalities and features that are typical
for its kind, and every token costs the same.
"""

from collections.abc import Collection
from typing import Any

import httpx

from orq_router_integrations.testing.routing.error_responses import HTTPError, reject_field
from orq_router_integrations.wire.model_kinds import ModelKind, get_model_kind

PROVIDERS = {
    "anthropic", "aws", "azure", "cohere", "elevenlabs", "google", "google-ai", "groq",
    "jina", "mistral", "openai", "typesafe",
}  # fmt: skip
"""Known provider prefixes. All of their models are enabled by default."""

LISTED_MODELS = (
    "anthropic/claude-sonnet-4-5",
    "azure/gpt-4o",
    "cohere/embed-multilingual-v3.0",
    "cohere/rerank-v3.5",
    "google-ai/gemini-2.5-flash",
    "groq/llama-3.3-70b-versatile",
    "mistral/mistral-large-latest",
    "openai/gpt-4o",
    "openai/gpt-4o-mini",
    "openai/text-embedding-3-large",
    "openai/text-embedding-3-small",
)
"""Models listed by ``GET /models`` by default; more than these are enabled."""

_MODALITIES: dict[ModelKind, tuple[list[str], list[str]]] = {
    "chat": (["text", "image"], ["text"]),
    "image": (["text", "image"], ["image"]),
    "ocr": (["image", "file"], ["text"]),
    "speech": (["text"], ["audio"]),
    "transcription": (["audio"], ["text"]),
}


class ModelRegistry:
    """The enabled models; ``enabled=None`` enables every model of the known providers."""

    def __init__(self, enabled: Collection[str] | None) -> None:
        self._enables_all = enabled is None
        self._listed = LISTED_MODELS if enabled is None else tuple(dict.fromkeys(enabled))
        for model in self._listed:
            check_model_id(model, "models")

    def is_enabled(self, model: str) -> bool:
        if self._enables_all:
            return model.partition("/")[0] in PROVIDERS
        return model in self._listed

    def check_enabled(self, model: str) -> None:
        """Raise a 404 if a model is not enabled, or a 400 if its id does not contain a provider."""
        try:
            check_model_id(model, "invalid model format")
        except ValueError as error:
            raise HTTPError(400, str(error), param="model") from None
        if not self.is_enabled(model):
            message = f"model {model!r} was not found or is not enabled in this workspace"
            raise HTTPError(404, message, param="model")

    def list_models(self) -> dict[str, Any]:
        """Return the body of ``GET /models``."""
        return {"object": "list", "data": list(map(self.describe_model, self._listed))}

    def describe_model(self, id_: str) -> dict[str, Any]:
        """Return the body of ``GET /models/{model}``."""
        self.check_enabled(id_)
        return {"id": id_, "object": "model", "created": 0, "owned_by": id_.partition("/")[0]}

    def list_catalog(self, query: httpx.QueryParams) -> dict[str, Any]:
        """Return the body of ``GET /v2/model-catalog``, which has one page only.

        The query selects entries; a parameter may have several values.
        """
        entries = [
            entry
            for entry in map(_create_entry, sorted(self._listed))
            if all(_matches(entry, name, query.get_list(name)) for name in query)
        ]
        return {"object": "list", "data": entries, "has_more": False}


def check_model_id(model: str, name: str) -> None:
    provider, _, model_name = model.partition("/")
    if not (provider and model_name):
        raise ValueError(f"{name}: {model!r} is not a model id. Write 'provider/model'.")


def _create_entry(model: str) -> dict[str, Any]:
    provider, _, name = model.partition("/")
    kind = get_model_kind(model) or "chat"
    is_chat = kind == "chat"
    inputs, outputs = _MODALITIES.get(kind, (["text"], ["text"]))
    price = {"currency": "USD", "per": 1_000_000, "unit": "token"}
    return {
        "id": model,
        "created": "2026-01-01T00:00:00Z",
        "name": name,
        "description": f"An offline {kind} model",
        "provider": {"id": provider, "logo": ""},
        "endpoints": [kind if kind in {"chat", "ocr", "rerank", "speech"} else f"{kind}s"],
        "modalities": {"input": inputs, "output": outputs},
        "offering_of": model,
        "supported_parameters": ["max_tokens", "temperature", "tools"] if is_chat else [],
        "supported_tiers": [],
        "location": ["eu"],
        "features": ["json_mode", "tool_calling", "vision"] if is_chat else [],
        "deprecated": False,
        "zdr": False,
        "pricing": {"input": {"cost": 1.0, **price}, "output": {"cost": 4.0, **price}},
        **({"context_window": "128000"} if is_chat else {}),
    }


def _matches(entry: dict[str, Any], name: str, values: list[str]) -> bool:
    if name == "search":
        return values[-1].casefold() in f"{entry['id']} {entry['description']}".casefold()
    fields = {
        "provider": [entry["provider"]["id"]],
        "offering_of": [entry["offering_of"]],
        "input_modality": entry["modalities"]["input"],
        "output_modality": entry["modalities"]["output"],
        "endpoint": entry["endpoints"],
        "location": entry["location"],
        "feature": entry["features"],
        "supported_parameter": entry["supported_parameters"],
        "tier": entry["supported_tiers"],
    }
    if name not in fields:
        reject_field(name, "is not a parameter that the offline router supports")
    return not set(values).isdisjoint(fields[name])

"""The model catalog: GET /v2/model-catalog.

The entries are invented: a model has the modalities and features that are typical for its kind, and
every token costs the same.
"""

from collections.abc import Iterable
from typing import Any

import httpx

from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.wire.model_names import ModelKind, get_model_kind

_UNCOUNTABLE = {"chat", "ocr", "rerank", "speech"}
"""Kinds of models that are also the name of an endpoint, without an "s"."""

_MODALITIES: dict[ModelKind, tuple[list[str], list[str]]] = {
    "chat": (["text", "image"], ["text"]),
    "image": (["text", "image"], ["image"]),
    "ocr": (["image", "file"], ["text"]),
    "speech": (["text"], ["audio"]),
    "transcription": (["audio"], ["text"]),
}


def list_catalog(models: Iterable[str], query: httpx.QueryParams) -> dict[str, Any]:
    """Return the body of a response. A query parameter may have several values.

    Raises:
        HTTPError: 400, a parameter is not supported. The catalog has one page only.
    """
    entries = [create_entry(model) for model in sorted(models)]
    for name in query:
        values = query.get_list(name)
        entries = [entry for entry in entries if _matches(entry, name, values)]
    return {"object": "list", "data": entries, "has_more": False}


def create_entry(model: str) -> dict[str, Any]:
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
        "endpoints": [kind if kind in _UNCOUNTABLE else f"{kind}s"],
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

"""The model catalog: GET /v2/model-catalog.

The entries are invented: a model has the modalities and features that are typical for its kind, and
every token costs the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import httpx

from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.wire.model_kinds import ModelKind, get_model_kind

MAX_LIMIT = 1000

_UNCOUNTABLE = {"chat", "ocr", "rerank", "speech"}
"""Kinds of models that are also the name of an endpoint, without an "s"."""

_MODALITIES: dict[ModelKind, tuple[list[str], list[str]]] = {
    "chat": (["text", "image"], ["text"]),
    "image": (["text", "image"], ["image"]),
    "ocr": (["image", "file"], ["text"]),
    "speech": (["text"], ["audio"]),
    "transcription": (["audio"], ["text"]),
}
_FILTERS = {
    "provider": ("provider", "id"),
    "offering_of": ("offering_of",),
    "input_modality": ("modalities", "input"),
    "output_modality": ("modalities", "output"),
    "endpoint": ("endpoints",),
    "location": ("location",),
    "feature": ("features",),
    "supported_parameter": ("supported_parameters",),
    "tier": ("supported_tiers",),
}
"""Path to the field of an entry that a query parameter filters."""


def list_catalog(models: Iterable[str], query: httpx.QueryParams) -> dict[str, Any]:
    """Return the body of a response. A query parameter may have several values.

    Raises:
        HTTPError: 400, a parameter is unknown or invalid.
    """
    filters = {name: query.get_list(name) for name in query}
    limit = filters.pop("limit", [str(MAX_LIMIT)])[-1]
    if not limit.isdecimal() or not 0 < int(limit) <= MAX_LIMIT:
        reject_field("limit", f"must be from 1 to {MAX_LIMIT}")
    after = filters.pop("starting_after", [""])[-1]
    entries = [create_entry(model) for model in sorted(models)]
    for name, values in filters.items():
        entries = [entry for entry in entries if _matches(entry, name, values)]
    ids = [entry["id"] for entry in entries]
    start = ids.index(after) + 1 if after in ids else 0
    page = entries[start : start + int(limit)]
    return {"object": "list", "data": page, "has_more": start + len(page) < len(entries)}


def create_entry(model: str) -> dict[str, Any]:
    provider, _, name = model.partition("/")
    kind = get_model_kind(model) or "chat"
    inputs, outputs = _MODALITIES.get(kind, (["text"], ["text"]))
    price = {"currency": "USD", "per": 1_000_000, "unit": "token"}
    parameters = ["max_tokens", "response_format", "temperature", "tools", "top_p"]
    return {
        "id": model,
        "created": "2026-01-01T00:00:00Z",
        "name": name,
        "description": f"An offline {kind} model",
        "provider": {"id": provider, "logo": ""},
        "endpoints": [kind if kind in _UNCOUNTABLE else f"{kind}s"],
        "modalities": {"input": inputs, "output": outputs},
        "offering_of": model,
        "supported_parameters": parameters if kind == "chat" else [],
        "supported_tiers": [],
        "location": ["eu"],
        "features": ["json_mode", "tool_calling", "vision"] if kind == "chat" else [],
        "deprecated": False,
        "zdr": False,
        "pricing": {"input": {"cost": 1.0, **price}, "output": {"cost": 4.0, **price}},
        **({"context_window": "128000"} if kind == "chat" else {}),
    }


def _matches(entry: Mapping[str, Any], name: str, values: list[str]) -> bool:
    if name == "search":
        text = f"{entry['id']} {entry['description']}".casefold()
        return values[-1].casefold() in text
    if name not in _FILTERS:
        reject_field(name, "is not a parameter that the offline router supports")
    value: Any = entry
    for key in _FILTERS[name]:
        value = value[key]
    return not set(values).isdisjoint([value] if isinstance(value, str) else value)

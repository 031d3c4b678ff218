"""The model catalog: GET /v2/model-catalog.

The entries are invented: a model has the modalities and features that are typical for its kind, and
every token costs the same.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.wire.model_kinds import ModelKind, get_model_kind

CONTEXT_WINDOW = 128_000
INPUT_PRICE, OUTPUT_PRICE = 1.0, 4.0
"""US dollars per million tokens."""

MAX_LIMIT = 1000

_ENDPOINTS: dict[ModelKind, str] = {
    "chat": "chat",
    "embedding": "embeddings",
    "image": "images",
    "moderation": "moderations",
    "ocr": "ocr",
    "rerank": "rerank",
    "speech": "speech",
    "transcription": "transcriptions",
}
_MODALITIES: dict[ModelKind, tuple[list[str], list[str]]] = {
    "chat": (["text", "image"], ["text"]),
    "image": (["text", "image"], ["image"]),
    "ocr": (["image", "file"], ["text"]),
    "speech": (["text"], ["audio"]),
    "transcription": (["audio"], ["text"]),
}
_CHAT_FEATURES = ["json_mode", "tool_calling", "vision"]
_CHAT_PARAMETERS = ["max_tokens", "response_format", "temperature", "tools", "top_p"]

_LIST_FILTERS = {
    "endpoint": "endpoints",
    "location": "location",
    "feature": "features",
    "supported_parameter": "supported_parameters",
    "tier": "supported_tiers",
}
"""Field of an entry by the query parameter that filters it."""


def list_catalog(models: Iterable[str], query: Mapping[str, list[str]]) -> dict[str, Any]:
    """Return the body of a response.

    Args:
        models: Ids of the models in the catalog.
        query: Query parameters, each with its values.

    Raises:
        HTTPError: 400, a parameter is unknown or invalid.
    """
    filters = {name: values for name, values in query.items() if values}
    limit = _parse_limit(filters.pop("limit", ["0"])[-1])
    after = filters.pop("starting_after", [""])[-1]
    entries = [create_entry(model) for model in sorted(models)]
    for name, values in filters.items():
        entries = [entry for entry in entries if _matches(entry, name, values)]
    ids = [entry["id"] for entry in entries]
    start = ids.index(after) + 1 if after in ids else 0
    page = entries[start : start + limit] if limit else entries[start:]
    has_more = start + len(page) < len(entries)
    return {"object": "list", "data": page, "has_more": has_more}


def create_entry(model: str) -> dict[str, Any]:
    """Create the entry of a model."""
    provider, _, name = model.partition("/")
    kind = get_model_kind(model) or "chat"
    inputs, outputs = _MODALITIES.get(kind, (["text"], ["text"]))
    is_chat = kind == "chat"
    return {
        "id": model,
        "created": "2026-01-01T00:00:00Z",
        "name": name,
        "description": f"An offline {kind} model",
        "provider": {"id": provider, "logo": ""},
        "endpoints": [_ENDPOINTS[kind]],
        "modalities": {"input": inputs, "output": outputs},
        "offering_of": model,
        "supported_parameters": _CHAT_PARAMETERS if is_chat else [],
        "supported_tiers": [],
        "location": ["eu"],
        "features": _CHAT_FEATURES if is_chat else [],
        "deprecated": False,
        "zdr": False,
        "pricing": {"input": _create_price(INPUT_PRICE), "output": _create_price(OUTPUT_PRICE)},
        **({"context_window": str(CONTEXT_WINDOW)} if is_chat else {}),
    }


def _create_price(cost: float) -> dict[str, Any]:
    return {"cost": cost, "currency": "USD", "per": 1_000_000, "unit": "token"}


def _parse_limit(text: str) -> int:
    if not text.isdecimal() or int(text) > MAX_LIMIT:
        raise HTTPError(400, f"limit: must be from 1 to {MAX_LIMIT}", param="limit")
    return int(text)


def _matches(entry: Mapping[str, Any], name: str, values: list[str]) -> bool:
    match name:
        case "provider":
            return entry["provider"]["id"] in values
        case "offering_of":
            return entry["offering_of"] in values
        case "search":
            text = f"{entry['id']} {entry['name']} {entry['description']}".casefold()
            return values[-1].casefold() in text
        case "input_modality" | "output_modality":
            modalities = entry["modalities"][name.partition("_")[0]]
            return bool(set(modalities) & set(values))
    if name not in _LIST_FILTERS:
        raise HTTPError(400, f"{name}: is not a documented parameter", param=name)
    return bool(set(entry[_LIST_FILTERS[name]]) & set(values))

"""The offline workspace: its models, API keys and rate limit, and values that expire.

The entries of the model catalog are invented: a model has the modalities and features that are
typical for its kind, and every token costs the same.
"""

import math
from collections.abc import Callable, Collection
from typing import Any, Generic, TypeVar

import httpx

from orq_router_integrations.testing.routing.response import HTTPError, reject_field
from orq_router_integrations.wire.model_kinds import ModelKind, get_model_kind

V = TypeVar("V")

PROVIDERS = {
    "anthropic", "aws", "azure", "cohere", "elevenlabs", "google", "google-ai", "groq",
    "jina", "mistral", "openai", "typesafe",
}  # fmt: skip
"""Known provider prefixes. All of their models are enabled by default."""

LISTED_MODELS = (
    "anthropic/claude-sonnet-4-5", "azure/gpt-4o", "cohere/embed-multilingual-v3.0",
    "cohere/rerank-v3.5", "google-ai/gemini-2.5-flash", "groq/llama-3.3-70b-versatile",
    "mistral/mistral-large-latest", "openai/gpt-4o", "openai/gpt-4o-mini",
    "openai/text-embedding-3-large", "openai/text-embedding-3-small",
)  # fmt: skip
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
        has_known_provider = model.partition("/")[0] in PROVIDERS
        return model in self._listed or (self._enables_all and has_known_provider)

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
        entries = list(map(_create_entry, sorted(self._listed)))
        for name in query:
            entries = [entry for entry in entries if _matches(entry, name, query.get_list(name))]
        return {"object": "list", "data": entries, "has_more": False}


def check_model_id(model: str, name: str) -> None:
    provider, _, model_name = str(model).partition("/")
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


def check_api_key(request: httpx.Request, keys: Collection[str] | None) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "API key missing. Send the header 'Authorization: Bearer <key>'."
        raise HTTPError(401, message, "authentication_required")
    if keys is not None and key.strip() not in keys:
        raise HTTPError(401, "the API key is not valid for this workspace")


class RateLimit:
    """Counts requests in a rolling window of 60 seconds; a ``limit`` of ``None`` is unlimited."""

    def __init__(self, limit: int | None, clock: Callable[[], float]) -> None:
        self._limit, self._clock = limit, clock
        self._expirations: list[float] = []
        self.headers: dict[str, str] = {}  # state after the last request

    def acquire(self) -> None:
        """Count one request, or raise a 429."""
        if self._limit is None:
            return
        now = self._clock()
        self._expirations = [time for time in self._expirations if time > now]
        is_exceeded = len(self._expirations) >= self._limit
        if not is_exceeded:
            self._expirations.append(now + 60)
        seconds = str(max(1, math.ceil(self._expirations[0] - now)))
        self.headers = {
            "x-ratelimit-limit": str(self._limit),
            "x-ratelimit-remaining": str(self._limit - len(self._expirations)),
            "x-ratelimit-reset": f"{seconds}s",
        }
        if is_exceeded:
            message = f"rate limit of {self._limit} requests per minute. Retry in {seconds} s."
            raise HTTPError(429, message, headers={"retry-after": seconds})


class ExpiringDict(Generic[V]):
    """Values by key, such as cached responses, until they expire."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[float, V]] = {}

    def put(self, key: str, value: V, *, seconds: float) -> None:
        now = self._clock()
        current = {name: entry for name, entry in self._entries.items() if now < entry[0]}
        self._entries = {**current, key: (now + seconds, value)}

    def get(self, key: str) -> V | None:
        expires_at, value = self._entries.get(key, (0.0, None))
        return value if self._clock() < expires_at else None

"""Models that are enabled in the offline workspace."""

from collections.abc import Collection
from typing import Any

from orq_router_integrations.testing.routing.error_responses import HTTPError

PROVIDERS = {
    *("anthropic", "aws", "azure", "cohere", "elevenlabs", "google", "google-ai", "groq"),
    *("jina", "mistral", "openai", "typesafe"),
}
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


class ModelRegistry:
    """The enabled models; ``enabled=None`` enables every model of the known providers."""

    def __init__(self, *, enabled: Collection[str] | None) -> None:
        self._enabled = None if enabled is None else tuple(dict.fromkeys(enabled))
        self.listed = LISTED_MODELS if self._enabled is None else self._enabled
        if invalid := [model for model in self.listed if not has_provider(model)]:
            raise ValueError(f"models: {invalid[0]!r} is not a model id. Write 'provider/model'.")

    def is_enabled(self, model: str) -> bool:
        if self._enabled is None:
            return model.partition("/")[0] in PROVIDERS
        return model in self._enabled

    def check_enabled(self, model: str) -> None:
        """Raise a 404 if a model is not enabled, or a 400 if its id does not contain a provider."""
        if not has_provider(model):
            message = f"invalid model format: {model!r}. Write 'provider/model'."
            raise HTTPError(400, message, param="model")
        if not self.is_enabled(model):
            message = f"model {model!r} was not found or is not enabled in this workspace"
            raise HTTPError(404, message, param="model")

    def describe_model(self, id_: str) -> dict[str, Any]:
        """Return the body of ``GET /models/{model}``."""
        self.check_enabled(id_)
        return {"id": id_, "object": "model", "created": 0, "owned_by": id_.partition("/")[0]}


def get_provider_model_name(model: str) -> str:
    return model.partition("/")[2]


def has_provider(model: str) -> bool:
    provider, _, name = model.partition("/")
    return bool(provider and name)

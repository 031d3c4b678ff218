"""Models that are enabled in the offline workspace."""

from collections.abc import Collection
from typing import Any

from orq_router_integrations.testing.routing.error_responses import HTTPError

PROVIDERS = frozenset(
    {
        "anthropic",
        "aws",
        "azure",
        "cohere",
        "elevenlabs",
        "google",
        "google-ai",
        "groq",
        "jina",
        "mistral",
        "openai",
    }
)
"""Known provider prefixes. All of their models are enabled by default."""

LISTED_MODELS = (
    "anthropic/claude-sonnet-4-5",
    "azure/gpt-4o",
    "google-ai/gemini-2.5-flash",
    "groq/llama-3.3-70b-versatile",
    "mistral/mistral-large-latest",
    "openai/gpt-4o",
    "openai/gpt-4o-mini",
)
"""Models listed by ``GET /models`` by default; more than these are enabled."""


class ModelRegistry:
    """The enabled models; ``enabled=None`` enables every model of the known providers."""

    def __init__(self, *, enabled: Collection[str] | None) -> None:
        self._enabled = None if enabled is None else tuple(dict.fromkeys(enabled))
        if invalid := [model for model in self._enabled or () if not has_provider(model)]:
            raise ValueError(f"models: {invalid[0]!r} is not a model id. Write 'provider/model'.")

    def is_enabled(self, model: str) -> bool:
        """Return whether a model is enabled."""
        if self._enabled is None:
            return model.partition("/")[0] in PROVIDERS
        return model in self._enabled

    def list_models(self) -> dict[str, Any]:
        """Return the body of ``GET /models``, which has no capabilities."""
        ids = LISTED_MODELS if self._enabled is None else self._enabled
        entries = [
            {"id": id_, "object": "model", "created": 0, "owned_by": id_.partition("/")[0]}
            for id_ in ids
        ]
        return {"object": "list", "data": entries}


def check_model_id(model: str) -> None:
    """Check that a model id names a provider.

    Raises:
        HTTPError: 400, as the real router answers a model name without provider.
    """
    if not has_provider(model):
        message = f"invalid model format: {model!r}. Write 'provider/model'."
        raise HTTPError(400, message, param="model")


def get_provider_model_name(model: str) -> str:
    """Return a model's name without its provider prefix."""
    return model.partition("/")[2]


def has_provider(model: str) -> bool:
    """Return whether an id has the form ``provider/model``."""
    provider, _, name = model.partition("/")
    return bool(provider and name)

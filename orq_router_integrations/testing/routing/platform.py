"""The offline workspace: its models, the checks before a provider is called, and the cache.

Where the documentation is silent, one behavior was chosen: an input guardrail blocks a request
whose last user text contains the id of the guardrail; output guardrails never block; streams are
not cached; files count by name, type and content.
"""

import math
from collections.abc import Callable, Collection, Iterable
from typing import Any, Generic, TypeVar

import httpx

from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.wire.controls import Guardrail

V = TypeVar("V")

WINDOW_SECONDS = 60.0

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


class ModelRegistry:
    """The enabled models; ``enabled=None`` enables every model of the known providers."""

    def __init__(self, enabled: Collection[str] | None) -> None:
        self._enables_all = enabled is None
        self.listed = LISTED_MODELS if enabled is None else tuple(dict.fromkeys(enabled))
        for model in self.listed:
            check_model_id(model, "models")

    def is_enabled(self, model: str) -> bool:
        if self._enables_all:
            return model.partition("/")[0] in PROVIDERS
        return model in self.listed

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
        return {"object": "list", "data": list(map(self.describe_model, self.listed))}

    def describe_model(self, id_: str) -> dict[str, Any]:
        """Return the body of ``GET /models/{model}``."""
        self.check_enabled(id_)
        return {"id": id_, "object": "model", "created": 0, "owned_by": id_.partition("/")[0]}


def check_model_id(model: str, name: str) -> None:
    provider, _, model_name = model.partition("/")
    if not (provider and model_name):
        raise ValueError(f"{name}: {model!r} is not a model id. Write 'provider/model'.")


def check_api_key(request: httpx.Request, keys: Collection[str] | None) -> None:
    """Check the bearer token of a request."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        message = "API key missing. Send the header 'Authorization: Bearer <key>'."
        raise HTTPError(401, message, "authentication_required")
    if keys is not None and key.strip() not in keys:
        raise HTTPError(401, "the API key is not valid for this workspace")


class RateLimit:
    """Counts requests in a rolling window; a ``limit`` of ``None`` is unlimited."""

    def __init__(self, limit: int | None, clock: Callable[[], float]) -> None:
        if limit is not None and limit < 1:
            raise ValueError(f"requests_per_minute: must be at least 1, not {limit}")
        self._limit, self._clock = limit, clock
        self._expirations: list[float] = []

    def acquire(self) -> None:
        """Count one request, or raise a 429."""
        if not (headers := self.get_headers()):
            return
        if headers["x-ratelimit-remaining"] == "0":
            seconds = headers["x-ratelimit-reset"].rstrip("s")
            message = f"rate limit of {self._limit} requests per minute. Retry in {seconds} s."
            raise HTTPError(429, message, headers={"retry-after": seconds})
        self._expirations.append(self._clock() + WINDOW_SECONDS)

    def get_headers(self) -> dict[str, str]:
        """Return the rate-limit headers, or an empty dict without a limit."""
        if self._limit is None:
            return {}
        now = self._clock()
        self._expirations = [time for time in self._expirations if time > now]
        seconds = max(1, math.ceil(self._expirations[0] - now)) if self._expirations else 0
        return {
            "x-ratelimit-limit": str(self._limit),
            "x-ratelimit-remaining": str(self._limit - len(self._expirations)),
            "x-ratelimit-reset": f"{seconds}s",
        }


def check_guardrails(guardrails: Iterable[Guardrail], text: str) -> None:
    """Reject a request whose text contains the ids of input guardrails."""
    ids = [item.id for item in guardrails if item.execute_on != "output" and item.id in text]
    if ids:
        state = {"stage": "input", "value": True, "outcome": "failed"}
        failures = [{"id": id_, **state} for id_ in ids]
        message = f"blocked by the guardrail {ids[0]}"
        raise HTTPError(400, message, code="guardrail_error", failures=failures)


class ExpiringDict(Generic[V]):
    """Values by key, such as cached responses, until they expire."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[float, V]] = {}

    def put(self, key: str, value: V, *, seconds: float) -> None:
        now = self._clock()
        current = {key: entry for key, entry in self._entries.items() if now < entry[0]}
        self._entries = {**current, key: (now + seconds, value)}

    def get(self, key: str) -> V | None:
        expires_at, value = self._entries.get(key, (0.0, None))
        return value if self._clock() < expires_at else None

"""Chat models on an offline router, for tests of ``ChatOrq``."""

from typing import Any

from orq_router_integrations import ChatOrq, OfflineRouter

GPT = "openai/gpt-4o"
CLAUDE = "anthropic/claude-sonnet-4-5"


def create_model(router: OfflineRouter, **kwargs: Any) -> ChatOrq:
    """Create a model whose requests go to ``router``."""
    return ChatOrq(**{"model": GPT, "client": router.client(), **kwargs})


def last_body(router: OfflineRouter) -> dict[str, Any]:
    """Return the body of the last request."""
    body: dict[str, Any] = router.requests[-1].body
    return body

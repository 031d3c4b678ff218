"""The router's exact-match cache. Streams bypass it; how the real router treats them is unknown."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from orq_router_integrations.testing.routing.endpoint import RouterResponse
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.multipart_parsing import describe_files
from orq_router_integrations.wire.controls import RouterCache


class ResponseCache:
    """Responses by request, with an expiry."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: dict[str, tuple[float, RouterResponse]] = {}

    def get(self, key: str) -> RouterResponse | None:
        """Return a cached response unless it is expired."""
        expires_at, outcome = self._entries.get(key, (0.0, None))
        if outcome is not None and self._clock() < expires_at:
            return outcome
        self._entries.pop(key, None)
        return None

    def put(self, key: str, outcome: RouterResponse, settings: RouterCache) -> None:
        """Cache a successful response for ``ttl`` seconds."""
        if outcome.status == 200:
            self._entries[key] = (self._clock() + settings.ttl, outcome)


def create_cache_key(path: str, body: Mapping[str, Any]) -> str:
    """Create a cache key from the path and the complete body. Files count by content, not by name.

    Raises:
        HTTPError: 400, the body is nested too deeply.
    """
    try:
        fields = describe_files(body, lambda file: file.sha256)
        data = orjson.dumps([path, fields], option=orjson.OPT_SORT_KEYS)
    except TypeError:
        raise HTTPError(400, "the body is nested too deeply") from None
    return hashlib.blake2b(data, digest_size=16).hexdigest()

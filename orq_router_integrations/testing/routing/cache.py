"""The router's exact-match cache (contract section 4.5).

Streams bypass it: what the real router does with ``stream: true`` is unknown.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from orq_router_integrations.testing.routing.endpoint import RouterResponse
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.multipart_parsing import describe_files
from orq_router_integrations.wire.controls import RouterCache


class ResponseCache:
    """Answers by request, each until its time is up."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, RouterResponse]] = {}

    def get(self, key: str) -> RouterResponse | None:
        """The answer that was kept, unless it is too old."""
        until, outcome = self._kept.get(key, (0.0, None))
        if outcome is not None and self._clock() < until:
            return outcome
        self._kept.pop(key, None)
        return None

    def put(self, key: str, outcome: RouterResponse, settings: RouterCache) -> None:
        """Keep a good answer for ``ttl`` seconds; errors are not kept."""
        if outcome.status == 200:
            self._kept[key] = (self._clock() + settings.ttl, outcome)


def create_cache_key(path: str, body: Mapping[str, Any]) -> str:
    """The key of a request: everything in its body counts, and where it was sent.

    Of files their bytes count, and their names do not.

    Raises:
        Refusal: 400; the body is nested deeper than JSON can be written here.
    """
    try:
        plain = describe_files(body, lambda file: file.sha256)
        data = orjson.dumps([path, plain], option=orjson.OPT_SORT_KEYS)
    except TypeError:
        raise HTTPError(400, "the body is nested too deep") from None
    return hashlib.blake2b(data, digest_size=16).hexdigest()

"""Pictures behind URLs, on a host that exists in this process only."""

from collections.abc import Callable

from orq_router_integrations.testing.routing.error_responses import HTTPError

HOST = "images.offline.invalid"
LIFETIME_SECONDS = 3600.0
"""Seconds that a URL lives (contract section 2.4 says it of variations)."""

MAX_IMAGES = 100
"""Pictures that are kept; the oldest go first."""


class ImageHost:
    """Keeps pictures, and serves them for an hour."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[float, bytes]] = {}

    def store(self, name: str, data: bytes) -> str:
        """Keep a picture; its URL."""
        path = f"/{name}.png"
        self._kept.pop(path, None)
        self._kept[path] = (self._clock() + LIFETIME_SECONDS, data)
        for oldest in list(self._kept)[:-MAX_IMAGES]:
            del self._kept[oldest]
        return f"https://{HOST}{path}"

    def fetch(self, path: str) -> bytes:
        """The picture behind a URL's path.

        Raises:
            HTTPError: 404; there is none, or its time is up.
        """
        until, data = self._kept.get(path, (0.0, b""))
        if self._clock() >= until:
            raise HTTPError(404, f"{HOST} has no {path}, or no longer", code="not_found")
        return data

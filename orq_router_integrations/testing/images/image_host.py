"""Host of image URLs. It exists only within this process."""

from collections.abc import Callable

from orq_router_integrations.media.mime import detect_mime_type, get_suffixes
from orq_router_integrations.testing.routing.error_responses import HTTPError

HOST = "images.offline.invalid"
LIFETIME_SECONDS = 3600.0
"""Lifetime of a URL. The documentation states it for variations."""

MAX_IMAGES = 100
"""Maximum number of stored images; the oldest are dropped first."""


class ImageHost:
    """Store images and serve them for an hour."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._images: dict[str, tuple[float, bytes]] = {}

    def store(self, name: str, data: bytes) -> str:
        """Store an image and return its URL."""
        suffix = get_suffixes(detect_mime_type(data[:16]) or "image/png")[0]
        path = f"/{name}{suffix}"
        self._images.pop(path, None)
        self._images[path] = (self._clock() + LIFETIME_SECONDS, data)
        for oldest_path in list(self._images)[:-MAX_IMAGES]:
            del self._images[oldest_path]
        return f"https://{HOST}{path}"

    def fetch(self, path: str) -> bytes:
        """Return the image behind the path of a URL.

        Raises:
            HTTPError: 404, the URL is unknown or has expired.
        """
        expires_at, data = self._images.get(path, (0.0, b""))
        if self._clock() >= expires_at:
            raise HTTPError(404, f"{path} is unknown or has expired", code="not_found")
        return data

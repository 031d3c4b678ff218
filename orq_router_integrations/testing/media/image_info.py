"""Read the format and size of an image from its header."""

from dataclasses import dataclass

from orq_router_integrations.media.metadata import ImageSize, read_image_size
from orq_router_integrations.media.mime import detect_mime_type

_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WebP"}


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """Format and size of an image; the size is ``None`` if unreadable."""

    format: str
    size: ImageSize | None


def read_image_info(data: bytes) -> ImageInfo:
    """Return the format and the size in pixels. Never raises."""
    return ImageInfo(
        _FORMATS.get(detect_mime_type(data[:16]) or "", "unknown format"), read_image_size(data)
    )

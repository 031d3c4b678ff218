"""The kind and the size of an image, read from its header."""

from dataclasses import dataclass

from orq_router_integrations.media.metadata import ImageSize, read_image_size
from orq_router_integrations.media.mime import detect_mime_type

_KINDS = {"image/png": "PNG", "image/jpeg": "JPEG", "image/gif": "GIF", "image/webp": "WebP"}


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What an image's header says; the size is ``None`` where it says nothing readable."""

    format: str
    size: ImageSize | None


def read_image_info(data: bytes) -> ImageInfo:
    """Kind and size in pixels; never raises."""
    return ImageInfo(
        _KINDS.get(detect_mime_type(data[:16]) or "", "unknown kind"), read_image_size(data)
    )

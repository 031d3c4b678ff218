"""Draw images that show their prompt.

With Pillow, an image is a landscape with the prompt on a card, an edit shows its source images and
a variation changes their colors. Without Pillow, every image is a pattern. All images store their
prompt as text, so tests can check which image they got. Drawing is deterministic.
"""

import hashlib
import re
from dataclasses import dataclass
from importlib.util import find_spec

from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.testing.images.png import Size, draw_pattern, read_png_text
from orq_router_integrations.testing.media.image_info import read_image_info

_CAPTION = re.compile(r" (?:Edit \d+: .*|Variation \d+)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """What to draw.

    Attributes:
        size: Width and height in pixels.
        number: Number of the image in its response, from 1.
        prompt: Prompt of a generation or an edit; ``None`` for a variation.
        sources: Uploaded images.
        mask: A PNG whose transparent area is edited.
        is_transparent: Whether the background is transparent.
        file_format: ``png``, ``jpeg`` or ``webp``; the last two require Pillow.
        quality: Quality of JPEG and WebP, 0 to 100.
    """

    size: Size
    number: int = 1
    prompt: str | None = None
    sources: tuple[bytes, ...] = ()
    mask: bytes | None = None
    is_transparent: bool = False
    file_format: str = "png"
    quality: int = 90

    @property
    def caption(self) -> str:
        """The prompt, with a label for edits and variations."""
        if self.prompt is None:
            return f"Variation {self.number}"
        return f"Edit {self.number}: {self.prompt}" if self.sources else self.prompt

    @property
    def text(self) -> str:
        """The caption, after the texts of the source images."""
        return " ".join([*map(_describe_source, self.sources), self.caption])


def has_pillow() -> bool:
    """Return whether Pillow is installed."""
    return find_spec("PIL") is not None


def draw_image(spec: ImageSpec) -> bytes:
    """Draw an image. Without Pillow, it is a PNG with a pattern."""
    if has_pillow():
        from orq_router_integrations.testing.images import pillow_drawing  # noqa: PLC0415

        return pillow_drawing.draw_image(spec)
    return draw_pattern(spec.text, spec.size, spec.number, is_transparent=spec.is_transparent)


def read_image_text(data: bytes) -> str | None:
    """Return the prompt stored in an image of the offline router, or ``None`` for other images.

    JPEG and WebP require Pillow.

    >>> from orq_router_integrations import OfflineRouter, OrqImageTool
    >>> tool = OrqImageTool(model="openai/gpt-image-1", client=OfflineRouter().client())
    >>> read_image_text(tool.generate("a red boat").image.read())
    'a red boat'
    """
    if detect_mime_type(data[:16]) == "image/png" or not has_pillow():
        return read_png_text(data)
    from orq_router_integrations.testing.images import pillow_drawing  # noqa: PLC0415

    return pillow_drawing.read_exif_text(data)


def describe_image(data: bytes) -> str:
    """Return format, size and digest of an image."""
    info = read_image_info(data)
    dimensions = "{}x{}".format(*info.size) if info.size else "unknown size"
    return f"{info.format} {dimensions} {hashlib.sha256(data).hexdigest()[:8]}"


def _describe_source(data: bytes) -> str:
    """Return the text of an image without the caption of its last edit."""
    return _CAPTION.sub("", read_image_text(data) or describe_image(data))

"""Draw images that contain their prompt, and read it.

With Pillow, an image is a card that shows the prompt, an edit shows its source images, and a
variation changes their colors. Without Pillow, every image is blank. All images store their
prompt as text, so tests can check which image they got. Drawing is deterministic.
"""

import hashlib
import re
import struct
import zlib
from dataclasses import dataclass
from importlib.util import find_spec

from orq_router_integrations.media.metadata import ImageSize

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_KEYWORD = "offline-router-prompt"
TEXT_MARKER = f"{TEXT_KEYWORD}\0\0\0\0\0".encode()
"""Start of the chunk of a PNG with the prompt. In JPEG and WebP, it is part of the description."""

_CAPTION = re.compile(r" (?:Edit \d+: .*|Variation \d+)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    size: ImageSize
    number: int = 1  # of the image in its response
    prompt: str | None = None  # None for a variation
    sources: tuple[bytes, ...] = ()
    mask: bytes | None = None  # a PNG whose transparent area is edited
    is_transparent: bool = False
    file_format: str = "png"  # jpeg and webp require Pillow
    quality: int = 90

    @property
    def color(self) -> tuple[int, ...]:
        """Red, green, blue and alpha of the background, which depend on prompt and number."""
        seed = f"{self.number}:{self.prompt}".encode("utf-8", "replace")
        return (0, 0, 0, 0) if self.is_transparent else (*hashlib.sha256(seed).digest()[:3], 255)

    @property
    def caption(self) -> str:
        """The prompt, with a label for edits and variations."""
        if self.prompt is None:
            return f"Variation {self.number}"
        return f"Edit {self.number}: {self.prompt}" if self.sources else self.prompt

    @property
    def text(self) -> str:
        """The texts of the source images without their last captions, followed by the caption."""
        texts = [
            _CAPTION.sub(
                "", read_image_text(data) or f"image {hashlib.sha256(data).hexdigest()[:8]}"
            )
            for data in self.sources
        ]
        return " ".join([*texts, self.caption])


def has_pillow() -> bool:
    return find_spec("PIL") is not None


def draw_image(spec: ImageSpec) -> bytes:
    """Draw an image. Without Pillow, it is blank."""
    if not has_pillow():
        return create_png(spec.text, spec.size, spec.color)
    from orq_router_integrations.testing.images import pillow_drawing  # noqa: PLC0415

    return pillow_drawing.draw_image(spec)


def read_image_text(data: bytes) -> str | None:
    """Return the prompt stored in an image of the offline router, or ``None`` for other images.

    >>> from orq_router_integrations import OfflineRouter, OrqImageTool
    >>> tool = OrqImageTool(model="openai/gpt-image-1", client=OfflineRouter().client())
    >>> read_image_text(tool.generate("a red boat").image.read())
    'a red boat'
    """
    position = data.find(TEXT_MARKER)
    if position < 0:
        return None
    start = position + len(TEXT_MARKER)
    if data[position - 4 : position] == b"iTXt":  # in a PNG, the size precedes the name of a chunk
        size = int.from_bytes(data[position - 8 : position - 4]) - len(TEXT_MARKER)
    else:  # Exif
        size = data.find(b"\0", start) - start
    return data[start : start + size].decode("utf-8", "replace")


def create_png(text: str, size: ImageSize, color: tuple[int, ...] = (90, 140, 190, 255)) -> bytes:
    """Create a PNG in one color (red, green, blue, alpha), and store a text in it."""
    width, height = size
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0),
        b"iTXt": TEXT_MARKER + text.encode("utf-8", "replace"),
        b"IDAT": zlib.compress((b"\0" + bytes(color) * width) * height),
        b"IEND": b"",
    }
    return PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )

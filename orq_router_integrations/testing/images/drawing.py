"""Draw images that contain their prompt, and read it.

With Pillow, an image shows its prompt on a card, an edit its source images, and a variation changes
their colors. Without Pillow, every image is blank. All images store their prompt as text, so tests
can check which image they got. Drawing is deterministic.
"""

import io
import re
import struct
import textwrap
import zlib
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from typing import Any

from orq_router_integrations.media.metadata import ImageSize

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_KEYWORD = "offline-router-prompt"
TEXT_MARKER = f"{TEXT_KEYWORD}\0\0\0\0\0".encode()
"""Start of the chunk of a PNG with the prompt. In JPEG and WebP, it is part of the description."""

INK, PAPER = (32, 34, 44), (251, 250, 245)
MAX_CAPTION_CHARS = 120

_EXIF_DESCRIPTION = 0x010E
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
        return (0, 0, 0, 0) if self.is_transparent else (*sha256(seed).digest()[:3], 255)

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
            read_image_text(data) or f"image {sha256(data).hexdigest()[:8]}"
            for data in self.sources
        ]
        return " ".join([*(_CAPTION.sub("", text) for text in texts), self.caption])


def has_pillow() -> bool:
    return find_spec("PIL") is not None


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


def draw_image(spec: ImageSpec) -> bytes:
    """Draw an image. Without Pillow, it is blank."""
    if not has_pillow():
        return create_png(spec.text, spec.size, spec.color)
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - optional dependency

    (width, height), count = spec.size, len(spec.sources)
    image = Image.new("RGBA", spec.size, spec.color)
    for index, data in enumerate(spec.sources):  # side by side
        left, right = width * index // count, width * (index + 1) // count
        image.paste(_open_image(data, (right - left, height)), (left, 0))
    if spec.prompt is None:
        channels = image.split()
        colors = [channels[(index + spec.number) % 3] for index in range(3)]
        image = Image.merge("RGBA", [*colors, channels[3]])
    if spec.mask is not None:
        alpha = _open_image(spec.mask, spec.size).getchannel("A")
        image = Image.composite(image, Image.new("RGBA", spec.size, spec.color), alpha)
    card = ImageDraw.Draw(image)
    card.rectangle((0, height - height // 4, width, height), fill=PAPER)
    lines = textwrap.fill(textwrap.shorten(spec.caption, MAX_CAPTION_CHARS), 40)
    font = ImageFont.load_default(max(8, width // 28))
    center = (width / 2, height - height / 8)
    card.multiline_text(center, lines, INK, font, anchor="mm", align="center")
    return _encode(image, spec)


def _open_image(data: bytes, size: ImageSize) -> Any:
    """Decode and scale an image, or return an empty one if it cannot be decoded."""
    from PIL import Image  # noqa: PLC0415 - optional dependency

    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGBA").resize(size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Image.new("RGBA", size, PAPER)


def _encode(image: Any, spec: ImageSpec) -> bytes:
    from PIL import Image, PngImagePlugin  # noqa: PLC0415 - optional dependency

    file, text = io.BytesIO(), spec.text.encode("utf-8", "replace")
    if spec.file_format == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt(TEXT_KEYWORD, text.decode())
        image.save(file, "png", pnginfo=info)
    else:
        exif = Image.Exif()
        exif[_EXIF_DESCRIPTION] = TEXT_MARKER + text
        mode = "RGB" if spec.file_format == "jpeg" else "RGBA"
        image.convert(mode).save(file, spec.file_format, quality=spec.quality, exif=exif)
    return file.getvalue()

"""Draw images with Pillow."""

import io
import math
import textwrap
import unicodedata

from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from orq_router_integrations.media.metadata import ImageSize
from orq_router_integrations.testing.images.drawing import TEXT_KEYWORD, TEXT_MARKER, ImageSpec

INK, PAPER = (32, 34, 44), (251, 250, 245)
_EXIF_DESCRIPTION = 0x010E


def draw_image(spec: ImageSpec) -> bytes:
    width, height = spec.size
    if not spec.sources:
        image = Image.new("RGBA", spec.size, spec.color)
        box = (width // 8, height // 8, width - width // 8, height - height // 8)
    else:
        image = _change_sources(spec)
        box = (0, height - height // 4, width, height)
    ImageDraw.Draw(image).rectangle(box, fill=PAPER)
    _draw_text(image, spec.caption, box)
    return _encode(image, spec)


def _encode(image: Image.Image, spec: ImageSpec) -> bytes:
    file = io.BytesIO()
    text = spec.text.encode("utf-8", "replace")
    if spec.file_format == "png":
        info = PngInfo()
        info.add_itxt(TEXT_KEYWORD, text.decode())
        image.save(file, "png", pnginfo=info)
        return file.getvalue()
    if spec.file_format == "jpeg":
        image = image.convert("RGB")
    exif = Image.Exif()
    exif[_EXIF_DESCRIPTION] = TEXT_MARKER + text
    image.save(file, spec.file_format, quality=spec.quality, exif=exif)
    return file.getvalue()


def _change_sources(spec: ImageSpec) -> Image.Image:
    """Draw the source images in other colors, or with a new area where the mask is transparent."""
    image = _join_sources(spec)
    if spec.prompt is None:  # a variation
        *channels, alpha = image.split()
        colors = [channels[(index + spec.number) % 3] for index in range(3)]
        return Image.merge("RGBA", [*colors, alpha])
    if spec.mask is None:
        return image
    alpha = _open_image(spec.mask, spec.size).getchannel("A").point(lambda it: it // 128 * 255)
    return Image.composite(image, Image.new("RGBA", spec.size, spec.color), alpha)


def _join_sources(spec: ImageSpec) -> Image.Image:
    """Place the source images side by side."""
    (width, height), count = spec.size, len(spec.sources)
    joined = Image.new("RGBA", spec.size)
    for index, data in enumerate(spec.sources):
        left, right = width * index // count, width * (index + 1) // count
        joined.paste(_open_image(data, (right - left, height)), (left, 0))
    return joined


def _open_image(data: bytes, size: ImageSize) -> Image.Image:
    """Decode and scale an image, or return an empty one if it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGBA").resize(size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Image.new("RGBA", size, PAPER)


def _draw_text(image: Image.Image, text: str, box: tuple[int, int, int, int]) -> None:
    """Draw text in the middle of a box."""
    letters = unicodedata.normalize("NFKD", text)  # the font has no letters with accents
    text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    width, height = 0.9 * (box[2] - box[0]), 0.9 * (box[3] - box[1])
    points = min(image.width // 10, int(math.sqrt(width * height / (len(text) + 10))))
    font = ImageFont.load_default(max(8, points))
    lines = "\n".join(textwrap.wrap(text, max(1, int(width / font.getlength("n")))))
    center = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    ImageDraw.Draw(image).multiline_text(center, lines, INK, font, anchor="mm", align="center")

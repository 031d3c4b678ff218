"""Draw images with Pillow."""

import io
import textwrap
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw, ImageFont, ImageOps
from PIL.PngImagePlugin import PngInfo

from orq_router_integrations.testing.images.palette import blend, choose_color, find_named_colors
from orq_router_integrations.testing.images.png import PAPER, TEXT_KEYWORD, Size

if TYPE_CHECKING:
    from orq_router_integrations.testing.images.drawing import ImageSpec

INK = (32, 34, 44)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
MAX_PIXELS = 4096 * 4096
"""Maximum number of pixels of an image that is decoded."""

_EXIF_DESCRIPTION = 0x010E

Box = tuple[int, int, int, int]


def draw_image(spec: "ImageSpec") -> bytes:
    """Draw and encode an image."""
    if not spec.sources:
        image = _draw_landscape(spec)
        _draw_card(image, spec.caption)
    elif spec.prompt is None:
        image = _add_caption(_vary(_join(spec), spec.number), spec.caption)
    else:
        image = _add_caption(_edit(spec, spec.prompt), spec.caption)
    return _encode(image, spec)


def read_exif_text(data: bytes) -> str | None:
    """Return the description stored in a JPEG or WebP image."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            text = image.getexif().get(_EXIF_DESCRIPTION)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    return text.encode("latin-1", "replace").decode("utf-8", "replace") if text else None


def _encode(image: Image.Image, spec: "ImageSpec") -> bytes:
    file = io.BytesIO()
    text = spec.text.encode("utf-8", "replace")
    if spec.file_format == "png":
        info = PngInfo()
        info.add_itxt(TEXT_KEYWORD, text.decode())
        image.save(file, "png", pnginfo=info)
        return file.getvalue()
    if spec.file_format == "jpeg":
        image = Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image).convert("RGB")
    exif = Image.Exif()
    exif[_EXIF_DESCRIPTION] = text
    image.save(file, spec.file_format, quality=spec.quality, exif=exif)
    return file.getvalue()


def _draw_landscape(spec: "ImageSpec") -> Image.Image:
    """Draw sky, sun and ground; the prompt's first two colors are those of sky and ground."""
    if spec.is_transparent:
        return Image.new("RGBA", spec.size)
    width, height = spec.size
    prompt = spec.prompt or ""
    sky = choose_color(prompt, spec.number)
    ground = (*find_named_colors(prompt)[1:2], blend(sky, BLACK, 0.35))[0]
    horizon, radius = height * 3 // 4, min(width, height) // 9
    image = Image.new("RGBA", spec.size)
    for color, target, box in (
        (sky, blend(sky, WHITE, 0.6), (0, 0, width, horizon)),
        (ground, blend(ground, BLACK, 0.4), (0, horizon, width, height)),
    ):
        gradient = Image.linear_gradient("L").resize((box[2] - box[0], box[3] - box[1]))
        image.paste(ImageOps.colorize(gradient, color[:3], target[:3]), box)
    center = width * (2 + spec.number % 5 * 3) // 16, height // 7
    sun = blend(choose_color(f"sun {prompt}", spec.number), WHITE, 0.4)
    ImageDraw.Draw(image).circle(center, radius, fill=sun)
    return image


def _edit(spec: "ImageSpec", prompt: str) -> Image.Image:
    """Draw the source images; the area of the mask is new, or all is tinted in a named color."""
    image = _join(spec)
    if spec.mask is not None:
        alpha = _open_image(spec.mask, spec.size).getchannel("A")
        return Image.composite(
            image, _draw_landscape(spec), alpha.point(lambda it: it // 128 * 255)
        )
    colors = find_named_colors(prompt)
    return Image.blend(image, Image.new("RGBA", spec.size, colors[0]), 0.5) if colors else image


def _vary(image: Image.Image, number: int) -> Image.Image:
    """Exchange the color channels; odd numbers are also mirrored."""
    channels = image.split()
    rotated = [channels[(index + number) % 3] for index in range(3)]
    varied = Image.merge("RGBA", [*rotated, channels[3]])
    return ImageOps.mirror(varied) if number % 2 else varied


def _join(spec: "ImageSpec") -> Image.Image:
    """Place the source images side by side."""
    (width, height), count = spec.size, len(spec.sources)
    joined = Image.new("RGBA", spec.size)
    for index, data in enumerate(spec.sources):
        left, right = width * index // count, width * (index + 1) // count
        joined.paste(_open_image(data, (right - left, height)), (left, 0))
    return joined


def _open_image(data: bytes, size: Size) -> Image.Image:
    """Decode and scale an image, or draw a question mark if it cannot be decoded."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height <= MAX_PIXELS:
                return image.convert("RGBA").resize(size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pass
    substitute = Image.new("RGBA", size, PAPER)
    _draw_text(substitute, "?", (0, 0, *size))
    return substitute


def _draw_card(image: Image.Image, text: str) -> None:
    """Draw text on a card in the upper three quarters."""
    width, height = image.size
    margin, line = width // 16, max(1, width // 128)
    box = (margin, height // 5, width - margin, height * 7 // 10)
    card = ImageDraw.Draw(image)
    card.rounded_rectangle(box, radius=2 * line, fill=PAPER, outline=INK, width=line)
    _draw_text(
        image, text, (box[0] + margin, box[1] + 2 * line, box[2] - margin, box[3] - 2 * line)
    )


def _add_caption(image: Image.Image, text: str) -> Image.Image:
    """Draw text over the bottom quarter."""
    width, height = image.size
    box = (0, height - height // 4, width, height)
    ImageDraw.Draw(image).rectangle(box, fill=PAPER)
    _draw_text(image, text, (width // 32, box[1], width - width // 32, height))
    return image


def _draw_text(image: Image.Image, text: str, box: Box) -> None:
    """Draw text in the middle of a box, as large as it fits."""
    draw = ImageDraw.Draw(image)
    letters = unicodedata.normalize("NFKD", text)  # the font has no letters with accents
    text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    width, height = box[2] - box[0], box[3] - box[1]
    for points in range(max(8, image.width // 10), 7, -max(1, image.width // 80)):
        font = _load_font(points)
        columns = max(1, int(width / font.getlength("n")))
        lines = "\n".join(textwrap.wrap(text, columns))
        left, top, right, bottom = draw.multiline_textbbox((0, 0), lines, font)
        if right - left <= width and bottom - top <= height:
            break
    center = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    draw.multiline_text(center, lines, INK, font, anchor="mm", align="center")


@lru_cache(maxsize=64)
def _load_font(points: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(points)  # type: ignore[return-value]

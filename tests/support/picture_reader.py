"""Read images of the offline router."""

import io

from PIL import Image

from orq_router_integrations.testing.images import read_image_text


def read_text(data: bytes) -> str:
    """Return the text stored in an image: prompts of its sources, then its own."""
    text = read_image_text(data)
    assert text is not None
    return text


def open_image(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def get_pixel(data: bytes, x: int, y: int) -> tuple[int, ...]:
    """Return red, green, blue and alpha of a pixel."""
    pixel = open_image(data).convert("RGBA").getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel

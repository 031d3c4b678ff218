"""Read the text that the offline router draws into its images."""

from collections.abc import Sequence
from itertools import groupby, takewhile

from orq_router_integrations.testing.images.drawing import INK, PAPER, get_margin
from orq_router_integrations.testing.images.font import _ROWS, HEIGHT, WIDTH
from orq_router_integrations.testing.images.png import PixelBuffer, decode_png

LETTERS = {glyph: letter for letter, glyph in _ROWS.items()}


def decode_image(data: bytes) -> PixelBuffer:
    found = decode_png(data)
    assert found is not None
    return found


def read_text(data: bytes) -> str:
    """Return the text of an image from top to bottom: the card, and the strip below."""
    image = decode_image(data)
    inset = get_margin(image.width)
    texts = []
    for left in (inset, 0):
        rows = [row[4 * left : 4 * (image.width - left)] for row in image.rows]
        for kind, group in groupby(enumerate(rows), key=lambda numbered: numbered[1]):
            if kind == INK * (image.width - 2 * left):
                rule = [at for at, _ in group]
                texts.append((rule[0], read_banner(rows[rule[-1] + 1 :], len(rule))))
    found = dict(texts)  # the strip's rule is also found within the card's margins
    return " ".join(found[top] for top in sorted(found))


def read_banner(rows: Sequence[bytes], scale: int) -> str:
    """Return the text in the first rows."""
    plain = list(takewhile(lambda row: set(split_pixels(row)) <= {INK, PAPER}, rows))
    tops = range(2 * scale, len(plain) - HEIGHT * scale + 1, HEIGHT * scale)
    lines = ([plain[top + row * scale] for row in range(7)] for top in tops)
    return " ".join(read_line(found, scale) for found in lines).strip()


def read_line(rows: list[bytes], scale: int) -> str:
    width = len(rows[0]) // 4
    text = ""
    for left in range(3 * scale, width - WIDTH * scale, WIDTH * scale):
        glyph = "".join(read_dots(row, left, scale) for row in rows)
        text += LETTERS.get(glyph, "\N{REPLACEMENT CHARACTER}")
    return text.rstrip()


def read_dots(row: bytes, left: int, scale: int) -> str:
    """Return one row of a character as the font defines it: five bits."""
    bits = [split_pixels(row)[left + dot * scale] == INK for dot in range(5)]
    return "0123456789abcdefghijklmnopqrstuv"[sum(bit << 4 - n for n, bit in enumerate(bits))]


def split_pixels(row: bytes) -> list[bytes]:
    return [row[at : at + 4] for at in range(0, len(row), 4)]


def get_pixel(data: bytes, x: int, y: int) -> bytes:
    return decode_image(data).rows[y][4 * x : 4 * x + 4]

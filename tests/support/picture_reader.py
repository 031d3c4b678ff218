"""Reads back what the offline router wrote into its pictures: the words in their pixels."""

from collections.abc import Sequence
from itertools import takewhile

from orq_router_integrations.offline.images.draw import INK, PAPER
from orq_router_integrations.offline.images.font import _GLYPHS, HEIGHT, ROWS, WIDTH
from orq_router_integrations.offline.images.png import Picture, decoded

LETTERS = {glyph: letter for letter, glyph in _GLYPHS.items()}


def picture(data: bytes) -> Picture:
    found = decoded(data)
    assert found is not None
    return found


def words(data: bytes) -> str:
    """The texts in a picture, from top to bottom, in the font's capitals."""
    image = picture(data)
    rule = INK * image.width
    starts = [at for at, row in enumerate(image.rows) if row == rule]
    tops = [at + 1 for at in starts if at + 1 not in starts]
    return " ".join(banner(image.rows[top:]) for top in tops)


def banner(rows: Sequence[bytes]) -> str:
    """The text in the rows of ink and paper with which these begin."""
    plain = list(takewhile(lambda row: set(pixels(row)) <= {INK, PAPER}, rows))
    scale = next((at for at, row in enumerate(plain) if INK in pixels(row)), 1)
    if not scale:
        return ""  # two pictures side by side, whose lines of ink happened to meet
    tops = range(scale, len(plain) - HEIGHT * scale + 1, HEIGHT * scale)
    lines = ([plain[top + row * scale] for row in range(ROWS)] for top in tops)
    return " ".join(line(found, scale) for found in lines).strip()


def line(rows: list[bytes], scale: int) -> str:
    width = len(rows[0]) // 4
    text = ""
    for left in range(scale, width - WIDTH * scale, WIDTH * scale):
        glyph = "".join(dots(row, left, scale) for row in rows)
        text += LETTERS.get(glyph, "\N{REPLACEMENT CHARACTER}")
    return text.rstrip()


def dots(row: bytes, left: int, scale: int) -> str:
    bits = "".join(str(int(pixels(row)[left + dot * scale] == INK)) for dot in range(5))
    return "0123456789ABCDEFGHIJKLMNOPQRSTUV"[int(bits, 2)]


def pixels(row: bytes) -> list[bytes]:
    return [row[at : at + 4] for at in range(0, len(row), 4)]


def pixel(data: bytes, x: int, y: int) -> bytes:
    return picture(data).rows[y][4 * x : 4 * x + 4]

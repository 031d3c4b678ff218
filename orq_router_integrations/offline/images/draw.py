"""Pictures that show in words what they were asked to be, and what they were made from.

Everything follows from the input, so that the same request draws the same picture.
"""

import hashlib
import re
import textwrap
from array import array
from collections.abc import Sequence

from orq_router_integrations.offline.images.font import HEIGHT, WIDTH, dots, drawable
from orq_router_integrations.offline.images.png import Picture

INK = b"\x10\x10\x18\xff"
PAPER = b"\xfa\xfa\xf2\xff"
CLEAR = bytes(4)
LONGEST_WORD = 24
"""Letters of a word that are kept on one line."""

COLOURS = {
    "red": (206, 50, 48),
    "orange": (232, 128, 36),
    "yellow": (238, 200, 56),
    "green": (58, 150, 84),
    "blue": (48, 104, 196),
    "purple": (128, 74, 170),
    "pink": (232, 128, 168),
    "brown": (136, 92, 60),
    "black": (40, 40, 46),
    "white": (232, 232, 226),
    "grey": (136, 138, 142),
    "gray": (136, 138, 142),
}
"""Red, green and blue of the colours that a prompt may name."""

Size = tuple[int, int]


def generated(prompt: str, size: Size, number: int, *, transparent: bool = False) -> Picture:
    """A field of colours with the prompt across it."""
    width, height = size
    field = [CLEAR * width] * height if transparent else _gradient(f"{number}:{prompt}", size)
    words = _banner(prompt, (width, height // 2))
    return _laid(field, words, (height - len(words)) // 2)


def edited(
    images: Sequence[Picture], prompt: str, size: Size, number: int, *, mask: Picture | None = None
) -> Picture:
    """The images side by side, new colours where the mask is clear, and the prompt below."""
    width, height = size
    parts = [
        scaled(image, (width * (at + 1) // len(images) - width * at // len(images), height))
        for at, image in enumerate(images)
    ]
    rows = [b"".join(pieces) for pieces in zip(*(part.rows for part in parts), strict=True)]
    if mask is not None:
        fresh = _gradient(f"{number}:{prompt}", size)
        rows = list(map(_through, rows, fresh, scaled(mask, size).rows))
    return _laid(rows, *_below(f"Edit {number}: {prompt}", size))


def varied(image: Picture, size: Size, number: int) -> Picture:
    """The image with its colours exchanged, every second one mirrored, and its number below."""
    rows = [_exchanged(row, number) for row in scaled(image, size).rows]
    return _laid(rows, *_below(f"Variation {number}", size))


def labelled(label: str, size: Size) -> Picture:
    """What stands for an image whose pixels cannot be read here."""
    return generated(label, size, 0)


def scaled(image: Picture, size: Size) -> Picture:
    """The image in another size, by the nearest pixel."""
    width, height = size
    if (image.width, image.height) == size:
        return image
    columns = [x * image.width // width for x in range(width)]
    done: dict[int, bytes] = {}
    for y in {y * image.height // height for y in range(height)}:
        pixels = memoryview(image.rows[y]).cast("I")
        done[y] = array("I", [pixels[x] for x in columns]).tobytes()
    return Picture(width, [done[y * image.height // height] for y in range(height)])


def _gradient(seed: str, size: Size) -> list[bytes]:
    """Rows from light to dark: shades of the colour that the seed names, or else makes."""
    width, height = size
    named = [word for word in re.findall("[a-z]+", seed.lower()) if word in COLOURS]
    made = hashlib.blake2b(seed.encode("utf-8", "replace"), digest_size=3).digest()
    base = COLOURS[named[0]] if named else (128, 128, 128)
    reach = 6 if named else 2
    colour = [part + (value - 128) // reach for part, value in zip(base, made, strict=True)]
    rows = []
    for y in range(height):
        light = 1.25 - 0.6 * y / height
        shade = (max(0, min(255, int(part * light))) for part in colour)
        rows.append(bytes([*shade, 255]) * width)
    return rows


def _banner(text: str, size: Size) -> list[bytes]:
    """Rows of paper with the text, as large as it fits, below a line of ink."""
    width, most = size
    words = drawable(text)
    longest = min(LONGEST_WORD, max(map(len, words.split()), default=1))
    for scale in range(max(1, width // (WIDTH * 8)), 0, -1):
        columns = max(1, width // (WIDTH * scale) - 1)
        lines = textwrap.wrap(words, columns) or [" "]
        if columns >= longest and (len(lines) * HEIGHT + 2) * scale <= most:
            break
    rows = [INK * width] * scale + [PAPER * width] * scale
    for line in lines:
        for row in dots(line):
            inked = b"".join(INK * scale if dot == "1" else PAPER * scale for dot in "0" + row)
            rows += [(inked + PAPER * width)[: 4 * width]] * scale
    return rows[:most]


def _below(text: str, size: Size) -> tuple[list[bytes], int]:
    """The lowest quarter with a text, whatever stood there; and where it begins."""
    width, height = size
    words = _banner(text, (width, height // 4))
    return words + [PAPER * width] * (height // 4 - len(words)), height - height // 4


def _laid(rows: Sequence[bytes], over: Sequence[bytes], top: int) -> Picture:
    """Rows with others laid over them."""
    whole = [*rows[:top], *over, *rows[top + len(over) :]]
    return Picture(len(rows[0]) // 4, whole)


def _through(row: bytes, fresh: bytes, mask: bytes) -> bytes:
    """A row with fresh pixels where the mask lets through: where it is clear."""
    alphas = mask[3::4]
    if min(alphas) >= 128:
        return row
    if max(alphas) < 128:
        return fresh
    old, new = memoryview(row).cast("I"), memoryview(fresh).cast("I")
    chosen = (old[x] if alpha >= 128 else new[x] for x, alpha in enumerate(alphas))
    return array("I", chosen).tobytes()


def _exchanged(row: bytes, number: int) -> bytes:
    out = bytearray(row)
    for channel in range(3):
        out[channel::4] = row[(channel + number) % 3 :: 4]
    if number % 2:
        return array("I", memoryview(out).cast("I").tolist()[::-1]).tobytes()
    return bytes(out)

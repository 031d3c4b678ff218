"""Pictures that show in words what they were asked to be, and what they were made from.

A picture is a sky, a sun and a ground, in the colours that its prompt names, and the prompt on a
card. Its lowest quarter is left free: there stands what an edit was asked to do. Everything follows
from the input, so that the same request draws the same picture.
"""

import math
import textwrap
from array import array
from collections.abc import Sequence

from orq_router_integrations.testing.images import palette
from orq_router_integrations.testing.images.font import (
    HEIGHT,
    WIDTH,
    get_glyph_rows,
    replace_missing_glyphs,
)
from orq_router_integrations.testing.images.png import PixelBuffer

INK = b"\x20\x22\x2c\xff"
PAPER = b"\xfb\xfa\xf5\xff"
CLEAR = bytes(4)
MAX_WORD_CHARS = 24
"""Letters of a word that are kept on one line."""

Size = tuple[int, int]


def draw_image(prompt: str, size: Size, number: int, *, transparent: bool = False) -> PixelBuffer:
    """A landscape in the prompt's colours, with the prompt on a card."""
    width, height = size
    field = [CLEAR * width] * height if transparent else _draw_scene(prompt, size, number)
    inset, free = get_margin(width), height * 3 // 4
    card = _draw_banner(prompt, (width - 2 * inset, height * 5 // 8))
    top = (free - len(card)) // 2
    behind = field[top : top + len(card)]
    framed = [
        row[: 4 * inset] + text + row[4 * (width - inset) :]
        for row, text in zip(behind, card, strict=True)
    ]
    return _overlay(field, framed, top)


def draw_edit(
    images: Sequence[PixelBuffer],
    prompt: str,
    size: Size,
    number: int,
    *,
    mask: PixelBuffer | None = None,
) -> PixelBuffer:
    """The images side by side, tinted in the colour that the prompt names, and the prompt below.

    With a mask the images stay as they are, but for a new landscape where it is clear.
    """
    width, height = size
    parts = [
        scale(image, (width * (at + 1) // len(images) - width * at // len(images), height))
        for at, image in enumerate(images)
    ]
    rows = [b"".join(pieces) for pieces in zip(*(part.rows for part in parts), strict=True)]
    if mask is not None:
        rows = list(
            map(_apply_mask, rows, _draw_scene(prompt, size, number), scale(mask, size).rows)
        )
    elif colours := palette.find_named_colors(prompt):
        rows = _tint(rows, colours[0])
    return _add_caption(rows, f"Edit {number}: {prompt}")


def draw_variation(image: PixelBuffer, size: Size, number: int) -> PixelBuffer:
    """The image with its colours exchanged, every second one mirrored, and its number below."""
    rows = [_rotate_channels(row, number) for row in scale(image, size).rows]
    return _add_caption(rows, f"Variation {number}")


def draw_label(label: str, size: Size) -> PixelBuffer:
    """What stands for an image whose pixels cannot be read here."""
    return draw_image(label, size, 0)


def scale(image: PixelBuffer, size: Size) -> PixelBuffer:
    """The image in another size, by the nearest pixel."""
    width, height = size
    if (image.width, image.height) == size:
        return image
    columns = [x * image.width // width for x in range(width)]
    done: dict[int, bytes] = {}
    for y in {y * image.height // height for y in range(height)}:
        pixels = memoryview(image.rows[y]).cast("I")
        done[y] = array("I", [pixels[x] for x in columns]).tobytes()
    return PixelBuffer(width, [done[y * image.height // height] for y in range(height)])


def get_margin(width: int) -> int:
    """Pixels between a card and the sides of its picture."""
    return width // 16


def _draw_scene(prompt: str, size: Size, number: int) -> list[bytes]:
    """Rows of sky, sun and ground, the first and the last in the prompt's first two colours."""
    width, height = size
    seed = f"{number}:{prompt}"
    named = palette.find_named_colors(prompt)
    sky = named[0] if named else palette.color_from_seed(seed)
    sun = palette.blend(palette.color_from_seed(f"sun {seed}"), palette.WHITE, 0.3)
    ground = named[1] if len(named) > 1 else palette.blend(sky, palette.BLACK, 0.35)
    horizon = height * 3 // 4
    rows = _draw_gradient(sky, palette.blend(sky, palette.WHITE, 0.6), (width, horizon))
    rows += _draw_gradient(
        ground, palette.blend(ground, palette.BLACK, 0.4), (width, height - horizon)
    )
    return _add_sun(rows, bytes([*sun, 255]), (width * (2 + number % 5 * 3) // 16, height // 7))


def _draw_gradient(above: palette.Color, below: palette.Color, size: Size) -> list[bytes]:
    """Rows from one colour to another."""
    width, height = size
    return [bytes([*palette.blend(above, below, y / height), 255]) * width for y in range(height)]


def _add_sun(rows: list[bytes], sun: bytes, middle: tuple[int, int]) -> list[bytes]:
    """Rows with a disc in them."""
    x, y = middle
    radius = len(rows) // 9
    for row in range(max(0, y - radius), y + radius + 1):
        half = math.isqrt(radius**2 - (row - y) ** 2)
        left, right = max(0, x - half), min(len(rows[row]) // 4, x + half)
        rows[row] = rows[row][: 4 * left] + sun * (right - left) + rows[row][4 * right :]
    return rows


def _tint(rows: Sequence[bytes], colour: palette.Color) -> list[bytes]:
    """Rows halfway to a colour."""
    tables = [bytes((value + aim) // 2 for value in range(256)) for aim in colour]
    done = []
    for row in rows:
        tinted = bytearray(row)
        for channel, table in enumerate(tables):
            tinted[channel::4] = row[channel::4].translate(table)
        done.append(bytes(tinted))
    return done


def _add_caption(rows: Sequence[bytes], text: str) -> PixelBuffer:
    """Rows with a text over the lowest quarter, whatever stood there."""
    width, height = len(rows[0]) // 4, len(rows)
    words = _draw_banner(text, (width, height // 4))
    words += [PAPER * width] * (height // 4 - len(words))
    return _overlay(rows, words, height - len(words))


def _draw_banner(text: str, size: Size) -> list[bytes]:
    """Rows of paper with the text, as large as it fits, below a line of ink."""
    width, most = size
    words = replace_missing_glyphs(text)
    longest = min(MAX_WORD_CHARS, max(map(len, words.split()), default=1))
    for scale in range(max(1, width // (WIDTH * 10)), 0, -1):
        columns = max(1, width // scale // WIDTH - 1)
        lines = textwrap.wrap(words, columns) or [" "]
        if columns >= longest and (len(lines) * HEIGHT + 3) * scale <= most:
            break
    rows = [INK * width] * scale + [PAPER * width] * 2 * scale
    for line in lines:
        for row in get_glyph_rows(line):
            inked = b"".join(INK * scale if dot == "1" else PAPER * scale for dot in "000" + row)
            rows += [(inked + PAPER * width)[: 4 * width]] * scale
    return rows[:most]


def _overlay(rows: Sequence[bytes], over: Sequence[bytes], top: int) -> PixelBuffer:
    """Rows with others laid over them."""
    whole = [*rows[:top], *over, *rows[top + len(over) :]]
    return PixelBuffer(len(rows[0]) // 4, whole)


def _apply_mask(row: bytes, fresh: bytes, mask: bytes) -> bytes:
    """A row with fresh pixels where the mask lets through: where it is clear."""
    alphas = mask[3::4]
    if min(alphas) >= 128:
        return row
    if max(alphas) < 128:
        return fresh
    old, new = memoryview(row).cast("I"), memoryview(fresh).cast("I")
    chosen = (old[x] if alpha >= 128 else new[x] for x, alpha in enumerate(alphas))
    return array("I", chosen).tobytes()


def _rotate_channels(row: bytes, number: int) -> bytes:
    out = bytearray(row)
    for channel in range(3):
        out[channel::4] = row[(channel + number) % 3 :: 4]
    if number % 2:
        return array("I", memoryview(out).cast("I").tolist()[::-1]).tobytes()
    return bytes(out)

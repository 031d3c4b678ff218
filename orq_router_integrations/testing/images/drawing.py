"""Draw images that show their prompt and their source images.

An image consists of sky, sun and ground in the colors that the prompt names, and a card with the
prompt. The bottom quarter is reserved for the instruction of an edit. Drawing is deterministic, so
that equal requests get equal images.
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
TRANSPARENT = bytes(4)
MAX_WORD_CHARS = 24
"""Maximum number of characters of a word that are kept on one line."""

Size = tuple[int, int]


def draw_image(prompt: str, size: Size, number: int, *, transparent: bool = False) -> PixelBuffer:
    """Draw a landscape in the prompt's colors, with the prompt on a card."""
    width, height = size
    scene = [TRANSPARENT * width] * height if transparent else _draw_scene(prompt, size, number)
    margin, free_height = get_margin(width), height * 3 // 4
    card = _draw_banner(prompt, (width - 2 * margin, height * 5 // 8))
    top = (free_height - len(card)) // 2
    background = scene[top : top + len(card)]
    framed_card = [
        row[: 4 * margin] + text + row[4 * (width - margin) :]
        for row, text in zip(background, card, strict=True)
    ]
    return _overlay(scene, framed_card, top)


def draw_edit(
    images: Sequence[PixelBuffer],
    prompt: str,
    size: Size,
    number: int,
    *,
    mask: PixelBuffer | None = None,
) -> PixelBuffer:
    """Draw the source images side by side, with the prompt below.

    Without a mask, the images are tinted in the first color that the prompt names. With a mask, a
    new landscape replaces the transparent area of the mask.
    """
    width, height = size
    parts = [
        scale(image, (width * (i + 1) // len(images) - width * i // len(images), height))
        for i, image in enumerate(images)
    ]
    rows = [b"".join(row_parts) for row_parts in zip(*(part.rows for part in parts), strict=True)]
    if mask is not None:
        rows = list(
            map(_apply_mask, rows, _draw_scene(prompt, size, number), scale(mask, size).rows)
        )
    elif colors := palette.find_named_colors(prompt):
        rows = _tint(rows, colors[0])
    return _add_caption(rows, f"Edit {number}: {prompt}")


def draw_variation(image: PixelBuffer, size: Size, number: int) -> PixelBuffer:
    """Draw the image with exchanged colors and its number below; odd numbers are mirrored."""
    rows = [_rotate_channels(row, number) for row in scale(image, size).rows]
    return _add_caption(rows, f"Variation {number}")


def draw_label(label: str, size: Size) -> PixelBuffer:
    """Draw a substitute for an image whose pixels cannot be read."""
    return draw_image(label, size, 0)


def scale(image: PixelBuffer, size: Size) -> PixelBuffer:
    """Scale an image to another size, using the nearest pixel."""
    width, height = size
    if (image.width, image.height) == size:
        return image
    columns = [x * image.width // width for x in range(width)]
    scaled: dict[int, bytes] = {}
    for y in {y * image.height // height for y in range(height)}:
        pixels = memoryview(image.rows[y]).cast("I")
        scaled[y] = array("I", [pixels[x] for x in columns]).tobytes()
    return PixelBuffer(width, [scaled[y * image.height // height] for y in range(height)])


def get_margin(width: int) -> int:
    """Return the margin between a card and the sides of its image, in pixels."""
    return width // 16


def _draw_scene(prompt: str, size: Size, number: int) -> list[bytes]:
    """Draw sky, sun and ground; the prompt's first two colors are those of sky and ground."""
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
    """Draw rows that fade from one color to another."""
    width, height = size
    return [bytes([*palette.blend(above, below, y / height), 255]) * width for y in range(height)]


def _add_sun(rows: list[bytes], color: bytes, center: tuple[int, int]) -> list[bytes]:
    """Draw a disc into the rows."""
    x, y = center
    radius = len(rows) // 9
    for row in range(max(0, y - radius), y + radius + 1):
        half = math.isqrt(radius**2 - (row - y) ** 2)
        left, right = max(0, x - half), min(len(rows[row]) // 4, x + half)
        rows[row] = rows[row][: 4 * left] + color * (right - left) + rows[row][4 * right :]
    return rows


def _tint(rows: Sequence[bytes], color: palette.Color) -> list[bytes]:
    """Blend the rows evenly with a color."""
    tables = [bytes((value + channel) // 2 for value in range(256)) for channel in color]
    result = []
    for row in rows:
        tinted = bytearray(row)
        for channel, table in enumerate(tables):
            tinted[channel::4] = row[channel::4].translate(table)
        result.append(bytes(tinted))
    return result


def _add_caption(rows: Sequence[bytes], text: str) -> PixelBuffer:
    """Draw text over the bottom quarter of the rows."""
    width, height = len(rows[0]) // 4, len(rows)
    banner = _draw_banner(text, (width, height // 4))
    banner += [PAPER * width] * (height // 4 - len(banner))
    return _overlay(rows, banner, height - len(banner))


def _draw_banner(text: str, size: Size) -> list[bytes]:
    """Draw a line of ink and the text below it on paper, as large as it fits."""
    width, max_height = size
    text = replace_missing_glyphs(text)
    longest = min(MAX_WORD_CHARS, max(map(len, text.split()), default=1))
    for scale in range(max(1, width // (WIDTH * 10)), 0, -1):
        columns = max(1, width // scale // WIDTH - 1)
        lines = textwrap.wrap(text, columns) or [" "]
        if columns >= longest and (len(lines) * HEIGHT + 3) * scale <= max_height:
            break
    rows = [INK * width] * scale + [PAPER * width] * 2 * scale
    for line in lines:
        for row in get_glyph_rows(line):
            pixels = b"".join(INK * scale if dot == "1" else PAPER * scale for dot in "000" + row)
            rows += [(pixels + PAPER * width)[: 4 * width]] * scale
    return rows[:max_height]


def _overlay(rows: Sequence[bytes], overlay: Sequence[bytes], top: int) -> PixelBuffer:
    """Replace the rows from ``top`` with others."""
    return PixelBuffer(len(rows[0]) // 4, [*rows[:top], *overlay, *rows[top + len(overlay) :]])


def _apply_mask(row: bytes, fresh: bytes, mask: bytes) -> bytes:
    """Use the fresh pixels of a row where the mask is transparent."""
    alphas = mask[3::4]
    if min(alphas) >= 128:
        return row
    if max(alphas) < 128:
        return fresh
    old, new = memoryview(row).cast("I"), memoryview(fresh).cast("I")
    pixels = (old[x] if alpha >= 128 else new[x] for x, alpha in enumerate(alphas))
    return array("I", pixels).tobytes()


def _rotate_channels(row: bytes, number: int) -> bytes:
    rotated = bytearray(row)
    for channel in range(3):
        rotated[channel::4] = row[(channel + number) % 3 :: 4]
    if number % 2:
        return array("I", memoryview(rotated).cast("I").tolist()[::-1]).tobytes()
    return bytes(rotated)

"""Draw a pattern as a PNG, and read the text stored in a PNG, without other packages."""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence

from orq_router_integrations.testing.images.palette import blend, choose_color

Size = tuple[int, int]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_KEYWORD = "Description"
"""Keyword of the text chunk with the prompt."""

PAPER = (251, 250, 245)
GRID = 8
"""Rows and columns of the pattern."""


def draw_pattern(text: str, size: Size, number: int, *, is_transparent: bool = False) -> bytes:
    """Draw a symmetric pattern that depends on a text, and store the text in the PNG.

    Equal arguments give equal bytes.
    """
    width, height = size
    digest = hashlib.sha256(f"{number}:{text}".encode("utf-8", "replace")).digest()
    color = choose_color(text, number)
    background = bytes(4) if is_transparent else bytes([*blend(color, PAPER, 0.8), 255])
    colors = (background, bytes([*color, 255]))
    bands = []
    for band in digest[:GRID]:
        half = [band >> column & 1 for column in range(GRID // 2)]
        cells = [colors[bit] for bit in (*half, *reversed(half))]
        bands.append(b"".join(cells[x * GRID // width] for x in range(width)))
    return encode_png(size, [bands[y * GRID // height] for y in range(height)], text)


def encode_png(size: Size, rows: Sequence[bytes], text: str = "") -> bytes:
    """Encode rows of pixels (red, green, blue, alpha) as PNG, with a text."""
    header = struct.pack(">IIBBBBB", *size, 8, 6, 0, 0, 0)
    text_chunk = f"{TEXT_KEYWORD}\0\0\0\0\0{text}".encode("utf-8", "replace")
    pixels = zlib.compress(b"\0" + b"\0".join(rows))
    chunks = [(b"IHDR", header), (b"iTXt", text_chunk), (b"IDAT", pixels), (b"IEND", b"")]
    return SIGNATURE + b"".join(_build_chunk(*chunk) for chunk in chunks)


def _build_chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(name))
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def read_png_text(data: bytes) -> str | None:
    """Return the text stored in a PNG, or ``None`` if there is none. Never raises."""
    prefix = f"{TEXT_KEYWORD}\0\0\0".encode()
    for name, chunk in _iter_chunks(data):
        if name == b"iTXt" and chunk.startswith(prefix):
            return chunk.split(b"\0", 5)[-1].decode("utf-8", "replace")
    return None


def _iter_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(SIGNATURE) if data.startswith(SIGNATURE) else len(data)
    while position + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        position += size + 12

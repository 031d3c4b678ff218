"""Encode PNG files, and decode simple ones.

Pixels have four bytes (red, green, blue, alpha).
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PIXEL_BYTES = 32 * 1024 * 1024
"""Maximum number of pixel bytes that are decoded."""

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(frozen=True, slots=True)
class PixelBuffer:
    """Rows of pixels, each of ``4 * width`` bytes."""

    width: int
    rows: Sequence[bytes]

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.rows)


def encode_png(image: PixelBuffer, **texts: str) -> bytes:
    """Encode an image as PNG with text chunks. Characters outside Latin-1 become ``?``."""
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, 6, 0, 0, 0)
    text_chunks = (f"{name}\0{text}".encode("latin-1", "replace") for name, text in texts.items())
    pixels = zlib.compress(b"\0" + b"\0".join(image.rows), 1)
    chunks = [(b"IHDR", header), *((b"tEXt", chunk) for chunk in text_chunks), (b"IDAT", pixels)]
    return SIGNATURE + b"".join(_build_chunk(*chunk) for chunk in [*chunks, (b"IEND", b"")])


def _build_chunk(name: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(data, zlib.crc32(name))
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def decode_png(data: bytes) -> PixelBuffer | None:
    """Decode a PNG with 8 bits per channel and no interlacing; ``None`` for any other data."""
    try:
        chunks = list(_read_chunks(data))
        chunk_by_name = dict(chunks)
        header = struct.unpack(">IIBBBBB", chunk_by_name[b"IHDR"])
        width, height, bits, color_type, *methods = header
        channels = _CHANNELS[color_type]
        if bits != 8 or any(methods) or not 0 < width * height * 4 <= MAX_PIXEL_BYTES:
            return None
        size = (width * channels + 1) * height
        compressed = b"".join(part for name, part in chunks if name == b"IDAT")
        raw = zlib.decompressobj().decompress(compressed, size)
        palette = _read_palette(chunk_by_name) if color_type == 3 else []
        rows = [
            _READERS[color_type](row, palette) for row in _unfilter(raw, width, height, channels)
        ]
        return PixelBuffer(width, rows)
    except (KeyError, ValueError, IndexError, struct.error, zlib.error):
        return None


def _read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(SIGNATURE):
        raise ValueError("not a PNG file")
    position = len(SIGNATURE)
    while position + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + size]
        position += size + 12


def _read_palette(chunks: dict[bytes, bytes]) -> list[bytes]:
    """Return lookup tables from an index to red, green, blue and alpha."""
    colors = chunks[b"PLTE"]
    alpha = chunks.get(b"tRNS", b"")
    tables = [colors[channel::3].ljust(256, b"\0") for channel in range(3)]
    return [*tables, alpha + b"\xff" * (256 - len(alpha))]


def _unfilter(raw: bytes, width: int, height: int, channels: int) -> Iterator[bytes]:
    length = width * channels
    above = bytes(length)
    if len(raw) != (length + 1) * height:
        raise ValueError("rows are missing")
    for position in range(0, len(raw), length + 1):
        row = raw[position + 1 : position + 1 + length]
        above = row if raw[position] == 0 else _FILTERS[raw[position]](row, above, channels)
        yield above


def _undo_sub(row: bytes, _: bytes, channels: int) -> bytes:
    result = bytearray(row)
    for position in range(channels, len(result)):
        result[position] = (result[position] + result[position - channels]) & 255
    return bytes(result)


def _undo_up(row: bytes, above: bytes, _: int) -> bytes:
    return bytes([(a + b) & 255 for a, b in zip(row, above, strict=True)])


def _undo_average(row: bytes, above: bytes, channels: int) -> bytes:
    result = bytearray(row)
    for position, up in enumerate(above):
        left = result[position - channels] if position >= channels else 0
        result[position] = (result[position] + (left + up) // 2) & 255
    return bytes(result)


def _undo_paeth(row: bytes, above: bytes, channels: int) -> bytes:
    result = bytearray(row)
    for position, up in enumerate(above):
        left, corner = (
            (result[position - channels], above[position - channels])
            if position >= channels
            else (0, 0)
        )
        guess = left + up - corner
        distances = abs(guess - left), abs(guess - up), abs(guess - corner)
        nearest = (left, up, corner)[distances.index(min(distances))]
        result[position] = (result[position] + nearest) & 255
    return bytes(result)


_FILTERS: dict[int, Callable[[bytes, bytes, int], bytes]] = {
    1: _undo_sub,
    2: _undo_up,
    3: _undo_average,
    4: _undo_paeth,
}


def _read_gray(row: bytes, _: list[bytes]) -> bytes:
    return _merge_channels(row, row, row, b"\xff" * len(row))


def _read_rgb(row: bytes, _: list[bytes]) -> bytes:
    return _merge_channels(row[0::3], row[1::3], row[2::3], b"\xff" * (len(row) // 3))


def _read_indexed(row: bytes, palette: list[bytes]) -> bytes:
    return _merge_channels(*(row.translate(table) for table in palette))


def _read_gray_alpha(row: bytes, _: list[bytes]) -> bytes:
    return _merge_channels(row[0::2], row[0::2], row[0::2], row[1::2])


def _read_rgba(row: bytes, _: list[bytes]) -> bytes:
    return row


def _merge_channels(*channels: bytes) -> bytes:
    result = bytearray(4 * len(channels[0]))
    for index, channel in enumerate(channels):
        result[index::4] = channel
    return bytes(result)


_READERS: dict[int, Callable[[bytes, list[bytes]], bytes]] = {
    0: _read_gray,
    2: _read_rgb,
    3: _read_indexed,
    4: _read_gray_alpha,
    6: _read_rgba,
}

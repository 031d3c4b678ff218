"""PNG files: written with plain rows, and read where they are simple enough.

Pixels are four bytes (red, green, blue, alpha); a picture is its rows.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PIXELS = 32 * 1024 * 1024
"""Bytes of pixels of a file that is read; of a larger one only the header."""

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


def encode_png(picture: PixelBuffer, **texts: str) -> bytes:
    """The picture as a PNG, with these texts in it (Latin letters; others become ``?``)."""
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 6, 0, 0, 0)
    notes = (f"{name}\0{text}".encode("latin-1", "replace") for name, text in texts.items())
    pixels = zlib.compress(b"\0" + b"\0".join(picture.rows), 1)
    chunks = [(b"IHDR", head), *((b"tEXt", note) for note in notes), (b"IDAT", pixels)]
    return SIGNATURE + b"".join(_build_chunk(*chunk) for chunk in [*chunks, (b"IEND", b"")])


def _build_chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def decode_png(data: bytes) -> PixelBuffer | None:
    """The pixels of a PNG with 8 bits a channel and no interlacing; ``None`` of all others."""
    try:
        chunks = list(_read_chunks(data))
        found = dict(chunks)
        shape = struct.unpack(">IIBBBBB", found[b"IHDR"])
        width, height, bits, kind, *rest = shape
        channels = _CHANNELS[kind]
        if bits != 8 or any(rest) or not 0 < width * height * 4 <= MAX_PIXELS:
            return None
        size = (width * channels + 1) * height
        packed = b"".join(part for name, part in chunks if name == b"IDAT")
        raw = zlib.decompressobj().decompress(packed, size)
        palette = _read_palette(found) if kind == 3 else []
        rows = [_READERS[kind](row, palette) for row in _unfilter(raw, width, height, channels)]
        return PixelBuffer(width, rows)
    except (KeyError, ValueError, IndexError, struct.error, zlib.error):
        return None


def _read_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(SIGNATURE):
        raise ValueError("no PNG")
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += size + 12


def _read_palette(chunks: dict[bytes, bytes]) -> list[bytes]:
    """Tables from an index to red, green, blue and alpha."""
    colours = chunks[b"PLTE"]
    alpha = chunks.get(b"tRNS", b"")
    tables = [colours[channel::3].ljust(256, b"\0") for channel in range(3)]
    return [*tables, alpha + b"\xff" * (256 - len(alpha))]


def _unfilter(raw: bytes, width: int, height: int, channels: int) -> Iterator[bytes]:
    length = width * channels
    above = bytes(length)
    if len(raw) != (length + 1) * height:
        raise ValueError("rows are missing")
    for at in range(0, len(raw), length + 1):
        row = raw[at + 1 : at + 1 + length]
        above = row if raw[at] == 0 else _FILTERS[raw[at]](row, above, channels)
        yield above


def _undo_sub(row: bytes, _: bytes, channels: int) -> bytes:
    out = bytearray(row)
    for at in range(channels, len(out)):
        out[at] = (out[at] + out[at - channels]) & 255
    return bytes(out)


def _undo_up(row: bytes, above: bytes, _: int) -> bytes:
    return bytes([(a + b) & 255 for a, b in zip(row, above, strict=True)])


def _undo_average(row: bytes, above: bytes, channels: int) -> bytes:
    out = bytearray(row)
    for at, up in enumerate(above):
        left = out[at - channels] if at >= channels else 0
        out[at] = (out[at] + (left + up) // 2) & 255
    return bytes(out)


def _undo_paeth(row: bytes, above: bytes, channels: int) -> bytes:
    out = bytearray(row)
    for at, up in enumerate(above):
        left, corner = (out[at - channels], above[at - channels]) if at >= channels else (0, 0)
        guess = left + up - corner
        distances = abs(guess - left), abs(guess - up), abs(guess - corner)
        nearest = (left, up, corner)[distances.index(min(distances))]
        out[at] = (out[at] + nearest) & 255
    return bytes(out)


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
    out = bytearray(4 * len(channels[0]))
    for place, channel in enumerate(channels):
        out[place::4] = channel
    return bytes(out)


_READERS: dict[int, Callable[[bytes, list[bytes]], bytes]] = {
    0: _read_gray,
    2: _read_rgb,
    3: _read_indexed,
    4: _read_gray_alpha,
    6: _read_rgba,
}

"""PNG files: written with plain rows, and read where they are simple enough.

Pixels are four bytes (red, green, blue, alpha); a picture is its rows.
"""

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST = 32 * 1024 * 1024
"""Bytes of pixels of a file that is read; of a larger one only the header."""

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


@dataclass(frozen=True, slots=True)
class Picture:
    """Rows of pixels, each of ``4 * width`` bytes."""

    width: int
    rows: Sequence[bytes]

    @property
    def height(self) -> int:
        """Number of rows."""
        return len(self.rows)


def encoded(picture: Picture, **texts: str) -> bytes:
    """The picture as a PNG, with these texts in it (Latin letters; others become ``?``)."""
    head = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 6, 0, 0, 0)
    notes = (f"{name}\0{text}".encode("latin-1", "replace") for name, text in texts.items())
    pixels = zlib.compress(b"\0" + b"\0".join(picture.rows), 1)
    chunks = [(b"IHDR", head), *((b"tEXt", note) for note in notes), (b"IDAT", pixels)]
    return SIGNATURE + b"".join(_chunk(*chunk) for chunk in [*chunks, (b"IEND", b"")])


def _chunk(kind: bytes, data: bytes) -> bytes:
    check = zlib.crc32(data, zlib.crc32(kind))
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)


def decoded(data: bytes) -> Picture | None:
    """The pixels of a PNG with 8 bits a channel and no interlacing; ``None`` of all others."""
    try:
        chunks = list(_chunks(data))
        found = dict(chunks)
        shape = struct.unpack(">IIBBBBB", found[b"IHDR"])
        width, height, bits, kind, *rest = shape
        channels = _CHANNELS[kind]
        if bits != 8 or any(rest) or not 0 < width * height * 4 <= LARGEST:
            return None
        size = (width * channels + 1) * height
        packed = b"".join(part for name, part in chunks if name == b"IDAT")
        raw = zlib.decompressobj().decompress(packed, size)
        palette = _palette(found) if kind == 3 else []
        rows = [_READERS[kind](row, palette) for row in _unfiltered(raw, width, height, channels)]
        return Picture(width, rows)
    except (KeyError, ValueError, IndexError, struct.error, zlib.error):
        return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if not data.startswith(SIGNATURE):
        raise ValueError("no PNG")
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + size]
        at += size + 12


def _palette(chunks: dict[bytes, bytes]) -> list[bytes]:
    """Tables from an index to red, green, blue and alpha."""
    colours = chunks[b"PLTE"]
    alpha = chunks.get(b"tRNS", b"")
    tables = [colours[channel::3].ljust(256, b"\0") for channel in range(3)]
    return [*tables, alpha + b"\xff" * (256 - len(alpha))]


def _unfiltered(raw: bytes, width: int, height: int, channels: int) -> Iterator[bytes]:
    length = width * channels
    above = bytes(length)
    if len(raw) != (length + 1) * height:
        raise ValueError("rows are missing")
    for at in range(0, len(raw), length + 1):
        row = raw[at + 1 : at + 1 + length]
        above = row if raw[at] == 0 else _FILTERS[raw[at]](row, above, channels)
        yield above


def _sub(row: bytes, _: bytes, channels: int) -> bytes:
    out = bytearray(row)
    for at in range(channels, len(out)):
        out[at] = (out[at] + out[at - channels]) & 255
    return bytes(out)


def _up(row: bytes, above: bytes, _: int) -> bytes:
    return bytes([(a + b) & 255 for a, b in zip(row, above, strict=True)])


def _average(row: bytes, above: bytes, channels: int) -> bytes:
    out = bytearray(row)
    for at, up in enumerate(above):
        left = out[at - channels] if at >= channels else 0
        out[at] = (out[at] + (left + up) // 2) & 255
    return bytes(out)


def _paeth(row: bytes, above: bytes, channels: int) -> bytes:
    out = bytearray(row)
    for at, up in enumerate(above):
        left, corner = (out[at - channels], above[at - channels]) if at >= channels else (0, 0)
        guess = left + up - corner
        distances = abs(guess - left), abs(guess - up), abs(guess - corner)
        nearest = (left, up, corner)[distances.index(min(distances))]
        out[at] = (out[at] + nearest) & 255
    return bytes(out)


_FILTERS: dict[int, Callable[[bytes, bytes, int], bytes]] = {
    1: _sub,
    2: _up,
    3: _average,
    4: _paeth,
}


def _grey(row: bytes, _: list[bytes]) -> bytes:
    return _merged(row, row, row, b"\xff" * len(row))


def _rgb(row: bytes, _: list[bytes]) -> bytes:
    return _merged(row[0::3], row[1::3], row[2::3], b"\xff" * (len(row) // 3))


def _indexed(row: bytes, palette: list[bytes]) -> bytes:
    return _merged(*(row.translate(table) for table in palette))


def _grey_alpha(row: bytes, _: list[bytes]) -> bytes:
    return _merged(row[0::2], row[0::2], row[0::2], row[1::2])


def _rgba(row: bytes, _: list[bytes]) -> bytes:
    return row


def _merged(*channels: bytes) -> bytes:
    out = bytearray(4 * len(channels[0]))
    for place, channel in enumerate(channels):
        out[place::4] = channel
    return bytes(out)


_READERS: dict[int, Callable[[bytes, list[bytes]], bytes]] = {
    0: _grey,
    2: _rgb,
    3: _indexed,
    4: _grey_alpha,
    6: _rgba,
}

"""The size of an image, read from its header."""

from collections.abc import Callable
from dataclasses import dataclass

Size = tuple[int, int]

_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_FRAME_HEADERS = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True, slots=True)
class Picture:
    """What an image's header says; the size is ``None`` where it says nothing readable."""

    kind: str
    size: Size | None


def picture(data: bytes) -> Picture:
    """Kind and size in pixels; never raises."""
    for magic, kind, size in _KINDS:
        if data.startswith(magic) and (kind != "WebP" or data[8:12] == b"WEBP"):
            try:
                return Picture(kind, size(data))
            except (IndexError, ValueError):
                return Picture(kind, None)
    return Picture("unknown kind", None)


def _big(data: bytes, at: int, length: int) -> int:
    return _number(data, at, length, big=True)


def _little(data: bytes, at: int, length: int) -> int:
    return _number(data, at, length, big=False)


def _number(data: bytes, at: int, length: int, *, big: bool) -> int:
    if len(data) < at + length:
        raise ValueError("cut short")
    return int.from_bytes(data[at : at + length], "big" if big else "little")


def _png(data: bytes) -> Size:
    return _big(data, 16, 4), _big(data, 20, 4)


def _gif(data: bytes) -> Size:
    return _little(data, 6, 2), _little(data, 8, 2)


def _jpeg(data: bytes) -> Size:
    at = 2
    while True:
        at = data.index(b"\xff", at) + 1
        marker = data[at]
        if marker in _FRAME_HEADERS:
            return _big(data, at + 6, 2), _big(data, at + 4, 2)
        if marker != 0xFF:
            at += 1 if marker in _WITHOUT_LENGTH else 1 + _big(data, at + 1, 2)


def _webp(data: bytes) -> Size:
    match data[12:16]:
        case b"VP8X":
            return 1 + _little(data, 24, 3), 1 + _little(data, 27, 3)
        case b"VP8L":
            bits = _little(data, 21, 4)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _little(data, 26, 2) & 0x3FFF, _little(data, 28, 2) & 0x3FFF


_KINDS: tuple[tuple[bytes, str, Callable[[bytes], Size]], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG", _png),
    (b"\xff\xd8\xff", "JPEG", _jpeg),
    (b"GIF8", "GIF", _gif),
    (b"RIFF", "WebP", _webp),
)

"""How large a medium is: pixels of an image, pages of a PDF, seconds of a sound.

Only headers are read, so base64 text need not be decoded: wrap it in ``Base64``, which decodes
the parts that are asked for. Nothing here raises on what it cannot read; it answers ``None``.
"""

import base64
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

ImageSize = tuple[int, int]


class Base64View:
    """The bytes inside clean base64 text; a slice decodes only what it needs."""

    __slots__ = ("_size", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._size = max(0, len(text) // 4 * 3 - text[-2:].count("="))

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        if stop <= start:
            return b""
        first = start // 3
        try:
            decoded = base64.b64decode(self._text[first * 4 : -(-stop // 3) * 4])
        except ValueError:  # not base64 after all
            return b""
        return decoded[start - first * 3 : stop - first * 3]


Data = bytes | Base64View

_LARGEST_SCAN = 32 * 1024 * 1024
_LARGEST_UNPACKED = 16 * 1024 * 1024
_SEGMENTS = 1000


def read_image_size(data: Data) -> ImageSize | None:
    """Width and height in pixels of a PNG, JPEG, GIF or WebP."""
    head = data[:32]
    for magic, size in _IMAGES:
        if head.startswith(magic) and (magic != b"RIFF" or head[8:12] == b"WEBP"):
            try:
                width, height = size(data)
            except ValueError:
                return None
            return (width, height) if width and height else None
    return None


def _number(data: Data, at: int, length: int, *, big: bool = False) -> int:
    found = data[at : at + length]
    if len(found) < length:
        raise ValueError("cut short")
    return int.from_bytes(found, "big" if big else "little")


def _png(data: Data) -> ImageSize:
    return _number(data, 16, 4, big=True), _number(data, 20, 4, big=True)


def _gif(data: Data) -> ImageSize:
    return _number(data, 6, 2), _number(data, 8, 2)


_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def _jpeg(data: Data) -> ImageSize:
    at = 2
    for _ in range(_SEGMENTS):
        lead, marker = _number(data, at, 1), _number(data, at + 1, 1)
        if lead != 0xFF or marker == 0xFF:
            at += 1  # padding
        elif marker in _FRAME_HEADERS:
            return _number(data, at + 7, 2, big=True), _number(data, at + 5, 2, big=True)
        elif marker in _WITHOUT_LENGTH:
            at += 2
        else:
            at += 2 + _number(data, at + 2, 2, big=True)
    raise ValueError("no frame")


def _webp(data: Data) -> ImageSize:
    match data[12:16]:
        case b"VP8X":
            return 1 + _number(data, 24, 3), 1 + _number(data, 27, 3)
        case b"VP8L":
            bits = _number(data, 21, 4)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _number(data, 26, 2) & 0x3FFF, _number(data, 28, 2) & 0x3FFF


_IMAGES: tuple[tuple[bytes, Callable[[Data], ImageSize]], ...] = (
    (b"\x89PNG\r\n\x1a\n", _png),
    (b"\xff\xd8\xff", _jpeg),
    (b"GIF8", _gif),
    (b"RIFF", _webp),
)

_LINEARIZED = re.compile(rb"/Linearized.{0,200}?/N\s+(\d{1,6})\b", re.DOTALL)
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_COUNT = re.compile(rb"/Count\s+(\d{1,6})\b")
_OBJECTS = re.compile(rb"/ObjStm\b.{0,400}?stream\r?\n", re.DOTALL)


def count_pdf_pages(data: Data) -> int | None:
    """Pages of a PDF: as its first bytes promise them, or counted; not of encrypted files."""
    if data[:5] != b"%PDF-":
        return None
    if found := _LINEARIZED.search(data[:1024]):
        return int(found[1]) or None
    content = data[:_LARGEST_SCAN]
    if pages := len(_PAGE.findall(content)):
        return pages
    packed = b"\n".join(_packed(content))
    return len(_PAGE.findall(packed)) or _largest_count(content, packed) or None


def _packed(content: bytes) -> Iterator[bytes]:
    """The compressed object streams into which newer files pack their pages."""
    left = _LARGEST_UNPACKED
    for start in _OBJECTS.finditer(content):
        end = content.find(b"endstream", start.end())
        try:
            objects = zlib.decompressobj().decompress(content[start.end() : end], left)
        except zlib.error:
            continue
        yield objects
        left -= len(objects)
        if left <= 0:
            return


def _largest_count(*contents: bytes) -> int:
    return max((int(count) for text in contents for count in _COUNT.findall(text)), default=0)


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """Length in seconds (``None`` where unreadable), samples per second, channels."""

    seconds: float | None
    sample_rate: int
    channels: int


def read_audio_seconds(data: Data) -> float | None:
    """Length of a WAV or an MP3 in seconds; of an MP3 without a frame count by its bitrate."""
    found = read_audio_info(data)
    return found.seconds if found else None


def read_audio_info(data: Data) -> AudioInfo | None:
    """What the header of a WAV or an MP3 says."""
    head = data[:12]
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        return _wav(data)
    return _mp3(data) if head.startswith((b"ID3", b"\xff")) else None


def _wav(data: Data) -> AudioInfo | None:
    at, channels, rate, per_second = 12, 0, 0, 0
    for _ in range(_SEGMENTS):
        chunk = data[at : at + 20]
        if len(chunk) < 8:
            return None
        size = int.from_bytes(chunk[4:8], "little")
        if chunk[:4] == b"fmt " and len(chunk) == 20:
            channels, rate, per_second = struct.unpack_from("<HII", chunk, 10)
        if chunk[:4] == b"data":
            left = len(data) - at - 8  # streamed files leave the size open
            seconds = min(size or left, left) / per_second if per_second else None
            return AudioInfo(seconds, rate, channels)
        at += 8 + size + size % 2
    return None


_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_RATES = (44100, 48000, 32000, 0)
_SEARCHED = 65536


def _mp3(data: Data) -> AudioInfo | None:
    start = _after_id3(data)
    found = data[start : start + _SEARCHED]
    at = found.find(b"\xff")
    while at >= 0:
        if frames := _frames(found[at : at + 192], len(data) - start - at):
            return frames
        at = found.find(b"\xff", at + 1)
    return None


def _after_id3(data: Data) -> int:
    head = data[:10]
    if not head.startswith(b"ID3") or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:]:
        size = size << 7 | byte & 0x7F
    return 10 + size


@dataclass(frozen=True, slots=True)
class Mp3Frame:
    """The header of a frame of MPEG audio, layer III.

    Attributes:
        size: bytes of the whole frame.
        samples: samples per channel in it.
        rate: samples per second.
        channels: 1 or 2.
        bitrate: bits per second.
    """

    size: int
    samples: int
    sample_rate: int
    channels: int
    bitrate: int


def parse_mp3_frame(head: bytes) -> Mp3Frame | None:
    """The frame that begins with these (4 or more) bytes, if one does."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate = (_BITRATES if version == 3 else _BITRATES_2)[head[2] >> 4] * 1000
    rate = _RATES[head[2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}.get(version, 1)
    if layer != 1 or version == 1 or not bitrate or not rate:
        return None
    samples = 1152 if version == 3 else 576
    size = samples // 8 * bitrate // rate + (head[2] >> 1 & 1)
    return Mp3Frame(size, samples, rate, 1 if head[3] >> 6 == 3 else 2, bitrate)


def _frames(head: bytes, left: int) -> AudioInfo | None:
    """A first frame: the length by its own frame count, or by its bitrate held."""
    frame = parse_mp3_frame(head)
    if frame is None:
        return None
    seconds = left * 8 / frame.bitrate
    for tag in (b"Xing", b"Info"):
        place = head.find(tag)
        if place > 0 and len(head) >= place + 12 and head[place + 7] & 1:
            (frames,) = struct.unpack_from(">I", head, place + 8)
            seconds = float(frames * frame.samples / frame.sample_rate)
    return AudioInfo(seconds, frame.sample_rate, frame.channels)

"""Read the pixel size of images, the page count of PDFs and the duration of audio.

Only headers are read. Data that cannot be read gives ``None``, never an exception.
"""

import base64
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from orq_router_integrations.media.mime import PDF_TYPE, detect_mime_type

ImageSize = tuple[int, int]
"""Width and height in pixels."""


class Base64View:
    """A bytes-like view of base64 text. Slicing decodes only the slice."""

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
        first_group = start // 3  # 4 characters encode a group of 3 bytes
        try:
            decoded = base64.b64decode(self._text[first_group * 4 : -(-stop // 3) * 4])
        except ValueError:  # the text is not base64
            return b""
        return decoded[start - first_group * 3 : stop - first_group * 3]


Data = bytes | Base64View

_MAX_PDF_BYTES = 32 * 1024 * 1024
_MAX_DECOMPRESSED_BYTES = 16 * 1024 * 1024
_MAX_CHUNKS = 1000
_MAX_MP3_SEARCH_BYTES = 64 * 1024


def read_image_size(data: Data) -> ImageSize | None:
    """Return the size of a PNG, JPEG, GIF or WebP image."""
    read_size = _IMAGE_READERS.get(detect_mime_type(data[:16]) or "")
    if read_size is None:
        return None
    try:
        width, height = read_size(data)
    except ValueError:
        return None
    return (width, height) if width and height else None


def _read_int(data: Data, offset: int, length: int, *, big_endian: bool = False) -> int:
    value = data[offset : offset + length]
    if len(value) < length:
        raise ValueError("the data is truncated")
    return int.from_bytes(value, "big" if big_endian else "little")


def _read_png_size(data: Data) -> ImageSize:
    return _read_int(data, 16, 4, big_endian=True), _read_int(data, 20, 4, big_endian=True)


def _read_gif_size(data: Data) -> ImageSize:
    return _read_int(data, 6, 2), _read_int(data, 8, 2)


_MARKERS_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}
_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def _read_jpeg_size(data: Data) -> ImageSize:
    offset = 2
    for _ in range(_MAX_CHUNKS):
        prefix, marker = _read_int(data, offset, 1), _read_int(data, offset + 1, 1)
        if prefix != 0xFF or marker == 0xFF:
            offset += 1  # padding
        elif marker in _FRAME_MARKERS:
            width = _read_int(data, offset + 7, 2, big_endian=True)
            return width, _read_int(data, offset + 5, 2, big_endian=True)
        elif marker in _MARKERS_WITHOUT_LENGTH:
            offset += 2
        else:
            offset += 2 + _read_int(data, offset + 2, 2, big_endian=True)
    raise ValueError("the frame header is missing")


def _read_webp_size(data: Data) -> ImageSize:
    match data[12:16]:
        case b"VP8X":
            return 1 + _read_int(data, 24, 3), 1 + _read_int(data, 27, 3)
        case b"VP8L":
            bits = _read_int(data, 21, 4)
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    return _read_int(data, 26, 2) & 0x3FFF, _read_int(data, 28, 2) & 0x3FFF


_IMAGE_READERS: dict[str, Callable[[Data], ImageSize]] = {
    "image/png": _read_png_size,
    "image/jpeg": _read_jpeg_size,
    "image/gif": _read_gif_size,
    "image/webp": _read_webp_size,
}

_LINEARIZED = re.compile(rb"/Linearized.{0,200}?/N\s+(\d{1,6})\b", re.DOTALL)
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PAGE_COUNT = re.compile(rb"/Count\s+(\d{1,6})\b")
_OBJECT_STREAM = re.compile(rb"/ObjStm\b.{0,400}?stream\r?\n", re.DOTALL)


def count_pdf_pages(data: Data) -> int | None:
    """Return the number of pages of a PDF that is not encrypted."""
    if detect_mime_type(data[:16]) != PDF_TYPE:
        return None
    if match := _LINEARIZED.search(data[:1024]):
        return int(match[1]) or None
    content = data[:_MAX_PDF_BYTES]
    if pages := len(_PAGE.findall(content)):
        return pages
    decompressed = b"\n".join(_iter_object_streams(content))
    if pages := len(_PAGE.findall(decompressed)):
        return pages
    counts = [int(count) for part in (content, decompressed) for count in _PAGE_COUNT.findall(part)]
    return max(counts, default=0) or None


def _iter_object_streams(content: bytes) -> Iterator[bytes]:
    """Yield the decompressed object streams, which hold the pages of newer PDFs."""
    remaining = _MAX_DECOMPRESSED_BYTES
    for match in _OBJECT_STREAM.finditer(content):
        end = content.find(b"endstream", match.end())
        try:
            stream = zlib.decompressobj().decompress(content[match.end() : end], remaining)
        except zlib.error:
            continue
        yield stream
        remaining -= len(stream)
        if remaining <= 0:
            return


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """Properties of audio.

    Attributes:
        seconds: Duration in seconds, or ``None`` if it is unknown.
        sample_rate: Samples per second and channel.
        channels: Number of channels.
    """

    seconds: float | None
    sample_rate: int
    channels: int


def read_audio_seconds(data: Data) -> float | None:
    """Return the duration of a WAV or MP3 file in seconds.

    The duration of an MP3 file without a frame count is estimated from its bitrate.
    """
    info = read_audio_info(data)
    return info.seconds if info else None


def read_audio_info(data: Data) -> AudioInfo | None:
    """Return the properties of a WAV or MP3 file."""
    match detect_mime_type(data[:16]):
        case "audio/wav":
            return _read_wav_info(data)
        case "audio/mpeg":
            return _read_mp3_info(data)
    return None


def _read_wav_info(data: Data) -> AudioInfo | None:
    offset, channels, sample_rate, bytes_per_second = 12, 0, 0, 0
    for _ in range(_MAX_CHUNKS):
        header = data[offset : offset + 20]
        if len(header) < 8:
            return None
        size = int.from_bytes(header[4:8], "little")
        if header[:4] == b"fmt " and len(header) == 20:
            channels, sample_rate, bytes_per_second = struct.unpack_from("<HII", header, 10)
        if header[:4] == b"data":
            available = len(data) - offset - 8  # streamed files do not state their size
            seconds = (
                min(size or available, available) / bytes_per_second if bytes_per_second else None
            )
            return AudioInfo(seconds, sample_rate, channels)
        offset += 8 + size + size % 2
    return None


_MPEG1_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MPEG2_KBITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_MPEG1_SAMPLE_RATES = (44100, 48000, 32000, 0)


def _read_mp3_info(data: Data) -> AudioInfo | None:
    start = _skip_id3_tag(data)
    searched = data[start : start + _MAX_MP3_SEARCH_BYTES]
    offset = searched.find(b"\xff")
    while offset >= 0:
        header = searched[offset : offset + 192]
        if frame := parse_mp3_frame(header):
            frame_count = _read_frame_count(header)
            if frame_count is None:
                seconds = (len(data) - start - offset) * 8 / frame.bitrate
            else:
                seconds = frame_count * frame.samples / frame.sample_rate
            return AudioInfo(seconds, frame.sample_rate, frame.channels)
        offset = searched.find(b"\xff", offset + 1)
    return None


def _skip_id3_tag(data: Data) -> int:
    header = data[:10]
    if not header.startswith(b"ID3") or len(header) < 10:
        return 0
    size = 0
    for byte in header[6:]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _read_frame_count(header: bytes) -> int | None:
    """Return the number of frames in the file, if the first frame states it."""
    for tag in (b"Xing", b"Info"):
        offset = header.find(tag)
        if offset > 0 and len(header) >= offset + 12 and header[offset + 7] & 1:
            return int.from_bytes(header[offset + 8 : offset + 12], "big")
    return None


@dataclass(frozen=True, slots=True)
class Mp3Frame:
    """The header of an MPEG audio frame, layer III.

    Attributes:
        size: Size of the frame in bytes.
        samples: Samples per channel in the frame.
        sample_rate: Samples per second and channel.
        channels: Number of channels, 1 or 2.
        bitrate: Bits per second.
    """

    size: int
    samples: int
    sample_rate: int
    channels: int
    bitrate: int


def parse_mp3_frame(header: bytes) -> Mp3Frame | None:
    """Parse the header of an MP3 frame from its first 4 bytes."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bitrate = (_MPEG1_KBITS if version == 3 else _MPEG2_KBITS)[header[2] >> 4] * 1000
    sample_rate = _MPEG1_SAMPLE_RATES[header[2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}.get(version, 1)
    if layer != 1 or version == 1 or not bitrate or not sample_rate:
        return None
    samples = 1152 if version == 3 else 576
    size = samples // 8 * bitrate // sample_rate + (header[2] >> 1 & 1)
    return Mp3Frame(size, samples, sample_rate, 1 if header[3] >> 6 == 3 else 2, bitrate)

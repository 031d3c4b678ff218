"""Read the pixel size of images, the page count of PDFs and the duration of audio.

Only headers are read. The result is ``None`` for unreadable data; no exceptions are raised.
"""

import re
import struct
import zlib
from contextlib import suppress

from orq_router_integrations.media.mime import PDF_TYPE, Sliceable, detect_mime_type, get_tags_size
from orq_router_integrations.media.mp3 import find_mp3_frame
from orq_router_integrations.media.wav import MAX_HEADER_BYTES, read_wav_header

ImageSize = tuple[int, int]
"""Width and height in pixels."""

_MAX_PDF_BYTES = 32 * 1024 * 1024
_MAX_DECOMPRESSED_BYTES = 16 * 1024 * 1024
_MAX_JPEG_SEGMENTS = 1000
_MAX_MP3_SEARCH_BYTES = 64 * 1024
_JPEG_FRAME_MARKERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PDF_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PDF_OBJECT_STREAM = re.compile(rb"/ObjStm\b.{0,400}?stream\r?\n", re.DOTALL)
_FRAME_COUNT = re.compile(rb"(?:Xing|Info).{3}(.)(.{4})", re.DOTALL)
"""The last byte of the flags, and the number of frames, in the length table of an MP3 file."""


def read_image_size(data: Sliceable) -> ImageSize | None:
    """Return the size of a PNG, JPEG, GIF or WebP image."""
    try:
        match detect_mime_type(data[:16]):
            case "image/png":
                width, height = struct.unpack(">II", data[16:24])
            case "image/gif":
                width, height = struct.unpack("<HH", data[6:10])
            case "image/webp":
                width, height = _read_webp_size(data[:30])
            case "image/jpeg":
                width, height = _read_jpeg_size(data)
            case _:
                return None
    except struct.error:  # the data is truncated
        return None
    return (width, height) if width and height else None


def _read_webp_size(header: bytes) -> ImageSize:
    if header[12:16] == b"VP8X":
        width_low, width_high, height_low, height_high = struct.unpack("<HBHB", header[24:30])
        return 1 + width_low + (width_high << 16), 1 + height_low + (height_high << 16)
    if header[12:16] == b"VP8L":
        (bits,) = struct.unpack("<I", header[21:25])
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = struct.unpack("<HH", header[26:30])
    return width & 0x3FFF, height & 0x3FFF


def _read_jpeg_size(data: Sliceable) -> ImageSize:
    offset = 2
    for _ in range(_MAX_JPEG_SEGMENTS):
        prefix, marker, length = struct.unpack(">BBH", data[offset : offset + 4])
        if prefix != 0xFF or marker == 0xFF:
            offset += 1  # padding
        elif marker in _JPEG_FRAME_MARKERS:
            height, width = struct.unpack(">HH", data[offset + 5 : offset + 9])
            return width, height
        else:
            offset += 2 + length
    return 0, 0


def can_be_transparent(png: bytes) -> bool:
    """Return whether a PNG, which may be truncated, can have transparent pixels."""
    chunks, pixels, _ = png.partition(b"IDAT")
    has_alpha_channel = chunks[25:26] in {b"\4", b"\6"}  # the color type
    return has_alpha_channel or b"tRNS" in chunks or not pixels


def count_pdf_pages(data: Sliceable) -> int | None:
    """Return the number of pages of a PDF that is not encrypted."""
    if detect_mime_type(data) != PDF_TYPE:
        return None
    content = data[:_MAX_PDF_BYTES]
    count, remaining_bytes = len(_PDF_PAGE.findall(content)), _MAX_DECOMPRESSED_BYTES
    for match in _PDF_OBJECT_STREAM.finditer(content):  # these hold the pages of newer PDFs
        if remaining_bytes <= 0:
            break
        compressed = content[match.end() : content.find(b"endstream", match.end())]
        with suppress(zlib.error):
            stream = zlib.decompressobj().decompress(compressed, remaining_bytes)
            count += len(_PDF_PAGE.findall(stream))
            remaining_bytes -= len(stream)
    return count or None


def read_audio_seconds(data: Sliceable) -> float | None:
    """Return the duration of a WAV or MP3 file in seconds.

    If an MP3 file does not contain its number of frames, the duration is estimated from the bitrate
    of the first one.
    """
    mime_type = detect_mime_type(data)
    if mime_type == "audio/wav":
        wav = read_wav_header(data[:MAX_HEADER_BYTES])
        if wav is None or not wav.bytes_per_second:
            return None
        return wav.compute_data_size(len(data)) / wav.bytes_per_second
    start = get_tags_size(data)
    content = data[start : start + _MAX_MP3_SEARCH_BYTES]
    if mime_type != "audio/mpeg" or not (match := find_mp3_frame(content)):
        return None
    offset, frame = match
    table = _FRAME_COUNT.search(content, offset, offset + 192)
    if table and table[1][0] & 1:  # the flag of the number of frames
        return int.from_bytes(table[2], "big") * frame.samples / frame.sample_rate
    return (len(data) - start - offset) * 8 / frame.bitrate

"""File types: their MIME types, suffixes and first bytes, and which of them the router accepts.

The first bytes of a file decide its type. Its name and the type that the caller declares are only
used if the bytes are ambiguous.
"""

import base64
import re
from contextlib import closing
from typing import Any

from typing_extensions import Generator

from orq_router_integrations.wire.multipart import iter_upload
from orq_router_integrations.wire.request_encoding import (
    MIN_DEFERRED_CHARS,
    PLACEHOLDER_MARK,
    DeferredBase64,
)

PDF_TYPE = "application/pdf"
DEFAULT_TYPE = "application/octet-stream"

IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Images that chat models accept."""

IMAGE_DETAILS = ("low", "high", "auto")
MAX_IMAGE_BYTES = 20 * 1024 * 1024

AUDIO_FORMATS = {"audio/wav": "wav", "audio/mpeg": "mp3"}
"""Audio that chat models accept: the name of the format in the API, by MIME type."""

SUFFIXES = {
    "image/png": ("png",),
    "image/jpeg": ("jpg", "jpeg"),
    "image/gif": ("gif",),
    "image/webp": ("webp",),
    "audio/flac": ("flac",),
    "audio/mpeg": ("mp3", "mpga", "mpeg"),
    "audio/mp4": ("m4a", "mp4"),
    "audio/ogg": ("ogg",),
    "audio/wav": ("wav",),
    "video/mp4": ("mp4", "m4a"),
    "video/mpeg": ("mpeg",),
    "video/webm": ("webm",),
}
"""Suffixes of file names by MIME type, without the dot. The usual one comes first."""

RECORDING_SUFFIXES = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")
"""Suffixes of the files that can be transcribed."""

_ALIASES = {
    "image/jpg": "image/jpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/mp3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/mpeg3": "audio/mpeg",
}
_MAGIC_BYTES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"BM", "image/bmp"),
    (b"%PDF-", PDF_TYPE),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"<svg", "image/svg+xml"),
    (b"<!DOCTYPE", "text/html"),
    (b"<html", "text/html"),
    (b"PK\x03\x04", "application/zip"),
)
_RIFF_TYPES = {b"WAVE": "audio/wav", b"WEBP": "image/webp"}
_MP4_BRANDS = {
    b"M4A": "audio/mp4",
    b"hei": "image/heic",
    b"mif": "image/heif",
    b"avi": "image/avif",
}
_MPEG_PROGRAM_STREAM = b"\x00\x00\x01\xba"

_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,=]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)


def detect_mime_type(data: bytes) -> str | None:
    """Return the MIME type that the first bytes of a file indicate; 16 bytes are enough."""
    for magic, mime_type in _MAGIC_BYTES:
        if data.startswith(magic):
            return mime_type
    if data[:4] == b"RIFF":
        return _RIFF_TYPES.get(data[8:12])
    if data[4:8] == b"ftyp":
        return _MP4_BRANDS.get(data[8:11], "video/mp4")
    if len(data) > 1 and data[0] == 0xFF:
        if data[1] & 0xE6 == 0xE2:  # an MPEG audio frame, layer III
            return "audio/mpeg"
        if data[1] & 0xF6 == 0xF0:  # an ADTS frame
            return "audio/aac"
    return None


def normalize_mime_type(mime_type: str) -> str:
    """Return a MIME type in lower case, without parameters, with aliases replaced."""
    bare_type = mime_type.partition(";")[0].strip().lower()
    return _ALIASES.get(bare_type, bare_type)


def build_data_url(mime_type: str, data: str) -> str:
    """Return a data URL for base64 data. Long data is inserted when the request is sent."""
    prefix = f"data:{mime_type};base64,"
    if isinstance(data, DeferredBase64):
        return DeferredBase64(data.source, prefix)
    return DeferredBase64(data, prefix) if len(data) > MIN_DEFERRED_CHARS else prefix + data


def parse_data_url(url: str) -> tuple[str, str]:
    """Return the MIME type and the base64 data of a data URL.

    Raises:
        ValueError: It is not a data URL with base64 data.
    """
    match = _DATA_URL.match(url)
    if match is None or not match[3]:
        raise ValueError("Expected a data URL with base64 data (data:<type>;base64,<data>).")
    return normalize_mime_type(match[1]), url[match.end() :]


def validate_base64(data: Any) -> tuple[str, int, bytes]:
    """Validate base64 data without decoding all of it.

    Returns:
        The data with its padding and without line breaks, the number of bytes that it encodes, and
        the first of them.

    Raises:
        ValueError: The data is empty or not base64.
    """
    if isinstance(data, DeferredBase64):
        return _read_deferred(data)
    if not isinstance(data, str):
        raise ValueError(f"Expected base64 data as a str, got {type(data).__name__}.")
    if any(line_break in data for line_break in "\r\n"):
        data = "".join(data.split())
    padding = b"".join(_find_other_characters(data))
    if set(padding) & set(b"-_") and not set(padding) - set(b"-_="):  # the URL-safe alphabet
        data = data.replace("-", "+").replace("_", "/")
        padding = padding.translate(None, b"-_")
    if not padding and len(data) % 4 > 1:
        padding = b"=" * (-len(data) % 4)
        data += padding.decode()
    if padding not in {b"", b"=", b"=="} or len(data) % 4 or not data.endswith(padding.decode()):
        raise ValueError(
            "The file of this lazy block was lost when the block was serialized, for example by a "
            "prompt template or a checkpoint. Call content_block(path) again, or use lazy=False."
            if data.endswith(PLACEHOLDER_MARK)
            else "The data is not base64."
        )
    size = len(data) // 4 * 3 - len(padding)
    if not size:
        raise ValueError("The data is empty.")
    return data, size, base64.b64decode(data[:64])


def _find_other_characters(data: str) -> Generator[bytes]:
    """Yield what remains of the data without the base64 alphabet, in chunks to save memory."""
    for start in range(0, len(data), MIN_DEFERRED_CHARS):
        chunk = data[start : start + MIN_DEFERRED_CHARS].encode("ascii", "replace")
        yield chunk.translate(None, _BASE64_ALPHABET)


def _read_deferred(data: DeferredBase64) -> tuple[str, int, bytes]:
    """Return the same as ``validate_base64`` for data that was validated when it was created."""
    if isinstance(data.source, str):
        return data, len(data.source) * 3 // 4, base64.b64decode(data.source[:64])
    with closing(iter_upload(data.source, "content", 48)) as chunks:
        return data, data.source.size, next(chunks)


def validate_declared_type(detected: str, declared: str | None) -> None:
    """Check that the declared MIME type of a file matches its bytes.

    Raises:
        ValueError: The types differ.
    """
    if declared and normalize_mime_type(declared) not in {detected, DEFAULT_TYPE}:
        raise ValueError(
            f"The declared type is {declared}, but the data is {detected}. Correct mime_type."
        )


def validate_image(data: Any, declared: str | None = None) -> tuple[str, str]:
    """Return the MIME type and the base64 data of an image that the router accepts.

    Raises:
        ValueError: The data is not base64, too large, of another type, or not of the declared
            type.
    """
    base64_data, size, first_bytes = validate_base64(data)
    mime_type = detect_mime_type(first_bytes)
    if mime_type not in IMAGE_TYPES:
        raise ValueError(
            f"The image is {mime_type or declared or 'of an unknown type'}. "
            "The router accepts PNG, JPEG, GIF and WebP. Convert it first."
        )
    validate_declared_type(mime_type, declared)
    validate_image_size(size)
    return mime_type, base64_data


def validate_image_size(size: int) -> None:
    """Check the number of bytes of an image.

    Raises:
        ValueError: The image is larger than 20 MB.
    """
    if size > MAX_IMAGE_BYTES:
        raise ValueError(
            f"The image has {size / 2**20:.1f} MB; at most 20 MB are allowed. "
            "Compress it, or pass its URL."
        )


def validate_audio(data: Any, declared: str | None = None) -> tuple[str, str]:
    """Return the format (``wav`` or ``mp3``) and the base64 data of audio for a chat model.

    Raises:
        ValueError: The data is not base64, of another format, or not of the declared type.
    """
    base64_data, _, first_bytes = validate_base64(data)
    mime_type = detect_mime_type(first_bytes)
    if mime_type not in AUDIO_FORMATS:
        raise ValueError(
            f"The audio is {mime_type or declared or 'of an unknown type'}. "
            "Chat models accept WAV and MP3. Convert it first."
        )
    validate_declared_type(mime_type, declared)
    return AUDIO_FORMATS[mime_type], base64_data


def validate_pdf(data: Any) -> str:
    """Return the base64 data of a PDF.

    Raises:
        ValueError: The data is not base64, or not a PDF.
    """
    base64_data, _, first_bytes = validate_base64(data)
    mime_type = detect_mime_type(first_bytes)
    if mime_type != PDF_TYPE:
        raise ValueError(
            f"The file is {mime_type or 'of an unknown type'}, not a PDF. "
            "Convert it to PDF, or pass its text."
        )
    return base64_data


def get_pdf_filename(name: str | None) -> str:
    """Return the file name to send with a PDF. The router requires one, and models see it.

    Raises:
        ValueError: The name contains a path or a control character.
    """
    if not name:
        return "document.pdf"
    return validate_filename(name if name.lower().endswith(".pdf") else f"{name}.pdf")


def validate_filename(name: str) -> str:
    """Return a file name without changes.

    Raises:
        ValueError: The name contains a path or a control character.
    """
    if not name.isprintable() or "/" in name or "\\" in name:
        raise ValueError(f"The file name {name!r} must be a plain name without a path.")
    return name


def validate_recording(name: str, first_bytes: bytes) -> tuple[str, str]:
    """Return the MIME type of a recording to transcribe, and its name with a matching suffix.

    Args:
        name: Name of the file.
        first_bytes: At least 16 bytes, unless the file is shorter.

    Raises:
        ValueError: The file is not of a type that can be transcribed.
    """
    mime_type = detect_mime_type(first_bytes)
    if first_bytes.startswith(_MPEG_PROGRAM_STREAM):
        mime_type = "video/mpeg"
    suffixes = SUFFIXES.get(mime_type or "", ())
    if mime_type is None or not set(suffixes) & set(RECORDING_SUFFIXES):
        raise ValueError(
            f"{name} is {mime_type or 'of an unknown type'}. "
            f"Convert it to audio of a supported type: {', '.join(RECORDING_SUFFIXES)}."
        )
    stem, _, suffix = name.rpartition(".")
    return mime_type, name if suffix.lower() in suffixes else f"{stem or suffix}.{suffixes[0]}"

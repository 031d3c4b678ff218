"""What bytes are, and which of them the router takes.

What a file is, its first bytes decide; names and claims only where the bytes leave it open. The
limits are those of the router's multimodal page: PNG, JPEG, GIF or WebP of at most 20 MB each,
PDFs with a file name, WAV or MP3 as audio input.
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

MAX_IMAGE_BYTES = 20 * 1024 * 1024
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
AUDIO_FORMATS = {"audio/wav": "wav", "audio/mpeg": "mp3"}
PDF_TYPE = "application/pdf"
IMAGE_DETAILS = ("low", "high", "auto")

_SAME_TYPE = {
    "image/jpg": "image/jpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/mp3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/mpeg3": "audio/mpeg",
}
_PLAIN_MAGIC = (
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
_BRANDS = {b"M4A": "audio/mp4", b"hei": "image/heic", b"mif": "image/heif", b"avi": "image/avif"}
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_NO_BASE64 = "its data is not base64 (standard alphabet, padded)"
_LOST = (
    "it is a lazy block that was written down (by a prompt template, pickle, dumps, a checkpoint) "
    "and lost its file; make it anew with content_block(path), or make it with lazy=False"
)
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,=]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)


def detect_mime_type(head: bytes) -> str | None:
    """The media type that the first bytes (16 suffice) of a file show, or ``None``."""
    for magic, mime_type in _PLAIN_MAGIC:
        if head.startswith(magic):
            return mime_type
    if head[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:11], "video/mp4")
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return "audio/mpeg"  # an MPEG audio frame, layer III
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "audio/aac"  # an ADTS frame
    return None


def normalize_mime_type(mime_type: str) -> str:
    """A media type in lower case, without parameters, under its usual name."""
    plain = mime_type.partition(";")[0].strip().lower()
    return _SAME_TYPE.get(plain, plain)


def build_data_url(mime_type: str, data: str) -> str:
    """A data URL of base64 text; a long one is put together only when it is sent."""
    prefix = f"data:{mime_type};base64,"
    if isinstance(data, DeferredBase64):
        return DeferredBase64(data.source, prefix)
    return DeferredBase64(data, prefix) if len(data) > MIN_DEFERRED_CHARS else prefix + data


def parse_data_url(url: str) -> tuple[str, str]:
    """The media type and the base64 text of a data URL.

    Raises:
        ValueError: it is not a data URL in base64.
    """
    match = _DATA_URL.match(url)
    if match is None or not match[3]:
        raise ValueError("not a data URL in base64 (data:<type>;base64,<data>)")
    return normalize_mime_type(match[1]), url[match.end() :]


def validate_base64(data: Any) -> tuple[str, int, bytes]:
    """Base64 text without line breaks, the number of bytes in it, and the first of them.

    Raises:
        ValueError: it is empty or not base64.
    """
    if isinstance(data, DeferredBase64):
        return _checked_before(data)
    if not isinstance(data, str) or not data:
        raise ValueError("its data is empty; give it as base64 text")
    if any(blank in data for blank in "\r\n"):
        data = "".join(data.split())
    rest = b"".join(_strangers(data))
    if rest not in {b"", b"=", b"=="} or len(data) % 4 or not data.endswith(rest.decode()):
        raise ValueError(_LOST if data.endswith(PLACEHOLDER_MARK) else _NO_BASE64)
    size = len(data) // 4 * 3 - len(rest)
    if not size:
        raise ValueError("its data is empty")
    return data, size, base64.b64decode(data[:64])


def _strangers(data: str) -> Generator[bytes]:
    """What base64 text has beside its alphabet, looked for in one piece after the other."""
    for start in range(0, len(data), MIN_DEFERRED_CHARS):
        piece = data[start : start + MIN_DEFERRED_CHARS].encode("ascii", "replace")
        yield piece.translate(None, _ALPHABET)


def _checked_before(data: DeferredBase64) -> tuple[str, int, bytes]:
    """The same for a text that ``content_block`` or a first look has checked."""
    if isinstance(data.source, str):
        return data, len(data.source) * 3 // 4, base64.b64decode(data.source[:64])
    with closing(iter_upload(data.source, "content", 48)) as pieces:
        return data, data.source.size, next(pieces)


def validate_image(data: Any, claimed: str | None = None) -> tuple[str, str]:
    """The media type and the clean base64 text of an image that the router takes.

    Raises:
        ValueError: not base64, too large, of another type, or not of the claimed type.
    """
    clean, size, head = validate_base64(data)
    found = detect_mime_type(head)
    if found not in IMAGE_TYPES:
        raise ValueError(
            f"the image is {found or claimed or 'of an unknown type'}; "
            "the router takes PNG, JPEG, GIF and WebP: convert it first"
        )
    validate_declared_type(found, claimed)
    validate_image_size(size)
    return found, clean


def validate_image_size(size: int) -> None:
    """Check the number of bytes of an image.

    Raises:
        ValueError: more than 20 MB.
    """
    if size > MAX_IMAGE_BYTES:
        raise ValueError(
            f"the image has {size / 2**20:.1f} MB; at most 20 MB: compress it, or give its URL"
        )


def validate_audio(data: Any, claimed: str | None = None) -> tuple[str, str]:
    """The format (``wav`` or ``mp3``) and the clean base64 text of audio for a chat model.

    Raises:
        ValueError: not base64, of another format, or not of the claimed type.
    """
    clean, _, head = validate_base64(data)
    found = detect_mime_type(head)
    if found not in AUDIO_FORMATS:
        raise ValueError(
            f"the audio is {found or claimed or 'of an unknown type'}; chat models take WAV and "
            "MP3: convert it first"
        )
    validate_declared_type(found, claimed)
    return AUDIO_FORMATS[found], clean


def validate_pdf(data: Any) -> str:
    """The clean base64 text of a PDF.

    Raises:
        ValueError: not base64, or not a PDF.
    """
    clean, _, head = validate_base64(data)
    if detect_mime_type(head) != PDF_TYPE:
        raise ValueError(
            f"the file is not a PDF but {detect_mime_type(head) or 'of an unknown type'}; "
            "convert it to PDF, or give its text"
        )
    return clean


def get_pdf_filename(name: str | None) -> str:
    """The file name of a PDF, which the router wants and models use; with its suffix.

    Raises:
        ValueError: the name has a path or a control character in it.
    """
    if not name:
        return "document.pdf"
    return (
        validate_filename(name)
        if name.lower().endswith(".pdf")
        else f"{validate_filename(name)}.pdf"
    )


def validate_filename(name: str) -> str:
    """A file name.

    Raises:
        ValueError: the name has a path or a control character in it.
    """
    if not name.isprintable() or "/" in name or "\\" in name:
        raise ValueError(f"the file name {name!r} must be a plain name without a path")
    return name


def validate_declared_type(found: str, claimed: str | None) -> None:
    """Check that bytes are what they are said to be.

    Raises:
        ValueError: they are not.
    """
    if claimed and normalize_mime_type(claimed) not in {found, "application/octet-stream"}:
        raise ValueError(f"it says {claimed}, but its bytes are {found}; correct mime_type")


RECORDING_SUFFIXES = ("flac", "mp3", "mp4", "mpeg", "mpga", "m4a", "ogg", "wav", "webm")
"""Endings of the file names that transcriptions take (contract section 2.6)."""

_SUFFIXES_OF = {
    "audio/flac": ("flac",),
    "audio/mpeg": ("mp3", "mpga", "mpeg"),
    "audio/mp4": ("m4a", "mp4"),
    "audio/ogg": ("ogg",),
    "audio/wav": ("wav",),
    "video/mp4": ("mp4", "m4a"),
    "video/mpeg": ("mpeg",),
    "video/webm": ("webm",),
}
_PROGRAM_STREAM = b"\x00\x00\x01\xba"


def validate_recording(name: str, head: bytes) -> tuple[str, str]:
    """The media type of a recording, and its name with an ending that fits.

    Raises:
        ValueError: its first bytes are of no kind that transcriptions take.
    """
    found = "video/mpeg" if head.startswith(_PROGRAM_STREAM) else detect_mime_type(head)
    suffixes = _SUFFIXES_OF.get(found or "")
    if found is None or suffixes is None:
        raise ValueError(
            f"{name} is {found or 'of an unknown type'}, not audio of a known kind "
            f"({', '.join(RECORDING_SUFFIXES)}); convert it first"
        )
    stem, _, suffix = name.rpartition(".")
    return found, name if suffix.lower() in suffixes else f"{stem or suffix}.{suffixes[0]}"

"""File types: their MIME types, suffixes and first bytes, and which of them the router accepts.

The content of a file decides its type. Its name and the type that the caller declares are only
used if the content is ambiguous.
"""

import base64
import os
import re
from codecs import getincrementaldecoder
from collections.abc import Collection, Iterator
from contextlib import closing
from functools import reduce
from typing import Any, BinaryIO, TypeGuard

from orq_router_integrations.media.mp3 import find_mp3_frame
from orq_router_integrations.wire.call import MIN_DEFERRED_CHARS, PLACEHOLDER_MARK, DeferredBase64

PDF_TYPE = "application/pdf"
DEFAULT_TYPE = "application/octet-stream"

IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
"""Images that chat models accept."""

IMAGE_DETAILS = ("low", "high", "auto")
MAX_IMAGE_BYTES = 20 * 1024 * 1024

AUDIO_FORMATS = {"audio/wav": "wav", "audio/mpeg": "mp3"}
"""Audio that chat models accept: the name of the format in the API, by MIME type."""

ACCEPTED_TYPES: dict[str, tuple[Collection[str], str]] = {
    "image": (
        IMAGE_TYPES,
        "The image is {}. The router accepts PNG, JPEG, GIF and WebP. Convert it first.",
    ),
    "audio": (AUDIO_FORMATS, "The audio is {}. Chat models accept WAV and MP3. Convert it first."),
    "file": ((PDF_TYPE,), "The file is {}, not a PDF. Convert it to PDF, or pass its text."),
}
"""MIME types that chat models accept, and the error for others, by type of content block."""

RECORDING_SUFFIXES = (".flac", ".mp3", ".mp4", ".mpeg", ".mpga", ".m4a", ".ogg", ".wav", ".webm")
"""Suffixes of file names that the transcription endpoint accepts."""

HEADER_BYTES = 32 * 1024
"""Number of bytes that are searched for the start of a file's actual content."""

# The first element of a document, after white space, declarations and comments
_MARKUP = rb"(?i:(?:\xef\xbb\xbf)?(?:\s|<\?[^>]*>|<!--[^>]*>)*<(?:!DOCTYPE\s+)?%b\b)"

_FILE_TYPES = (
    ("image/png", ".png", rb"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", ".jpg .jpeg", rb"\xff\xd8\xff"),
    ("image/gif", ".gif", rb"GIF8[79]a"),
    ("image/webp", ".webp", rb"RIFF.{4}WEBP"),
    ("image/tiff", ".tiff .tif", rb"II\*\0|MM\0\*"),
    ("image/bmp", ".bmp", rb"BM"),
    ("image/avif", ".avif", rb".{4}ftypavi"),
    ("image/heic", ".heic", rb".{4}ftyphei"),
    ("image/heif", ".heif", rb".{4}ftypmif"),
    ("audio/flac", ".flac", rb"fLaC"),
    # Tags of MP3 files, and headers of MPEG audio frames, layer III.
    ("audio/mpeg", ".mp3 .mpga .mpeg", rb"ID3|APETAGEX|\xff[\xe2\xe3\xea\xeb\xf2\xf3\xfa\xfb]"),
    ("audio/mp4", ".m4a .mp4", rb".{4}ftypM4A"),
    ("audio/ogg", ".ogg .oga .opus", rb"OggS"),
    ("audio/wav", ".wav .wave", rb"(?:RIFF|RF64|BW64).{4}WAVE"),
    # QuickTime files may start with another box than ``ftyp``.
    ("video/mp4", ".mp4 .m4a .m4v .mov .3gp", rb".{4}ftyp|\0.{3}(?:moov|mdat|wide|free|skip)"),
    ("video/mpeg", ".mpeg .mpg", rb"\0\0\x01\xba"),
    ("video/webm", ".webm .mkv .mka", rb"\x1aE\xdf\xa3"),
    ("audio/x-w64", ".w64", rb"riff\x2e\x91\xcf\x11"),
    ("audio/aac", ".aac", rb"\xff[\xf0\xf1\xf8\xf9]"),
    ("audio/aiff", ".aiff .aif .aifc", rb"FORM.{4}AIF[FC]"),
    ("audio/amr", ".amr", rb"#!AMR"),
    ("audio/x-caf", ".caf", rb"caff"),
    ("audio/x-ms-wma", ".wma", rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),
    ("application/zip", ".zip", rb"PK\x03\x04"),
    (PDF_TYPE, ".pdf", rb"%PDF-"),
    # Only the content decides, because files with the usual suffixes may be other text.
    ("image/svg+xml", "", _MARKUP % b"svg"),
    ("text/html", "", _MARKUP % b"html"),
    ("text/plain", ".txt .text .md .csv .tsv .log .json .xml .yaml .yml", None),
    (DEFAULT_TYPE, ".bin", None),
)
"""MIME types, their suffixes (the usual one first), and patterns of their first bytes."""

SUFFIXES = {mime_type: tuple(suffixes.split()) for mime_type, suffixes, _ in _FILE_TYPES}
"""Suffixes of file names by MIME type. The usual one comes first."""

CONVERTIBLE_TYPES = frozenset(
    mime_type
    for mime_type, suffixes in SUFFIXES.items()
    if mime_type.startswith("audio/") and not set(suffixes).intersection(RECORDING_SUFFIXES)
)
"""Audio that the router does not accept, but that PyAV converts."""

_SIGNATURES = [(mime_type, pattern) for mime_type, _, pattern in _FILE_TYPES if pattern]
_SIGNATURE = re.compile(b"|".join(b"(%b)" % pattern for _, pattern in _SIGNATURES), re.DOTALL)
_SIGNATURE_BYTES = 16
_MAX_TAGS = 8
_APE_HEADER_BYTES = 32
_ID3_HEADER_BYTES = 10

_MAX_PDF_OFFSET = 1024
_PDF_HEADER = re.compile(rb"%PDF-\d")

_ALIASES = {
    "image/jpg": "image/jpeg",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/mp3": "audio/mpeg",
    "audio/x-mp3": "audio/mpeg",
    "audio/mpeg3": "audio/mpeg",
}
_TEXT_BASED_TYPES = (PDF_TYPE, "image/svg+xml", "text/html")
_CONTROL_CHARACTER = re.compile(r"[\0-\x08\x0e-\x1a\x1c-\x1f]")
_DATA_URL = re.compile(r"data:([^,]*);base64,", re.IGNORECASE)
_BASE64_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"


class Base64View:
    """A bytes-like view of base64 text. Slicing decodes only the slice."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._size = max(0, len(text) // 4 * 3 - text[-2:].count("="))

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(self._size)
        if stop <= start:
            return b""
        # Four characters encode a group of three bytes; -(-a // b) rounds up.
        first_group, end_group = start // 3, -(-stop // 3)
        try:
            decoded = base64.b64decode(self._text[first_group * 4 : end_group * 4])
        except ValueError:  # the text is not base64
            return b""
        return decoded[start - first_group * 3 : stop - first_group * 3]


class FileView:
    """A view of a seekable stream. Slicing reads only the slice; both ends must be set."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def __len__(self) -> int:
        return self._stream.seek(0, os.SEEK_END)

    def __getitem__(self, part: slice, /) -> bytes:
        start = part.start or 0
        self._stream.seek(start)
        return self._stream.read(part.stop - start)


Sliceable = bytes | Base64View | FileView
"""File content that can be read in slices."""


def detect_mime_type(data: Sliceable) -> str | None:
    """Return the MIME type that the content of a file indicates.

    Tags, zeros and incomplete frames before audio are skipped, and so are up to 1,024 bytes before
    a PDF. The first 16 bytes are enough for images.
    """
    mime_type = _match_signature(data[:_SIGNATURE_BYTES])
    if mime_type is None:
        return _search_header(data[:HEADER_BYTES])
    if mime_type == "audio/mpeg" and (start := get_tags_size(data)):
        tagged_type = _match_signature(data[start : start + _SIGNATURE_BYTES]) or ""
        return tagged_type if tagged_type.startswith("audio/") else mime_type
    return mime_type


def _match_signature(data: bytes) -> str | None:
    match = _SIGNATURE.match(data)  # each signature is a group
    return _SIGNATURES[match.lastindex - 1][0] if match and match.lastindex else None


def get_tags_size(data: Sliceable) -> int:
    """Return the size in bytes of the ID3 and APE tags at the start of a file."""
    offset = 0
    for _ in range(_MAX_TAGS):
        header = data[offset : offset + _APE_HEADER_BYTES]
        if header.startswith(b"ID3") and len(header) >= _ID3_HEADER_BYTES:
            has_footer = bool(header[5] & 0x10)
            # Each byte of the size has 7 bits.
            size = reduce(lambda size, byte: size << 7 | byte & 0x7F, header[6:10], 0)
            offset += _ID3_HEADER_BYTES * (1 + has_footer) + size
        elif header.startswith(b"APETAGEX"):
            offset += _APE_HEADER_BYTES + int.from_bytes(header[12:16], "little")
        else:
            break
    return offset


def _search_header(header: bytes) -> str | None:
    """Return the type of markup, a PDF or an MP3, which may start after other bytes."""
    if markup_type := _match_signature(header):
        return markup_type
    pdf = _PDF_HEADER.search(header, 0, _MAX_PDF_OFFSET + 6)
    # Text may mention the header of a PDF, so an object must follow.
    if pdf and b" obj" in header[pdf.end() : pdf.end() + _MAX_PDF_OFFSET]:
        return PDF_TYPE
    return "audio/mpeg" if find_mp3_frame(header.lstrip(b"\0"), run_length=3) else None


def detect_content_type(data: bytes, expected: str) -> str:
    """Return the MIME type of a file for a chat model; ``text/plain`` for text of any kind."""
    if expected.startswith("text/") and expected != "text/html":
        return "text/plain"
    detected = detect_mime_type(data)
    is_media = expected == PDF_TYPE or expected.startswith(("image/", "audio/", "video/"))
    if detected not in _TEXT_BASED_TYPES and not is_media and is_text(data):
        return "text/plain"
    return detected or expected


def is_text(data: bytes) -> bool:
    """Return whether data, which may be truncated, is valid UTF-8 without control characters."""
    try:
        text = getincrementaldecoder("utf-8")().decode(data)
    except UnicodeDecodeError:
        return False
    return _CONTROL_CHARACTER.search(text) is None


def guess_mime_type(name: str) -> str | None:
    suffix = os.path.splitext(name)[1].lower()
    types = (mime_type for mime_type, suffixes in SUFFIXES.items() if suffix in suffixes)
    return next(types, None)


def normalize_mime_type(mime_type: str) -> str:
    """Convert a MIME type to lower case, remove its parameters, and replace aliases."""
    bare_type = mime_type.partition(";")[0].strip().lower()
    return _ALIASES.get(bare_type, bare_type)


def build_data_url(mime_type: str, data: str) -> str:
    """Return a data URL for base64 data; a placeholder if the data is long or deferred."""
    prefix = f"data:{mime_type};base64,"
    if isinstance(data, DeferredBase64):
        return DeferredBase64(data.source, prefix)
    return DeferredBase64(data, prefix) if len(data) > MIN_DEFERRED_CHARS else prefix + data


def is_data_url(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value[:5].lower() == "data:"


def parse_data_url(url: str) -> tuple[str, str]:
    """Return the MIME type and the base64 data of a data URL."""
    match = _DATA_URL.match(url)
    if match is None:
        raise ValueError("Expected a data URL with base64 data (data:<type>;base64,<data>).")
    return normalize_mime_type(match[1]), url[match.end() :]


def validate_base64(data: Any) -> tuple[str, int, Sliceable]:
    """Validate base64 data without decoding all of it.

    Returns the data with its padding and without line breaks, the number of bytes that it encodes,
    and a view of them (only of the first ones if they are in a file).
    """
    if isinstance(data, DeferredBase64):
        return _read_deferred(data)
    if not isinstance(data, str):
        raise ValueError(f"Expected base64 data as a str, got {type(data).__name__}.")
    if data.endswith(PLACEHOLDER_MARK):
        raise ValueError(
            "This lazy block has lost its file because it was serialized, for example by a prompt "
            "template or a checkpoint. Call content_block(path) again, or use lazy=False."
        )
    if any(line_break in data for line_break in "\r\n"):
        data = "".join(data.split())
    if "-" in data or "_" in data:  # the URL-safe alphabet
        data = data.replace("-", "+").replace("_", "/")
    data += "=" * (-len(data) % 4)  # padding may be missing
    padding = b"".join(_find_other_characters(data))  # only padding may be outside the alphabet
    if padding not in {b"", b"=", b"=="} or not data.endswith(padding.decode()):
        raise ValueError("The data is not base64. Encode it with base64.b64encode(data).decode().")
    content = Base64View(data)
    if not len(content):
        raise ValueError("The data is empty. Pass the content of a file.")
    return data, len(content), content


def _find_other_characters(data: str) -> Iterator[bytes]:
    """Yield the characters that are not in the base64 alphabet, in chunks to save memory."""
    for start in range(0, len(data), MIN_DEFERRED_CHARS):
        chunk = data[start : start + MIN_DEFERRED_CHARS].encode("ascii", "replace")
        yield chunk.translate(None, _BASE64_ALPHABET)


def _read_deferred(data: DeferredBase64) -> tuple[str, int, Sliceable]:
    """Read deferred data, which was validated when it was created; see ``validate_base64``."""
    if isinstance(data.source, str):
        return data, len(data.source) * 3 // 4, Base64View(data.source)
    with closing(data.source.iter_chunks(HEADER_BYTES)) as chunks:
        return data, data.source.size, next(chunks)


def check_image_size(size: int) -> None:
    if size > MAX_IMAGE_BYTES:
        raise ValueError(
            f"The image has {size / 2**20:.1f} MB; at most 20 MB are allowed. "
            "Compress it, or pass its URL."
        )


def validate_content(block_type: str, content: Sliceable, size: int, declared: str | None) -> str:
    """Return the MIME type of the content of a block, and check that chat models accept it."""
    accepted, message = ACCEPTED_TYPES[block_type]
    mime_type = detect_mime_type(content)
    if mime_type is None or mime_type not in accepted:
        raise ValueError(message.format(mime_type or "of an unknown type"))
    if declared and normalize_mime_type(declared) not in {mime_type, DEFAULT_TYPE}:
        raise ValueError(
            f"The declared type is {declared}, but the data is {mime_type}. Correct mime_type."
        )
    if block_type == "image":
        check_image_size(size)
    return mime_type


def validate_media(block_type: str, data: Any, declared: str | None = None) -> tuple[str, str]:
    """Return the MIME type and the base64 data of an image, audio or PDF for a chat model."""
    base64_data, size, content = validate_base64(data)
    return validate_content(block_type, content, size, declared), base64_data


def get_pdf_filename(name: str | None) -> str:
    """Return the file name to send with a PDF. The router requires one, and models see it."""
    if not name:
        return "document.pdf"
    return validate_filename(name if name.lower().endswith(".pdf") else f"{name}.pdf")


def validate_filename(name: str) -> str:
    if not name.isprintable() or "/" in name or "\\" in name:
        raise ValueError(f"The file name {name!r} must be a plain name without a path.")
    return name


def build_recording_name(name: str, mime_type: str) -> str:
    """Return the file name with a suffix that the transcription endpoint accepts for the type."""
    suffixes = [suffix for suffix in SUFFIXES.get(mime_type, ()) if suffix in RECORDING_SUFFIXES]
    if not suffixes:
        raise ValueError(
            f"{name} is {mime_type or 'of an unknown type'}. "
            f"Convert it to audio of a supported type: {', '.join(RECORDING_SUFFIXES)}."
        )
    stem, suffix = os.path.splitext(name)
    return name if suffix.lower() in suffixes else stem + suffixes[0]

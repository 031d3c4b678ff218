"""Files and bytes: what they are, whether the router takes them, and how to hand them over.

What a file is, its first bytes decide; names and claims only where the bytes leave it open. The
limits are those of the router's multimodal page: PNG, JPEG, GIF or WebP of at most 20 MB each,
PDFs with a file name, WAV or MP3 as audio input.
"""

import base64
import mimetypes
import os
import re
import stat
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import Upload

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

MAX_IMAGE_BYTES = 20 * 1024 * 1024
IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")
AUDIO_FORMATS = {"audio/wav": "wav", "audio/mpeg": "mp3"}
PDF = "application/pdf"

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
    (b"%PDF-", PDF),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
    (b"<svg", "image/svg+xml"),
    (b"<!DOCTYPE", "text/html"),
    (b"<html", "text/html"),
    (b"PK\x03\x04", "application/zip"),
)
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,=]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)


def sniff(head: bytes) -> str | None:
    """The media type that the first bytes (16 suffice) of a file show, or ``None``."""
    for magic, mime_type in _PLAIN_MAGIC:
        if head.startswith(magic):
            return mime_type
    if head[:4] == b"RIFF":
        return {b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "audio/mp4" if head[8:11] == b"M4A" else "video/mp4"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2:
        return "audio/mpeg"  # an MPEG audio frame, layer III
    return None


def normal_type(mime_type: str) -> str:
    """A media type in lower case, without parameters, under its usual name."""
    plain = mime_type.partition(";")[0].strip().lower()
    return _SAME_TYPE.get(plain, plain)


def data_url(mime_type: str, data: str) -> str:
    """A data URL of base64 text."""
    return f"data:{mime_type};base64,{data}"


def split_data_url(url: str) -> tuple[str, str]:
    """The media type and the base64 text of a data URL.

    Raises:
        ValueError: it is not a data URL in base64.
    """
    match = _DATA_URL.match(url)
    if match is None or not match[3]:
        raise ValueError("not a data URL in base64 (data:<type>;base64,<data>)")
    return normal_type(match[1]), url[match.end() :]


def checked_base64(data: Any) -> tuple[str, int, bytes]:
    """Base64 text without line breaks, the number of bytes in it, and the first of them.

    Raises:
        ValueError: it is empty or not base64.
    """
    if not isinstance(data, str) or not data:
        raise ValueError("its data is empty; give it as base64 text")
    if any(blank in data for blank in "\r\n"):
        data = "".join(data.split())
    try:
        rest = data.encode("ascii").translate(None, _ALPHABET)
    except UnicodeEncodeError:
        rest = b"?"
    if rest not in {b"", b"=", b"=="} or len(data) % 4 or not data.endswith(rest.decode()):
        raise ValueError("its data is not base64 (standard alphabet, padded)")
    size = len(data) // 4 * 3 - len(rest)
    if not size:
        raise ValueError("its data is empty")
    return data, size, base64.b64decode(data[:64])


def checked_image(data: Any, claimed: str | None = None) -> tuple[str, str]:
    """The media type and the clean base64 text of an image that the router takes.

    Raises:
        ValueError: not base64, too large, of another type, or not of the claimed type.
    """
    clean, size, head = checked_base64(data)
    found = sniff(head)
    if found not in IMAGE_TYPES:
        raise ValueError(
            f"the image is {found or claimed or 'of an unknown type'}; "
            "the router takes PNG, JPEG, GIF and WebP: convert it first"
        )
    _check_claim(found, claimed)
    check_size(size)
    return found, clean


def check_size(size: int) -> None:
    """Check the number of bytes of an image.

    Raises:
        ValueError: more than 20 MB.
    """
    if size > MAX_IMAGE_BYTES:
        raise ValueError(
            f"the image has {size / 2**20:.1f} MB; at most 20 MB: compress it, or give its URL"
        )


def checked_audio(data: Any, claimed: str | None = None) -> tuple[str, str]:
    """The format (``wav`` or ``mp3``) and the clean base64 text of audio for a chat model.

    Raises:
        ValueError: not base64, of another format, or not of the claimed type.
    """
    clean, _, head = checked_base64(data)
    found = sniff(head)
    if found not in AUDIO_FORMATS:
        raise ValueError(
            f"the audio is {found or claimed or 'of an unknown type'}; chat models take WAV and "
            "MP3: convert it first"
        )
    _check_claim(found, claimed)
    return AUDIO_FORMATS[found], clean


def checked_pdf(data: Any) -> str:
    """The clean base64 text of a PDF.

    Raises:
        ValueError: not base64, or not a PDF.
    """
    clean, _, head = checked_base64(data)
    if sniff(head) != PDF:
        raise ValueError(f"the file is not a PDF but {sniff(head) or 'of an unknown type'}")
    return clean


def pdf_name(name: str | None) -> str:
    """The file name of a PDF, which the router wants and models use; with its suffix.

    Raises:
        ValueError: the name has a path or a control character in it.
    """
    if not name:
        return "document.pdf"
    return plain_name(name) if name.lower().endswith(".pdf") else f"{plain_name(name)}.pdf"


def plain_name(name: str) -> str:
    """A file name.

    Raises:
        ValueError: the name has a path or a control character in it.
    """
    if not name.isprintable() or "/" in name or "\\" in name:
        raise ValueError(f"the file name {name!r} must be a plain name without a path")
    return name


def _check_claim(found: str, claimed: str | None) -> None:
    if claimed and normal_type(claimed) not in {found, "application/octet-stream"}:
        raise ValueError(f"it says {claimed}, but its bytes are {found}; correct mime_type")


def content_block(
    source: "str | os.PathLike[str] | bytes | Blob",
    *,
    mime_type: str | None = None,
    filename: str | None = None,
    detail: str | None = None,
) -> dict[str, Any]:
    """The standard content block for a file, bytes or a ``Blob``: image, PDF, audio or text.

    This is the only way by which a chat message gets at a local file: a path inside a message is
    never opened.

    Args:
        source: a path, the bytes themselves, or a LangChain ``Blob``.
        mime_type: needed only where neither the bytes nor the name tell.
        filename: the name that the model sees (PDFs); by default the file's own.
        detail: ``low``, ``high`` or ``auto``, for images.

    Raises:
        RouterInputError: no such file, not a regular one, empty, too large, or of a type that
            no chat model takes.

    >>> content_block(b"%PDF-1.7 ...", filename="report.pdf")["type"]
    'file'
    """
    try:
        data, name, claimed = _read(source)
        return _block(data, filename or name, mime_type or claimed, detail)
    except (ValueError, OSError) as error:
        raise RouterInputError(f"content_block: {error}") from None


def _block(
    data: bytes, name: str | None, claimed: str | None, detail: str | None
) -> dict[str, Any]:
    if not data:
        raise ValueError(f"{name or 'the source'} is empty")
    guessed = mimetypes.guess_type(name)[0] if name else None
    said = normal_type(claimed or guessed or "")
    mime_type = said if said.startswith("text/") else sniff(data[:64]) or said
    if mime_type == PDF:
        extras = {"filename": pdf_name(name)}
        return {"type": "file", **_encoded(data, PDF), "extras": extras}
    if mime_type.startswith("text/") and mime_type != "text/html":
        return {"type": "text-plain", "text": data.decode("utf-8"), "mime_type": "text/plain"}
    if mime_type.startswith("audio/"):
        block = {"type": "audio", **_encoded(data, mime_type)}
        checked_audio(block["base64"])
        return block
    block = {"type": "image", **_encoded(data, mime_type)}
    checked_image(block["base64"])
    return {**block, "extras": {"detail": detail}} if detail else block


def _encoded(data: bytes, mime_type: str) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode("ascii"), "mime_type": mime_type}


def _read(source: "str | os.PathLike[str] | bytes | Blob") -> tuple[bytes, str | None, str | None]:
    """Bytes, name and claimed type of a source."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), None, None
    if isinstance(source, (str, os.PathLike)):
        path = regular_file(source)
        return _contents(path), path.name, None
    if not hasattr(source, "as_bytes"):
        raise ValueError(f"give a path, bytes or a Blob, not {type(source).__name__}")
    name = Path(source.path).name if source.path else source.metadata.get("filename")
    if source.data is None and source.path:
        return _contents(regular_file(source.path)), name, source.mimetype
    return source.as_bytes(), name, source.mimetype


def _contents(path: Path) -> bytes:
    """The bytes of a file, unless it is an image that is too large to be sent anyway."""
    with path.open("rb") as stream:
        head = stream.read(64)
        if sniff(head) in IMAGE_TYPES:
            check_size(path.stat().st_size)
        return head + stream.read()


def regular_file(path: "str | os.PathLike[str]") -> Path:
    """The path, if a regular file is there that is not empty.

    Raises:
        ValueError: nothing there, or a directory, a pipe, a device.
    """
    found = Path(path)
    try:
        status = found.stat()
    except (OSError, ValueError) as error:
        raise ValueError(f"cannot open {str(path)[:200]!r}: {error}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{str(path)!r} is not a regular file")
    if not status.st_size:
        raise ValueError(f"{str(path)!r} is empty")
    return found


def upload(
    source: "str | os.PathLike[str] | bytes",
    *,
    filename: str | None = None,
    mime_type: str | None = None,
) -> Upload:
    """A file part of a form; a path is read only while it is being sent.

    Raises:
        RouterInputError: no such file, not a regular one, or empty.
    """
    try:
        if isinstance(source, bytes):
            return _upload(source, len(source), lambda: BytesIO(source), (filename, mime_type))
        if not isinstance(source, (str, os.PathLike)):
            raise ValueError(f"give a path or bytes, not {type(source).__name__}")
        path = regular_file(source)
        with path.open("rb") as stream:
            head = stream.read(64)
        guessed = mime_type or sniff(head) or mimetypes.guess_type(path.name)[0]
        size = path.stat().st_size
        return _upload(head, size, lambda: path.open("rb"), (filename or path.name, guessed))
    except (ValueError, OSError) as error:
        raise RouterInputError(f"upload: {error}") from None


def _upload(
    head: bytes,
    size: int,
    opened: Callable[[], BinaryIO],
    named: tuple[str | None, str | None],
) -> Upload:
    filename, mime_type = named
    if not head:
        raise ValueError("the bytes are empty")
    found = mime_type or sniff(head[:64]) or "application/octet-stream"
    name = filename or f"file{mimetypes.guess_extension(found) or ''}"
    if "\0" in name + found:
        raise ValueError("the file name or type has a NUL in it")
    return Upload(name, found, size, opened)

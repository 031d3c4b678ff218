"""Files and bytes handed over: the content block for a chat message, the part of a form."""

import base64
import mimetypes
import os
import stat
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.mime import (
    IMAGE_DETAILS,
    IMAGE_TYPES,
    PDF_TYPE,
    detect_mime_type,
    get_pdf_filename,
    normalize_mime_type,
    validate_audio,
    validate_declared_type,
    validate_image,
    validate_image_size,
    validate_pdf,
)
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.request_encoding import DeferredBase64

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

BY_URL = '; a chat model takes an image by URL as the block {"type": "image", "url": ...}'


def content_block(
    source: "str | os.PathLike[str] | bytes | Blob",
    *,
    mime_type: str | None = None,
    filename: str | None = None,
    detail: str | None = None,
    lazy: bool = False,
) -> dict[str, Any]:
    """The standard content block for a file, bytes or a ``Blob``: image, PDF, audio or text.

    This is the only way by which a chat message gets at a local file: a path inside a message is
    never opened.

    Args:
        source: a path, the bytes themselves, or a LangChain ``Blob``.
        mime_type: needed only where neither the bytes nor the name tell.
        filename: the name that the model sees (PDFs); by default the file's own.
        detail: ``low``, ``high`` or ``auto``, for images.
        lazy: read the file at a path only while a request is being sent, a piece at a time. Such
            a block is for models of this package in this process: written down (by a tracer, a
            checkpoint, a prompt template, JSON) it is a note of the file, without its contents.

    Raises:
        RouterInputError: no such file, not a regular one, empty, too large, or of a type that
            no chat model takes.

    >>> content_block(b"%PDF-1.7 ...", filename="report.pdf")["type"]
    'file'
    """
    try:
        _check_texts(mime_type=mime_type, filename=filename, detail=detail)
        later = _named(source) if lazy else None
        data, name, claimed = later[1:] if later else _read(source)
        if (
            mime_type
            and (found := detect_mime_type(data[:64]))
            and not mime_type.startswith("text/")
        ):
            validate_declared_type(found, mime_type)
        if detail is not None and detail not in IMAGE_DETAILS:
            raise ValueError(f"detail must be low, high or auto, not {detail!r}")
        block = _block(data, filename or name, mime_type or claimed, detail)
        return {**block, "base64": later[0]} if later and "base64" in block else block
    except (ValueError, OSError) as error:
        raise RouterInputError(f"content_block: {error}") from None


def _check_texts(**given: object) -> None:
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{name} must be text, not {type(value).__name__}")


def _named(
    source: "str | os.PathLike[str] | bytes | Blob",
) -> tuple[DeferredBase64, bytes, str, None] | None:
    """A file to be read later, its first bytes and its name; of a text file nothing."""
    if not isinstance(source, (str, os.PathLike)):
        raise ValueError("lazy: only a file at a path can be read later")
    named = create_upload(source)
    with named.open() as stream:
        head = stream.read(48)
    if detect_mime_type(head) is None:
        return None
    if detect_mime_type(head) in IMAGE_TYPES:
        validate_image_size(named.size)
    return DeferredBase64(named), head, named.filename, None


def _block(
    data: bytes, name: str | None, claimed: str | None, detail: str | None
) -> dict[str, Any]:
    if not data:
        raise ValueError(f"{name or 'the source'} is empty")
    guessed = mimetypes.guess_type(name)[0] if name else None
    said = normalize_mime_type(claimed or guessed or "")
    mime_type = said if said.startswith("text/") else detect_mime_type(data[:64]) or said
    if mime_type == PDF_TYPE:
        encoded = _encoded(data, PDF_TYPE)
        validate_pdf(encoded["base64"])
        return {"type": "file", **encoded, "extras": {"filename": get_pdf_filename(name)}}
    if mime_type.startswith("text/") and mime_type != "text/html":
        return {"type": "text-plain", "text": _text(data, name), "mime_type": "text/plain"}
    if mime_type.startswith("audio/"):
        block = {"type": "audio", **_encoded(data, mime_type)}
        validate_audio(block["base64"])
        return block
    return _picture(data, mime_type, detail)


def _picture(data: bytes, mime_type: str, detail: str | None) -> dict[str, Any]:
    if mime_type not in IMAGE_TYPES:
        raise ValueError(
            f"the file is {mime_type or 'of an unknown type'}; chat models take PNG, JPEG, GIF, "
            "WebP, PDF, WAV, MP3 and text: convert it first"
        )
    block = {"type": "image", **_encoded(data, mime_type)}
    validate_image(block["base64"])
    return {**block, "extras": {"detail": detail}} if detail else block


def _text(data: bytes, name: str | None) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(
            f"{name or 'the text'} is not UTF-8; decode it, and send it as a text block"
        ) from None


def _encoded(data: bytes, mime_type: str) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode("ascii"), "mime_type": mime_type}


def _read(source: "str | os.PathLike[str] | bytes | Blob") -> tuple[bytes, str | None, str | None]:
    """Bytes, name and claimed type of a source."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), None, None
    if isinstance(source, (str, os.PathLike)):
        path = validate_file(source, by_url=BY_URL)
        return _contents(path), path.name, None
    if not hasattr(source, "as_bytes"):
        raise ValueError(f"give a path, bytes or a Blob, not {type(source).__name__}")
    name = Path(source.path).name if source.path else source.metadata.get("filename")
    if source.data is None and source.path:
        return _contents(validate_file(source.path, by_url=BY_URL)), name, source.mimetype
    return source.as_bytes(), name, source.mimetype


def _contents(path: Path) -> bytes:
    """The bytes of a file, unless it is an image that is too large to be sent anyway."""
    with path.open("rb") as stream:
        head = stream.read(64)
        if detect_mime_type(head) in IMAGE_TYPES:
            validate_image_size(path.stat().st_size)
        return head + stream.read()


def validate_file(path: "str | os.PathLike[str]", *, by_url: str = "") -> Path:
    """The path, if a regular file is there that is not empty.

    Args:
        path: where it is.
        by_url: what else can be done where a URL is given; nothing by default.

    Raises:
        ValueError: nothing there, or a directory, a pipe, a device.
    """
    if isinstance(path, str) and "://" in path:
        raise ValueError(
            f"{path[:200]!r} is a URL, which is not fetched: download it first{by_url}"
        )
    found = Path(path)
    try:
        status = found.stat()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise ValueError(f"cannot open {str(path)[:100]!r}: {why}") from None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{str(path)!r} is not a regular file")
    if not status.st_size:
        raise ValueError(f"{str(path)!r} is empty")
    return found


def create_upload(
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
        _check_texts(filename=filename, mime_type=mime_type)
        if isinstance(source, bytes):
            return _upload(source, len(source), lambda: BytesIO(source), (filename, mime_type))
        if not isinstance(source, (str, os.PathLike)):
            raise ValueError(f"give a path or bytes, not {type(source).__name__}")
        path = validate_file(source)
        with path.open("rb") as stream:
            head = stream.read(64)
        guessed = mime_type or detect_mime_type(head) or mimetypes.guess_type(path.name)[0]
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
    found = mime_type or detect_mime_type(head[:64]) or "application/octet-stream"
    name = filename or f"file{mimetypes.guess_extension(found) or ''}"
    if "\0" in name + found:
        raise ValueError("the file name or type has a NUL in it")
    return Upload(name, found, size, opened)

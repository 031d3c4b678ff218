"""Convert files and bytes to content blocks of chat messages and to parts of multipart bodies."""

import base64
import os
import stat
import sys
from contextlib import suppress
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media import mime
from orq_router_integrations.wire.call import DeferredBase64, Upload
from orq_router_integrations.wire.json import to_printable

if TYPE_CHECKING:
    import PIL.Image
    from langchain_core.documents.base import Blob

_IMAGE_URL_HINT = ' In chat messages, the URL of an image is a block {"type": "image", "url": ...}.'
_MIN_BASE64_CHARS = 32  # shorter strings are treated as file names, even if they are valid base64


def _open_regular_file(path: str, flags: int) -> int:
    """Open a file without waiting, because it may have become a pipe since it was checked."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path!r} is not a regular file.")
    return descriptor


class SourceFile(NamedTuple):
    """A file that a caller passed: its content or path, its name and its declared type."""

    content: bytes | Path
    name: str | None = None
    declared_type: str | None = None

    @property
    def size(self) -> int:
        content = self.content
        return content.stat().st_size if isinstance(content, Path) else len(content)

    def open(self) -> BinaryIO:
        if isinstance(self.content, Path):
            return open(self.content, "rb", opener=_open_regular_file)
        return BytesIO(self.content)

    def detect_mime_type(self) -> str | None:
        with self.open() as stream:
            return mime.detect_mime_type(mime.FileView(stream))


def content_block(
    source: "str | os.PathLike[str] | bytes | BinaryIO | Blob | PIL.Image.Image",
    *,
    mime_type: str | None = None,
    filename: str | None = None,
    detail: str | None = None,
    lazy: bool = False,
) -> dict[str, Any]:
    """Create a LangChain content block from a file: an image, a PDF, audio or text.

    Chat models never open paths that appear in a message. This function is the only way to send
    a local file.

    Args:
        source: A path, bytes, a binary file object, a PIL image (sent as PNG), a LangChain
            `Blob`, a base64 string or a data URL.
        mime_type: MIME type. Only needed if neither the content nor the name indicates it.
        filename: File name that the model sees, for PDFs. Defaults to the name of the file.
        detail: Resolution at which the model sees an image: `low`, `high` or `auto`.
        lazy: Read the file while the request is sent, in chunks, instead of now. Such a block
            works only within this process: serialization (tracing, checkpoints, prompt
            templates, JSON) replaces its content with a note. Only for paths.

    Raises:
        RouterInputError: The file does not exist, is not a regular file, is empty or too large,
            or has a type that chat models do not accept.

    >>> content_block(b"%PDF-1.7 ...", filename="report.pdf")["type"]
    'file'
    """
    try:
        _check_options(mime_type, filename, detail)
        file = resolve_source(source, url_hint=_IMAGE_URL_HINT)
        if lazy and isinstance(file.content, bytes):
            raise ValueError("lazy=True requires a path. Leave it out for content in memory.")
        data, deferred = _read_source(file, lazy=lazy)
        if not data:
            raise ValueError(f"{file.name or 'The source'} is empty.")
        name = filename or file.name
        expected = mime_type or file.declared_type or mime.guess_mime_type(name or "") or ""
        detected = mime.detect_content_type(data, mime.normalize_mime_type(expected))
        if detected == "text/plain":
            return {"type": "text-plain", "text": _decode_text(data, name), "mime_type": detected}
        block = _build_block(data, name, detected, mime_type)
    except (ValueError, OSError) as error:
        raise RouterInputError(f"content_block: {error}") from None
    if deferred:
        block["base64"] = deferred
    if block["type"] == "image" and detail:
        block["extras"] = {"detail": detail}
    return block


def _check_options(mime_type: Any, filename: Any, detail: Any) -> None:
    for name, value in {"mime_type": mime_type, "filename": filename}.items():
        if not isinstance(value, str | None):
            raise ValueError(f"{name}: Expected a str, got {type(value).__name__}.")
    if detail not in (None, *mime.IMAGE_DETAILS):
        raise ValueError(f"detail: Expected 'low', 'high' or 'auto', got {detail!r:.80}.")


def _read_source(file: SourceFile, *, lazy: bool) -> tuple[bytes, DeferredBase64 | None]:
    """Read a file. For lazy media, read only its start; the rest is encoded during the request."""
    path = file.content
    if isinstance(path, bytes):
        return path, None
    with file.open() as stream:
        header = stream.read(mime.HEADER_BYTES)
        detected = mime.detect_mime_type(header)
        status = path.stat()
        if detected in mime.IMAGE_TYPES:
            mime.check_image_size(status.st_size)
        if not lazy or not detected or (detected != mime.PDF_TYPE and mime.is_text(header)):
            return header + stream.read(), None
    state = f"{path.resolve()}\0{status.st_mtime_ns}".encode("utf-8", "surrogateescape")
    version = blake2b(state, digest_size=8).hexdigest()
    return header, DeferredBase64(create_upload(path), version=version)


def _decode_text(data: bytes, name: str | None) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = f"{name or 'The text'} is not UTF-8. Decode it and pass it as a text block."
        raise ValueError(message) from None


def _build_block(
    data: bytes, name: str | None, mime_type: str, declared: str | None
) -> dict[str, Any]:
    block_type = "file" if mime_type == mime.PDF_TYPE else mime_type.partition("/")[0]
    if block_type not in mime.ACCEPTED_TYPES:
        raise ValueError(
            f"The file is {mime_type or 'of an unknown type, or text that is not UTF-8'}. "
            "Chat models accept PNG, JPEG, GIF, WebP, PDF, WAV, MP3 and text. Convert it first."
        )
    mime.validate_content(block_type, data, len(data), declared)
    encoded = base64.b64encode(data).decode("ascii")
    block: dict[str, Any] = {"type": block_type, "base64": encoded, "mime_type": mime_type}
    if block_type == "file":
        block["extras"] = {"filename": mime.get_pdf_filename(name)}
    return block


def resolve_source(source: Any, *, url_hint: str = "") -> SourceFile:
    """Resolve a path, bytes, base64 text, a data URL, a file object, a PIL image or a ``Blob``.

    Raises ``ValueError`` for other objects, and for files that cannot be read.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return SourceFile(bytes(source))
    if mime.is_data_url(source):
        mime_type, text = mime.parse_data_url(source)
        return SourceFile(base64.b64decode(mime.validate_base64(text)[0]), None, mime_type)
    if isinstance(source, (str, os.PathLike)):
        content = decode_base64_text(source) or _validate_file(source, url_hint)
        name = to_printable(content.name) if isinstance(content, Path) else None
        return SourceFile(content, name)
    if hasattr(source, "as_bytes"):
        name = str(source.path or source.metadata.get("filename") or "")
        is_file = source.data is None and source.path
        content = _validate_file(source.path, url_hint) if is_file else source.as_bytes()
        return SourceFile(content, to_printable(Path(name).name) or None, source.mimetype)
    if hasattr(source, "read"):
        return _read_file_object(source)
    pil_image = sys.modules.get("PIL.Image")  # loaded already if the source is one of its images
    if pil_image is not None and isinstance(source, pil_image.Image):
        buffer = BytesIO()
        if source.mode not in {"1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"}:
            source = source.convert("RGB")  # PNG does not support the other modes
        source.save(buffer, "PNG")
        return SourceFile(buffer.getvalue())
    raise ValueError(
        "Expected a path, bytes, a binary file object, a PIL image or a Blob, got "
        f"{type(source).__name__}."
    )


def decode_base64_text(text: object) -> bytes | None:
    """Decode base64 text that is clearly not a path."""
    if isinstance(text, str) and len(text) >= _MIN_BASE64_CHARS and not os.path.exists(text):
        with suppress(ValueError):
            data, _, content = mime.validate_base64(text)
            if mime.detect_mime_type(content):
                return base64.b64decode(data)
    return None


def _read_file_object(source: Any) -> SourceFile:
    """Read a binary file object. A seekable one is rewound first."""
    if hasattr(source, "seekable") and source.seekable():
        source.seek(0)
    data = source.read()
    if not isinstance(data, bytes):
        raise ValueError("The file object must contain bytes. Open the file in binary mode.")
    name = getattr(source, "name", None)  # a number if the file has no name
    return SourceFile(data, to_printable(Path(name).name) if isinstance(name, str) else None)


def _validate_file(path: "str | os.PathLike[str]", url_hint: str) -> Path:
    """Return the path of an existing regular file that is not empty."""
    if isinstance(path, str) and "://" in path:
        raise ValueError(
            f"{path[:200]!r} is a URL. Download it, and pass the path or bytes.{url_hint}"
        )
    file = Path(os.path.expanduser(path))
    try:
        status = file.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"Cannot open {str(path)[:100]!r}: {reason}.") from None
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{str(path)!r} is not a regular file. Pass the path of a file.")
    if not status.st_size:
        raise ValueError(f"{str(path)!r} is empty. Pass a file with content.")
    return file


def create_upload(source: Any, *, filename: str | None = None) -> Upload:
    """Create a part of a multipart body from any source that ``resolve_source`` accepts.

    A path is read while the request is sent. By default, the file name is that of the source.
    Raises ``RouterInputError`` if the source cannot be read or is empty.
    """
    try:
        file = resolve_source(source)
        size = file.size
        if not size:
            raise ValueError("The data is empty. Pass the content of a file.")
        mime_type = file.detect_mime_type() or mime.DEFAULT_TYPE
        default_name = "".join(["file", *mime.SUFFIXES.get(mime_type, ())[:1]])
    except (ValueError, OSError) as error:
        raise RouterInputError(str(error)) from None
    return Upload(filename or file.name or default_name, mime_type, size, file.open)

"""Sources that the loaders accept, and the files found in them."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, cast

from langchain_core.document_loaders import BlobLoader
from langchain_core.documents.base import Blob

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.content_block import decode_base64_text, resolve_source
from orq_router_integrations.media.mime import (
    CONVERTIBLE_TYPES,
    RECORDING_SUFFIXES,
    build_recording_name,
    is_data_url,
)
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.json import to_printable

_LOG = logging.getLogger(__name__)

SourceItem = str | os.PathLike[str] | bytes | Blob
Source = SourceItem | BlobLoader | Sequence[SourceItem]

_WILDCARDS = frozenset("*?[")
_MAX_SKIPPED_NAMES = 5  # number of skipped files that are named in a log message


def create_audio_upload(item: SourceItem) -> Upload:
    """Create the upload of a recording, and detect its type from its first bytes.

    Raises ``RouterInputError`` if it cannot be read, or is not audio in a supported format.
    """
    try:
        file = resolve_source(item)
        size, mime_type = file.size, file.detect_mime_type() or ""
        name = file.name or "audio"
        if mime_type not in CONVERTIBLE_TYPES:
            name = build_recording_name(name, mime_type)
    except (ValueError, OSError) as error:
        raise RouterInputError(f"source: {error}") from None
    if mime_type in CONVERTIBLE_TYPES:
        require_pyav(name, mime_type)
    return Upload(name, mime_type, size, file.open)


def require_pyav(name: str, mime_type: str) -> None:
    if find_spec("av") is None:
        raise RouterInputError(
            f"source: {name} is {mime_type}. Converting or splitting it requires PyAV. Install it "
            "with 'pip install av', or convert the file to WAV."
        )


def get_label(item: SourceItem) -> str:
    if isinstance(item, Blob):
        return to_printable(str(item.source or item.id or "blob"))
    return "bytes" if isinstance(item, bytes) else to_printable(str(item))


def validate_source(source: Any, *, is_item: bool = False) -> Any:
    """Check the type of a source without opening paths. File objects and base64 data are read.

    Items of a list must be single files, directories or patterns.
    """
    if isinstance(source, Blob) or (isinstance(source, BlobLoader) and not is_item):
        return source
    if isinstance(source, (bytes, bytearray, memoryview)) or is_data_url(source):
        return resolve_source(source).content
    if decoded := decode_base64_text(source):
        return decoded
    if isinstance(source, (str, os.PathLike)):
        return os.path.expanduser(source) if str(source).startswith("~") else source
    if hasattr(source, "read"):
        data, name, _ = resolve_source(source)
        return Blob.from_data(cast("bytes", data), path=name) if name else data
    if isinstance(source, (list, tuple)) and source and not is_item:
        return [validate_source(item, is_item=True) for item in source]
    other_types = "" if is_item else ", a BlobLoader or a non-empty list"
    raise ValueError(
        "Expected a path, directory, glob pattern, bytes, binary file object or Blob"
        f"{other_types}, got {source!r:.80}."
    )


class FileKind(NamedTuple):
    name: str  # for error messages
    suffixes: Sequence[str]
    check: Callable[[SourceItem], object]  # raises RouterInputError for other files


AUDIO_FILES = FileKind("audio", RECORDING_SUFFIXES, create_audio_upload)


def iter_items(
    source: Source, kind: FileKind, check_item: Callable[[SourceItem], None] | None
) -> Iterator[SourceItem]:
    """Iterate over the items of a source in order, listing directories and patterns lazily.

    ``check_item`` is called for individual items, ``kind.check`` for the files of directories.
    """
    if isinstance(source, BlobLoader):
        return iter(source.yield_blobs())
    items = list(source) if isinstance(source, (list, tuple)) else [cast("SourceItem", source)]
    for item in items:
        if _list_files(item) is not None:
            next(_iter_files(item, kind))  # raises if there are no files
        elif check_item:
            check_item(item)
    return chain.from_iterable(_iter_files(item, kind) for item in items)


def _iter_files(item: SourceItem, kind: FileKind) -> Iterator[SourceItem]:
    """Yield the files of an item that would be accepted individually, and log the others.

    Raises ``RouterInputError`` if a directory or pattern has no such files.
    """
    files = _list_files(item)
    if files is None:
        yield item
        return
    is_empty = True
    skipped: list[str] = []
    for file in files:
        try:
            kind.check(file)
        except RouterInputError:
            # A broken file is not skipped: loading it raises the error again.
            if os.path.splitext(file)[1].lower() not in kind.suffixes:
                skipped.append(to_printable(file))
                continue
        is_empty = False
        yield file
    names = ", ".join(skipped[:_MAX_SKIPPED_NAMES])
    description = f" Skipped {len(skipped)} other file(s), such as {names}." if skipped else ""
    if is_empty:
        raise RouterInputError(
            f"source: No {kind.name} files in {get_label(item)!r}. Supported types: "
            f"{', '.join(kind.suffixes)}.{description}"
        )
    if skipped:
        _LOG.warning("Loading %s:%s", get_label(item), description)


def _list_files(item: SourceItem) -> Iterator[str] | None:
    """List the files of a directory or pattern in order; ``None`` for a single item."""
    if isinstance(item, (bytes, Blob)):
        return None
    if os.path.isdir(item):
        return _walk_directory(item)
    is_pattern = "://" not in str(item) and not _WILDCARDS.isdisjoint(str(item))
    return _expand_pattern(Path(item)) if is_pattern and not os.path.exists(item) else None


def _walk_directory(directory: str | os.PathLike[str]) -> Iterator[str]:
    """Yield all files below a directory, without hidden ones.

    Links to directories are not followed because they may form cycles. A directory that cannot be
    read raises an error, so that missing files do not go unnoticed.
    """

    def raise_input_error(error: OSError) -> None:
        raise RouterInputError(f"source: Cannot list a directory: {error}") from None

    for root, directories, files in os.walk(directory, onerror=raise_input_error):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            yield os.path.join(root, name)


def _expand_pattern(pattern: Path) -> Iterator[str]:
    """Yield the files that match a pattern; hidden ones only if the pattern names them.

    ``Path.glob`` does not follow links to directories for ``**``, so cycles are not a problem.
    """
    parts = pattern.parts
    first = next(index for index, part in enumerate(parts) if _WILDCARDS.intersection(part))
    base, wildcard_parts = Path(*parts[:first]), parts[first:]
    if any("**" in part and part != "**" for part in wildcard_parts):
        # Python versions disagree on the meaning of such a pattern.
        raise RouterInputError(
            f"source: Invalid pattern {str(pattern)!r}. Use ** only as an entire path component, "
            "such as 'calls/**/*.mp3'."
        )
    include_hidden = any(part.startswith(".") for part in wildcard_parts)
    for file in sorted(base.glob(str(Path(*wildcard_parts)))):
        is_hidden = any(part.startswith(".") for part in file.relative_to(base).parts)
        if (include_hidden or not is_hidden) and not os.path.isdir(file):
            yield str(file)

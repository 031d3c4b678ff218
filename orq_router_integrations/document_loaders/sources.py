"""What a loader is given, as recordings that can be opened as often as needed.

Listing is lazy and in order: a folder with a million files is walked as it is loaded.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, cast

from langchain_core.document_loaders import BlobLoader
from langchain_core.documents.base import Blob

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.content_block import validate_file
from orq_router_integrations.media.mime import RECORDING_SUFFIXES, validate_recording
from orq_router_integrations.wire.call import Upload

SourceItem = str | os.PathLike[str] | bytes | Blob
Source = SourceItem | BlobLoader | Sequence[SourceItem]

_WILD = "*?["


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording.

    Attributes:
        label: the ``source`` of its Documents.
        name: the file name that the router gets.
        mime_type: by its first bytes.
        size: in bytes.
        open: returns a new readable stream at the first byte, each time it is called.
        metadata: what its blob says of it.
    """

    label: str
    name: str
    mime_type: str
    size: int
    open: Callable[[], BinaryIO] = field(repr=False)
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def upload(self) -> Upload:
        """The whole of it as a part of a form, read from where it lies."""
        return Upload(self.name, self.mime_type, self.size, self.open)


def create_recording(item: SourceItem) -> Recording:
    """Look at one item: is it there, and is it audio.

    Raises:
        RouterInputError: no such file, not a regular one, empty, or no audio.
    """
    try:
        if isinstance(item, Blob):
            return _blob(item)
        if isinstance(item, bytes):
            return _bytes(item, "bytes", "audio", {})
        if not isinstance(item, (str, os.PathLike)):
            raise ValueError(f"a blob loader must yield Blobs, not {type(item).__name__}")
        return _path(item, str(item), {})
    except (ValueError, OSError) as error:
        raise RouterInputError(f"source: {error}") from None


@contextmanager
def map_os_errors(label: str) -> Iterator[None]:
    """What is read within can fail in one way only.

    Raises:
        RouterInputError: in the place of an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        raise RouterInputError(f"source: cannot read {label}: {error}") from None


def get_label(item: SourceItem) -> str:
    """What an item is called in errors and Documents."""
    if isinstance(item, Blob):
        return str(item.source or item.id or "blob")
    return "bytes" if isinstance(item, bytes) else str(item)


def _blob(blob: Blob) -> Recording:
    label = get_label(blob)
    if blob.data is None and blob.path is not None:
        return _path(blob.path, label, blob.metadata)
    if not isinstance(blob.data, bytes):
        raise ValueError(f"{label} holds text, not audio")
    named = blob.metadata.get("filename") or blob.path or blob.source or "audio"
    name = Path(str(named).replace("\0", "")).name
    return _bytes(blob.data, label, name or "audio", blob.metadata)


def _bytes(data: bytes, label: str, name: str, metadata: Mapping[str, Any]) -> Recording:
    if not data:
        raise ValueError(f"{label}: no bytes, no audio")
    mime_type, name = validate_recording(name, data[:64])
    return Recording(label, name, mime_type, len(data), lambda: BytesIO(data), metadata)


def _path(path: str | os.PathLike[str], label: str, metadata: Mapping[str, Any]) -> Recording:
    file = validate_file(path)
    with file.open("rb") as stream:
        mime_type, name = validate_recording(file.name, stream.read(64))
    size = file.stat().st_size
    return Recording(label, name, mime_type, size, lambda: file.open("rb"), metadata)


def validate_source(source: Any) -> Source:
    """A source of a known kind; nothing is opened.

    Raises:
        ValueError: it is something else, or empty.
    """
    if isinstance(source, (BlobLoader, Blob, bytes)):
        return source
    if isinstance(source, (str, os.PathLike)):
        if not str(source).strip() or "\0" in str(source):
            raise ValueError(f"{str(source)!r} names no file")
        return source
    if isinstance(source, (list, tuple)) and source:
        for item in source:
            if isinstance(validate_source(item), (BlobLoader, list, tuple)):
                raise ValueError("a list may hold paths, bytes and Blobs")
        return source
    raise ValueError(
        "give a path, a folder, a pattern, bytes, a Blob, a BlobLoader, or a list that is not "
        f"empty, not {source!r:.80}"
    )


def iter_items(source: Source, *, check: Callable[[SourceItem], None]) -> Iterator[SourceItem]:
    """The items of a source, in order and one by one.

    Args:
        source: what the loader was given.
        check: looks at what was named one by one, before the first item is handed out.

    Raises:
        RouterInputError: a path is not there, or nothing in a folder is audio. At once, not at
            the first item.
    """
    if isinstance(source, BlobLoader):
        return iter(source.yield_blobs())
    named = list(source) if isinstance(source, (list, tuple)) else [cast("SourceItem", source)]
    for item in named:
        listing = _listing(item)
        if listing is not None:
            _check_not_bare(item, listing)
        else:
            check(item)
    return chain.from_iterable(_listing(item) or [item] for item in named)


def _check_not_bare(item: SourceItem, listing: "FileListing") -> None:
    if next(iter(listing), None) is None:
        kinds = ", ".join(RECORDING_SUFFIXES)
        raise RouterInputError(f"source: no audio file in {get_label(item)!r} ({kinds})")


def _listing(item: SourceItem) -> "FileListing | None":
    """The files of a folder or a pattern; ``None`` for a single recording."""
    if isinstance(item, (bytes, Blob)):
        return None
    path = Path(item)
    if os.path.isdir(path):  # unlike those of a Path, these never raise
        return FileListing(lambda: _walk(path))
    wild = "://" not in str(item) and any(sign in str(item) for sign in _WILD)
    if wild and not os.path.exists(path):
        return FileListing(lambda: _matching(path))
    return None


@dataclass(frozen=True, slots=True)
class FileListing:
    """Those files that have the ending of audio; listed anew each time."""

    iter_paths: Callable[[], Iterable[str]]

    def __iter__(self) -> Iterator[str]:
        for file in self.iter_paths():
            if file.rpartition(".")[2].lower() in RECORDING_SUFFIXES and not os.path.isdir(file):
                yield file


def _walk(folder: Path) -> Iterator[str]:
    """All files below a folder but hidden ones; links to folders are not followed: no loops.

    Raises:
        RouterInputError: a folder cannot be read; its files are not left out in silence.
    """
    for root, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            yield os.path.join(root, name)


def _unreadable(error: OSError) -> None:
    raise RouterInputError(f"source: cannot list a folder: {error}") from None


def _matching(pattern: Path) -> Iterator[str]:
    """The files that a pattern matches, in order, but hidden ones that it does not name.

    ``**`` follows no links to folders, as ``_walk`` does not: one that leads back would be gone
    through again and again, and each of its files paid for as often.

    Raises:
        RouterInputError: it is no pattern.
    """
    parts = pattern.parts
    first = next(at for at, part in enumerate(parts) if any(sign in part for sign in _WILD))
    base, wild = Path(*parts[:first]), Path(*parts[first:])
    hidden = any(part.startswith(".") for part in wild.parts)
    if any("**" in part and part != "**" for part in wild.parts):  # its meaning varies by Python
        raise RouterInputError(f"source: {pattern}: between slashes, ** must stand alone")
    for file in sorted(base.glob(str(wild))):
        inner = file.relative_to(base).parts
        if hidden or not any(part.startswith(".") for part in inner):
            yield str(file)

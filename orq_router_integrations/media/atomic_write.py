"""Files that are written whole or not at all."""

import asyncio
import os
from collections.abc import AsyncIterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from orq_router_integrations.errors import RouterInputError, SavingError

BUFFER = 128 * 1024
"""Bytes that are collected for one write; bodies come in pieces of 64 KB at most."""

SHOWN = 40
"""Characters of its place's name that an unfinished file bears; some names are nearly too long."""


def validate_output_path(path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """A path that a file can be written to; to be checked before anything is paid for.

    Raises:
        RouterInputError: it is empty, a folder or no regular file, its folder is missing, or it
            exists and may not be overwritten.
    """
    target = parse_path(path)
    try:
        target.stat()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise RouterInputError(
            f"path: {str(target)[:200]!r} cannot be written: {error.strerror}"
        ) from None
    if target.is_dir():
        raise RouterInputError(f"path: {target} is a folder; name a file in it")
    if not target.parent.is_dir():
        raise RouterInputError(f"path: the folder {target.parent} does not exist; make it first")
    if target.exists() and not target.is_file():
        raise RouterInputError(f"path: {target} is no regular file")
    if target.exists() and not overwrite:
        raise RouterInputError(f"path: {target} exists; pass overwrite=True to replace it")
    return target


def parse_path(path: str | os.PathLike[str]) -> Path:
    """A path that names something, be it there or not.

    Raises:
        RouterInputError: it is empty, no path, or written as that of a folder that is not there.
    """
    try:
        name = os.fsdecode(path)
    except TypeError as error:
        raise RouterInputError(f"path: {error}") from None
    if not name or "\0" in name:
        raise RouterInputError(f"path: {name!r} names no file")
    if name.endswith(("/", os.sep)) and not os.path.isdir(name):
        raise RouterInputError(f"path: the folder {name[:200]} does not exist; make it first")
    return Path(name)


def validate_directory(directory: Path | None) -> Path | None:
    """A folder for files; to be checked before anything is paid for.

    Raises:
        RouterInputError: there is no such folder, or it may not be written to.
    """
    if directory is None:
        return None
    if not os.path.isdir(directory):  # unlike that of a Path, it never raises
        raise RouterInputError(f"directory: {directory} is no folder; make it first")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise RouterInputError(f"directory: {directory} may not be written to")
    return directory.resolve()


@contextmanager
def map_write_errors(place: object) -> Iterator[None]:
    """What is written within can fail in one way only.

    Raises:
        SavingError: in the place of an ``OSError``.
    """
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise SavingError(f"cannot write to {place}: {why}", errno=error.errno) from error


class PartialFile:
    """A file that is being written beside its place, and has no name yet.

    Attributes:
        file: the open file.

    Raises:
        RouterInputError: the folder takes no files.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / f".{name[:SHOWN]}.{uuid4().hex[:8]}.part"
        try:
            self.file: BinaryIO = self._path.open("x+b", buffering=BUFFER)
        except OSError as error:
            raise RouterInputError(f"path: {folder} takes no files: {error.strerror}") from None

    def commit(self, target: Path) -> None:
        """Give it its name; a file that had that name is replaced, and its permissions kept."""
        self.file.close()
        if target.exists():
            self._path.chmod(target.stat().st_mode & 0o777)
        os.replace(self._path, target)

    def discard(self) -> None:
        """Take it away, unless it was kept."""
        with suppress(OSError):  # what a full disk did not take is not wanted any more
            self.file.close()
        self._path.unlink(missing_ok=True)


async def awrite_chunks(file: BinaryIO, chunks: AsyncIterable[bytes]) -> None:
    """Write pieces as they arrive, in other threads: a slow disk holds up no event loop."""
    held = bytearray()
    async for piece in chunks:
        held += piece
        if len(held) >= BUFFER:
            await asyncio.to_thread(file.write, held)
            held = bytearray()
    await asyncio.to_thread(file.write, held)


@contextmanager
def open_atomic(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """A binary file that takes its name only when it is complete.

    It is written beside its place and moved there at the end. When the block fails or is
    cancelled nothing new remains, and a file that was there before stays as it was.

    Raises:
        RouterInputError: the path cannot be written to; see ``writable``.
        SavingError: it could, but not all of it.
    """
    target = validate_output_path(path, overwrite=overwrite).resolve()
    part = PartialFile(target.parent, target.name)
    try:
        with map_write_errors(target):
            yield part.file
            part.commit(target)
    finally:
        part.discard()

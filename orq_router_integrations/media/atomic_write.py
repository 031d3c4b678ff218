"""Write files so that they appear only once they are complete."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom, BytesIO, FileIO
from pathlib import Path
from typing import BinaryIO, Self
from uuid import uuid4

from orq_router_integrations.errors import RouterError, RouterInputError, SavingError
from orq_router_integrations.wire.json import to_printable

BUFFER_BYTES = 128 * 1024  # data arrives in smaller chunks


def validate_output_path(path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
    """Check before a paid request that a file can be written, and return its path."""
    target = parse_path(path)
    if not target.parent.is_dir():
        raise RouterInputError(f"path: The directory {target.parent} does not exist. Create it.")
    if target.exists() and not target.is_file():
        raise RouterInputError(f"path: {target} is not a regular file. Pass the path of a file.")
    if target.exists() and not overwrite:
        raise RouterInputError(f"path: {target} exists. Pass overwrite=True to replace it.")
    return target


def parse_path(path: str | os.PathLike[str]) -> Path:
    """Convert the path of a file or directory, which does not have to exist."""
    try:
        name = os.path.expanduser(os.fsdecode(path))
        if not name or (name.endswith(("/", os.sep)) and not os.path.isdir(name)):
            raise ValueError(f"{name!r} is not the path of a file or an existing directory")
        with suppress(FileNotFoundError):
            os.stat(name)  # raises an error for names that no file can have
        return Path(name)
    except (OSError, TypeError, ValueError) as error:
        raise RouterInputError(f"path: {error}. Pass another path.") from None


def validate_directory(directory: Path | None) -> Path | None:
    """Check before a paid request that files can be written to a directory."""
    if directory is None:
        return None
    name = os.path.expanduser(directory)
    if name != to_printable(name):
        raise RouterInputError(
            f"directory: {name!r} is not UTF-8, so tool messages cannot contain it. Rename it."
        )
    if not (os.path.isdir(name) and os.access(name, os.W_OK | os.X_OK)):
        raise RouterInputError(
            f"directory: {name} is not a directory, or not writable. Create it, or choose another."
        )
    return Path(name).resolve()


class OutputFile:
    """Collects data in a temporary file, or in memory if there is no target.

    The target is a file, or a directory in which ``commit`` names the file. Leaving the ``with``
    block deletes a temporary file that was not committed. An ``OSError`` in the block is raised as
    ``SavingError``.
    """

    def __init__(self, target: Path | None) -> None:
        self.target = target
        self._part: Path | None = None
        self.file: BufferedRandom | BytesIO = BytesIO()
        if target is None:
            return
        directory = target if target.is_dir() else target.resolve().parent
        self._part = directory / f".{uuid4().hex}.part"
        try:
            self.file = BufferedRandom(FileIO(self._part, "x+"), BUFFER_BYTES)
        except OSError as error:
            raise RouterInputError(
                f"path: Cannot create files in {directory}: {error.strerror}."
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if self._part:
            with suppress(OSError):  # closing flushes the buffer, which fails on a full disk
                self.file.close()
            self._part.unlink(missing_ok=True)
        if isinstance(error, OSError) and not isinstance(error, RouterError):
            message = f"Cannot write to {self.target}: {error.strerror or error}"
            raise SavingError(message, errno=error.errno) from error

    @property
    def data(self) -> bytes | None:
        """The data, if it is in memory."""
        return self.file.getvalue() if isinstance(self.file, BytesIO) else None

    def compute_digest(self) -> str:
        """Return the hexadecimal SHA-256 digest of the data."""
        self.file.seek(0)
        return hashlib.file_digest(self.file, "sha256").hexdigest()

    def commit(self, filename: str = "") -> Path | None:
        """Give a temporary file its name, and return its path.

        An existing file is replaced, and its permissions are kept. ``filename`` is the name in a
        target that is a directory.
        """
        if self.target is None or self._part is None:
            return None
        path = self.target / filename if self.target.is_dir() else self.target
        self.file.close()
        if path.exists():
            self._part.chmod(path.stat().st_mode & 0o777)
        os.replace(self._part, path.resolve())
        return path


@contextmanager
def open_atomic(path: str | os.PathLike[str], *, overwrite: bool = True) -> Iterator[BinaryIO]:
    """Open a binary file that appears under its name when the block ends.

    The data goes to a temporary file in the same directory. If the block fails or is cancelled,
    the temporary file is deleted and an existing file is not changed.
    """
    target = validate_output_path(path, overwrite=overwrite)
    with OutputFile(target) as output:
        yield output.file
        output.commit()

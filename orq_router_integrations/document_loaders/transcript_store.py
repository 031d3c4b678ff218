"""What was transcribed already, in a small SQLite file: it is not paid for again.

A key is the content of what was sent and everything that shapes the answer, so that a renamed file
is found again and a changed one is not. Every access has a connection of its own, so that threads
and processes may share the file.
"""

import logging
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from orq_router_integrations.document_loaders.sources import map_os_errors
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.atomic_write import validate_output_path
from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.transcripts import Transcript

_LOG = logging.getLogger(__name__)

LOCK_TIMEOUT_SECONDS = 30.0
"""Seconds to wait for another process that writes."""

_CHUNK = 1024 * 1024
_TABLE = "CREATE TABLE IF NOT EXISTS transcripts (key BLOB PRIMARY KEY, transcript BLOB NOT NULL)"
_GET = "SELECT transcript FROM transcripts WHERE key = ?"
_PUT = "INSERT OR REPLACE INTO transcripts VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class TranscriptStore:
    """Transcripts by key, in a file that is made when it is missing."""

    path: Path

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> "TranscriptStore":
        """The store in a file.

        Raises:
            RouterInputError: the file cannot be written to, or is something else.
        """
        store = cls(validate_output_path(path))
        try:
            with store._open() as table:
                table.execute(_TABLE)
                table.execute(_GET, (b"",))  # an older or other table has not these columns
        except sqlite3.Error as error:
            raise RouterInputError(
                f"resume: {path} is no store of transcripts: {error}; "
                "name another file, or wait for who holds this one"
            ) from None
        return store

    def get(self, key: bytes) -> Transcript | None:
        """The transcript with this key, if it is kept; an unreadable one is not."""
        try:
            with self._open() as table:
                row = table.execute(_GET, (key,)).fetchone()
            return _transcript(*row) if row else None
        except (sqlite3.Error, ValueError) as error:
            _LOG.warning("resume: cannot read %s: %s", self.path, error)
            return None

    def put(self, key: bytes, transcript: Transcript) -> None:
        """Keep a transcript. What was paid for is not lost when that fails; it is logged."""
        try:
            with self._open() as table:
                table.execute(_PUT, (key, transcript.to_json()))
        except (sqlite3.Error, ValueError) as error:
            _LOG.warning("resume: cannot write to %s: %s", self.path, error)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=LOCK_TIMEOUT_SECONDS)) as table, table:
            yield table


def _transcript(data: Any) -> Transcript:
    """What a row holds; SQLite lets a column of bytes hold anything."""
    if not isinstance(data, bytes):
        raise ValueError(f"not a transcript: {type(data).__name__}")
    return Transcript.from_json(data)


def compute_key(upload: Upload, params: Mapping[str, Any]) -> bytes:
    """The key of what is sent, and of all that shapes the answer.

    Raises:
        RouterInputError: it cannot be read.
    """
    digest = blake2b(json.dumps(sorted(params.items())), digest_size=32)
    with map_os_errors(upload.filename), upload.open() as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()

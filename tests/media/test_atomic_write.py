"""Files that are written whole or not at all."""

import errno
import io
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orq_router_integrations.errors import RouterInputError, SavingError
from orq_router_integrations.media.atomic_write import (
    awrite_chunks,
    open_atomic,
    validate_output_path,
)


def test_a_file_is_there_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    with open_atomic(path) as file:
        file.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert [entry.name for entry in tmp_path.iterdir()] == ["speech.wav"]


def test_after_a_failure_nothing_new_remains(tmp_path: Path) -> None:
    def interrupted() -> None:
        with open_atomic(tmp_path / "speech.wav") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_an_old_file_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(b"old")
    with pytest.raises(SavingError, match="disk"), open_atomic(path):
        raise OSError("disk")
    assert path.read_bytes() == b"old"


def test_an_old_file_keeps_its_permissions_and_its_links(tmp_path: Path) -> None:
    path, link = tmp_path / "speech.wav", tmp_path / "link.wav"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    with open_atomic(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    with open_atomic(tmp_path / "ours") as file:
        file.write(b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_what_cannot_be_written_is_refused_beforehand(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_bytes(b"old")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RouterInputError, match="names no file"):
        validate_output_path("")
    with pytest.raises(RouterInputError, match="is a folder"):
        validate_output_path(tmp_path)
    with pytest.raises(RouterInputError, match="does not exist"):
        validate_output_path(tmp_path / "no" / "file")
    with pytest.raises(RouterInputError, match=r"the folder .*no/ does not exist"):
        validate_output_path(f"{tmp_path}/no/")
    with pytest.raises(RouterInputError, match="overwrite=True"):
        validate_output_path(taken, overwrite=False)
    with pytest.raises(RouterInputError, match="no regular file"):
        validate_output_path(tmp_path / "pipe")


def test_a_name_that_no_file_can_have_is_refused_beforehand(tmp_path: Path) -> None:
    for wrong in ("x" * 300, tmp_path / "file" / "below"):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(RouterInputError, match="path: "):
            validate_output_path(wrong)


def test_a_name_may_be_as_long_as_files_can_have(tmp_path: Path) -> None:
    path = tmp_path / ("\N{GRINNING FACE}" * 62 + ".png")
    with open_atomic(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"


def test_a_folder_that_takes_no_files_is_refused() -> None:
    with pytest.raises(RouterInputError, match="path: "), open_atomic("/proc/self/x.wav"):
        pass


class SlowDisk(io.BytesIO):
    """Takes its time, and notes in which threads it does."""

    def write(self, data: Any) -> int:
        self.threads = {*getattr(self, "threads", ()), threading.get_ident()}
        time.sleep(0.02)
        return super().write(data)


async def test_a_slow_disk_holds_up_no_event_loop() -> None:
    pieces = [bytes([number]) * 50_000 for number in range(9)]

    async def arriving() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    disk = SlowDisk()
    await awrite_chunks(disk, arriving())
    assert disk.getvalue() == b"".join(pieces)
    assert threading.get_ident() not in disk.threads


async def test_a_full_disk_is_told() -> None:
    async def arriving() -> AsyncIterator[bytes]:
        yield b"x"

    with pytest.raises(OSError, match="No space"):
        await awrite_chunks(FullDisk(), arriving())


class FullDisk(io.BytesIO):
    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

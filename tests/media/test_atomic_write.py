"""Writing files that appear only once they are complete."""

import os
from pathlib import Path

import pytest

from orq_router_integrations.errors import RouterInputError, SavingError
from orq_router_integrations.media.atomic_write import open_atomic, validate_output_path


def test_file_appears_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    with open_atomic(path) as file:
        file.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert [entry.name for entry in tmp_path.iterdir()] == ["speech.wav"]


def test_failure_leaves_no_file(tmp_path: Path) -> None:
    def write_and_fail() -> None:
        with open_atomic(tmp_path / "speech.wav") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_and_fail()
    assert list(tmp_path.iterdir()) == []


def test_failure_keeps_existing_file(tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes(b"old")
    with pytest.raises(SavingError, match="disk"), open_atomic(path):
        raise OSError("disk")
    assert path.read_bytes() == b"old"


def test_replaced_file_keeps_permissions_and_links(tmp_path: Path) -> None:
    path, link = tmp_path / "speech.wav", tmp_path / "link.wav"
    path.write_bytes(b"old")
    path.chmod(0o640)
    link.symlink_to(path)
    with open_atomic(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640


def test_new_file_has_default_permissions(tmp_path: Path) -> None:
    with open_atomic(tmp_path / "ours") as file:
        file.write(b"")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_unwritable_path_raises(tmp_path: Path) -> None:
    existing_file = tmp_path / "existing"
    existing_file.write_bytes(b"old")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RouterInputError, match="is not the path of a file"):
        validate_output_path("")
    with pytest.raises(RouterInputError, match="is not a regular file"):
        validate_output_path(tmp_path)
    with pytest.raises(RouterInputError, match="does not exist"):
        validate_output_path(tmp_path / "no" / "file")
    with pytest.raises(RouterInputError, match=r"no/' is not the path of a file"):
        validate_output_path(f"{tmp_path}/no/")
    with pytest.raises(RouterInputError, match="overwrite=True"):
        validate_output_path(existing_file, overwrite=False)
    with pytest.raises(RouterInputError, match="is not a regular file"):
        validate_output_path(tmp_path / "pipe")


def test_invalid_file_name_raises(tmp_path: Path) -> None:
    for name in ("x" * 300, tmp_path / "file" / "below"):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(RouterInputError, match="path: "):
            validate_output_path(name)


def test_file_name_of_maximum_length(tmp_path: Path) -> None:
    path = tmp_path / ("\N{GRINNING FACE}" * 62 + ".png")
    with open_atomic(path) as file:
        file.write(b"x")
    assert path.read_bytes() == b"x"


def test_directory_without_write_access_raises() -> None:
    with pytest.raises(RouterInputError, match="path: "), open_atomic("/proc/self/x.wav"):
        pass

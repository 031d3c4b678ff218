"""Sources: paths, directories, patterns, bytes and blobs, and what cannot be loaded."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.document_loaders import BlobLoader
from langchain_core.documents.base import Blob
from support.audio_loaders import create_loader, load_texts
from support.recordings import create_recording, save_recording

from orq_router_integrations import OfflineRouter
from orq_router_integrations.errors import RouterInputError

TEXTS = ["First file. Two sentences.", "Second file.", "Third file.", "Fourth and last."]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with four recordings, two of them in a subdirectory, and a text file."""
    (tmp_path / "deeper").mkdir()
    filenames = ["a.wav", "b.wav", "deeper/c.wav", "deeper/d.WAV"]
    for filename, text in zip(filenames, TEXTS, strict=True):
        save_recording(tmp_path / filename, text)
    (tmp_path / "notes.txt").write_text("not audio")
    return tmp_path


@pytest.mark.parametrize(
    "convert",
    [str, Path, Path.read_bytes, Blob.from_path],
    ids=["str", "Path", "bytes", "Blob"],
)
def test_single_recording_may_have_any_type(convert: Any, directory: Path) -> None:
    assert load_texts(create_loader(convert(directory / "a.wav"))) == TEXTS[:1]


def test_list_may_mix_types(directory: Path) -> None:
    source = [
        str(directory / "deeper"),
        (directory / "b.wav").read_bytes(),
        Blob.from_path(directory / "a.wav"),
    ]
    assert load_texts(create_loader(source)) == [*TEXTS[2:], TEXTS[1], TEXTS[0]]


def test_directory_is_searched_in_order(directory: Path) -> None:
    """Files without an audio suffix are ignored."""
    assert load_texts(create_loader(directory)) == TEXTS


def test_hidden_files_in_directories_are_ignored(directory: Path) -> None:
    (directory / "._a.wav").write_bytes(b"not audio")
    (directory / ".cache").mkdir()
    save_recording(directory / ".cache" / "x.wav")
    assert load_texts(create_loader(directory)) == TEXTS


def test_links_to_directories_are_not_followed(directory: Path) -> None:
    (directory / "deeper" / "up").symlink_to(directory, target_is_directory=True)
    assert load_texts(create_loader(directory)) == TEXTS


def test_links_to_files_are_followed(directory: Path) -> None:
    (directory / "e.wav").symlink_to(directory / "a.wav")
    assert load_texts(create_loader(directory / "e.wav")) == TEXTS[:1]


def test_unreadable_subdirectory_raises(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def deny_access(path: Any) -> Any:
        if str(path).endswith("deeper"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", deny_access)
    documents = create_loader(directory).lazy_load()
    assert [next(documents).page_content for _ in range(2)] == TEXTS[:2]
    with pytest.raises(RouterInputError, match=r"Cannot list a directory: .*deeper"):
        next(documents)


@pytest.fixture
def pattern_directory(tmp_path: Path) -> Path:
    for filename in ("a.wav", "b/b.WAV", "b/.c.wav", ".d/d.wav", "e [1]/e.mp3.wav"):
        (tmp_path / filename).parent.mkdir(exist_ok=True)
        save_recording(tmp_path / filename, f"{filename}.")
    (tmp_path / "notes.txt").write_text("not audio")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("*", ["a.wav."]),
        ("*.wav", ["a.wav."]),
        ("?.*", ["a.wav."]),
        ("**/b.*", ["b/b.WAV."]),
        ("**/*.[wW][aA][vV]", ["a.wav.", "b/b.WAV.", "e [1]/e.mp3.wav."]),
        ("b/*", ["b/b.WAV."]),
        ("b/.*", ["b/.c.wav."]),
        ("e [[]1]/*", ["e [1]/e.mp3.wav."]),
        ("e [1]/e.mp3.wav", ["e [1]/e.mp3.wav."]),
    ],
)
def test_pattern_selects_audio_files_in_order(
    pattern_directory: Path, pattern: str, texts: list[str]
) -> None:
    """Hidden files match only explicitly; an existing path is not treated as a pattern."""
    assert load_texts(create_loader(f"{pattern_directory}/{pattern}")) == texts


def test_patterns_do_not_follow_links_to_directories(pattern_directory: Path) -> None:
    """Two links to the parent would create an exponential number of paths."""
    for name in ("again", "b/back"):
        (pattern_directory / name).symlink_to(pattern_directory)
    loader = create_loader(f"{pattern_directory}/**/*.wav")
    assert load_texts(loader) == ["a.wav.", "e [1]/e.mp3.wav."]


@pytest.mark.parametrize("pattern", ["*.wav", "./*.wav", "b/../*.wav"])
def test_patterns_may_be_relative(
    pattern_directory: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    monkeypatch.chdir(pattern_directory)
    assert load_texts(create_loader(pattern)) == ["a.wav."]


INVALID_SOURCES = {
    "missing file": (Path("none.wav"), "Cannot open"),
    "empty directory": (Path("empty"), "No audio files in"),
    "directory without audio": (Path("notes"), "No audio files in"),
    "pattern without a match": ("*.flac", "No audio files in"),
    "empty file": (Path("empty.wav"), "is empty"),
    "text": (Path("text.mp3"), "unknown type"),
    "web page": (Path("page.mp3"), "text/html"),
    "unsupported type": (Path("zip.mp3"), "application/zip"),
    "link to itself": (Path("loop.wav"), "Cannot open"),
    "long name": ("a" * 300 + ".wav", "Cannot open"),
    "invalid pattern": ("**.wav", "entire path component"),
    "named pipe": (Path("pipe.wav"), "not a regular file"),
    "device": ("/dev/zero", "not a regular file"),
    "URL": ("https://any.host/a.wav", r"URL\. Download it, and pass the path or bytes\.$"),
    "URL with wildcard": ("https://any.host/a.wav?key=1", r"URL.*Download"),
    "no bytes": (b"", "unknown type"),
    "empty path": ("", "not a regular file"),
    "blank path": (" ", "Cannot open"),
    "null character": ("a\0.wav", "Cannot open"),
    "other bytes": (b"hello", "unknown type"),
    "blob with text": (Blob.from_data("hello"), "unknown type"),
    "blob of a missing file": (Blob.from_path("none.wav"), "Cannot open"),
    "one of several": ([create_recording(), Path("none.wav")], "none.wav"),
}


@pytest.fixture
def invalid_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("text")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.mp3").write_text("not audio at all")
    (tmp_path / "page.mp3").write_text("<!DOCTYPE html>")
    (tmp_path / "zip.mp3").write_bytes(b"PK\x03\x04")
    (tmp_path / "loop.wav").symlink_to(tmp_path / "loop.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("invalid_directory")
@pytest.mark.parametrize(("source", "message"), INVALID_SOURCES.values(), ids=INVALID_SOURCES)
@pytest.mark.parametrize("method", ["lazy_load", "alazy_load"])
def test_invalid_source_raises_before_any_request(source: Any, message: str, method: str) -> None:
    router = OfflineRouter()
    with pytest.raises(RouterInputError, match=message):
        getattr(create_loader(source, router), method)()
    assert router.requests == []


@pytest.mark.usefixtures("invalid_directory")
def test_invalid_source_is_skipped_or_marked_by_policy() -> None:
    source = [create_recording(), Path("none.wav")]
    assert len(create_loader(source, on_error="skip").load()) == 1
    _, error_document = create_loader(source, on_error="mark").load()
    assert error_document.metadata["error"].startswith("RouterInputError: ")
    assert error_document.metadata["source"].endswith("none.wav")


def test_file_deleted_after_the_check_raises_when_it_is_read(tmp_path: Path) -> None:
    paths = [save_recording(tmp_path / f"{number}.wav", f"{number}.") for number in range(3)]
    documents = create_loader(paths, max_concurrency=1).lazy_load()
    paths[1].unlink()
    assert next(documents).page_content == "0."
    with pytest.raises(RouterInputError, match=r"1\.wav"):
        next(documents)


class FailingBlobLoader(BlobLoader):
    def yield_blobs(self) -> Iterator[Blob]:
        yield Blob.from_data(create_recording("One."))
        raise OSError("the bucket is gone")


@pytest.mark.parametrize("max_concurrency", [1, 4])
def test_blobs_before_a_failure_of_the_blob_loader_are_loaded(max_concurrency: int) -> None:
    documents = create_loader(FailingBlobLoader(), max_concurrency=max_concurrency).lazy_load()
    assert next(documents).page_content == "One."
    with pytest.raises(OSError, match="bucket"):
        next(documents)


def test_blob_loader_that_yields_something_else_raises() -> None:
    class InvalidBlobLoader(BlobLoader):
        def yield_blobs(self) -> Iterator[Any]:
            yield None

    with pytest.raises(RouterInputError, match=r"Expected a path, .* got NoneType"):
        create_loader(InvalidBlobLoader()).load()

"""Patterns: each file once, whatever links lead where."""

from pathlib import Path

import pytest
from support.recordings import recorded

from orq_router_integrations import OfflineRouter, OrqTranscriptionLoader


def loaded(pattern: str) -> list[str]:
    client = OfflineRouter().client()
    loader = OrqTranscriptionLoader(source=pattern, model="openai/whisper-1", client=client)
    return [document.page_content for document in loader.load()]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.wav", "b/b.WAV", "b/.c.wav", ".d/d.wav", "e [1]/e.mp3.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        recorded(tmp_path / name, f"{name}.")
    (tmp_path / "notes.txt").write_text("no audio")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("*.wav", ["a.wav."]),
        ("?.*", ["a.wav."]),
        ("**/*.[wW][aA][vV]", ["a.wav.", "b/b.WAV.", "e [1]/e.mp3.wav."]),
        ("b/*", ["b/b.WAV."]),
        ("b/.*", ["b/.c.wav."]),
        ("e [[]1]/*", ["e [1]/e.mp3.wav."]),
        ("e [1]/e.mp3.wav", ["e [1]/e.mp3.wav."]),
    ],
)
def test_files_that_match_come_in_order(tree: Path, pattern: str, found: list[str]) -> None:
    assert loaded(f"{tree}/{pattern}") == found


def test_links_that_lead_back_are_not_followed(tree: Path) -> None:
    """Two of them would make more paths than can ever be gone through."""
    for name in ("again", "b/back"):
        (tree / name).symlink_to(tree)
    assert loaded(f"{tree}/**/*.wav") == ["a.wav.", "e [1]/e.mp3.wav."]


def test_patterns_may_be_relative(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert loaded("*.wav") == loaded("./*.wav") == loaded("b/../*.wav") == ["a.wav."]

"""``~`` in paths is the home directory, everywhere a path is accepted."""

from pathlib import Path

import pytest
from support.recordings import save_recording

from orq_router_integrations import (
    OfflineRouter,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    content_block,
)
from orq_router_integrations.batch import ResultStore


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    return tmp_path


def test_images_are_saved_to_and_read_from_home(home: Path) -> None:
    tool = OrqImageTool(model="openai/gpt-image-1", directory="~", client=OfflineRouter().client())
    assert tool.directory == home
    boat = tool.generate("a boat")
    boat.save("~/boat.png")
    assert (home / "boat.png").is_file()
    assert content_block("~/boat.png")["type"] == "image"
    assert tool.edit("add a bird", "~/boat.png").operation == "edit"


def test_speech_is_written_to_home(home: Path) -> None:
    tool = OrqSpeechTool(model="openai/tts-1", voice="alloy", client=OfflineRouter().client())
    tool.synthesize_to_file("Hello.", "~/hello.wav")
    assert (home / "hello.wav").is_file()


@pytest.mark.parametrize(
    "source",
    ["~/calls", "~/calls/*.wav", Path("~/calls/a.wav"), ["~/calls"]],
    ids=["directory", "pattern", "path", "list"],
)
def test_recordings_are_found_in_home(home: Path, source: object) -> None:
    (home / "calls").mkdir()
    save_recording(home / "calls" / "a.wav", "Hello.")
    loader = OrqTranscriptionLoader(
        source, model="openai/whisper-1", store="~/calls.db", client=OfflineRouter().client()
    )
    (document,) = loader.load()
    assert document.metadata["source"] == str(home / "calls" / "a.wav")
    assert (home / "calls.db").is_file()


def test_results_are_stored_in_home(home: Path) -> None:
    ResultStore("~/results").mset([("key", b"value")])
    assert (home / "results").is_dir()

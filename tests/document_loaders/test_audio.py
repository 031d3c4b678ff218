"""Both loaders: conformance, arguments, requests and metadata."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conformance.loaders import LoaderConformance, LoaderSubject, PicklingConformance
from conformance.parsers import ListBlobLoader
from langchain_core.documents.base import Blob
from pydantic import ValidationError
from support.audio_loaders import WHISPER, create_loader, load_texts
from support.marks import sync_and_async
from support.recordings import create_recording, save_recording

from orq_router_integrations import OfflineRouter, OrqTranscriptionLoader, OrqTranslationLoader
from orq_router_integrations.document_loaders import file_loader
from orq_router_integrations.errors import RouterInputError

TEXTS = ["First file. Two sentences.", "Second file.", "Third file.", "Fourth and last."]


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return [save_recording(tmp_path / f"{n}.wav", text) for n, text in enumerate(TEXTS)]


class TestConformance(LoaderConformance, PicklingConformance):
    @pytest.fixture(params=["directory", "blobs"])
    def subject(self, request: pytest.FixtureRequest, paths: list[Path]) -> LoaderSubject:
        router = OfflineRouter()

        def create(*, broken: bool = False, **options: Any) -> OrqTranscriptionLoader:
            if broken:
                paths[1].write_bytes(b"plain text")
            source: Any = paths[0].parent
            if request.param == "blobs":
                source = ListBlobLoader([Blob.from_path(path) for path in paths])
            return create_loader(source, router, granularity="segment", **options)

        return LoaderSubject(
            create=create,
            expected=[["First file.", "Two sentences."], *([text] for text in TEXTS[1:])],
            count_fetched=lambda: len(router.requests),
            error=RouterInputError,
            continuing_policies=("skip", "mark"),
            marking_policies=("mark",),
        )

    @pytest.fixture
    def picklable(self, monkeypatch: pytest.MonkeyPatch) -> OrqTranscriptionLoader:
        monkeypatch.setenv("ORQ_API_KEY", "sk-orq-nobodys-key")
        return OrqTranscriptionLoader(source=["a.wav"], model=WHISPER, language="en")


def test_metadata_contains_that_of_the_blob(paths: list[Path]) -> None:
    """Except for names that the loader uses itself."""
    blob = Blob.from_path(paths[0], metadata={"topic": "files", "model": "mine"})
    [document] = create_loader(blob, response_format="verbose_json", language="EN").load()
    duration = document.metadata["duration"]
    assert document.metadata == {
        "topic": "files",
        "source": str(paths[0]),
        "language": "en",
        "duration": duration,
        "model": WHISPER,
        "response_format": "verbose_json",
        "offline": True,
        "start": 0.0,
        "end": duration,
    }


@pytest.mark.parametrize("response_format", ["json", "text", "srt", "vtt", "verbose_json"])
def test_text_does_not_depend_on_the_format(paths: list[Path], response_format: str) -> None:
    assert load_texts(create_loader(paths, response_format=response_format)) == TEXTS


@pytest.mark.parametrize("response_format", ["srt", "vtt", "verbose_json"])
def test_segments_do_not_depend_on_the_format(paths: list[Path], response_format: str) -> None:
    loader = create_loader(paths[0], response_format=response_format, granularity="segment")
    assert load_texts(loader) == ["First file.", "Two sentences."]


def test_only_parameters_that_are_set_are_sent() -> None:
    router = OfflineRouter()
    create_loader(create_recording(), router).load()
    create_loader(
        create_recording(),
        router,
        temperature=0.0,
        diarize=False,
        timestamps_granularity="word",
        timestamp_granularities=["word"],
        response_format="verbose_json",
        controls={"retry": {"count": 1}},
    ).load()
    first, second = (dict(request.body) for request in router.requests)
    assert first.keys() == {"model", "file"}
    assert second["timestamps_granularity"] == "word"
    assert second["timestamp_granularities"] == ["word"]
    assert (second["temperature"], second["diarize"]) == ("0.0", "false")
    assert second["retry"]["count"] == 1


def test_source_is_positional() -> None:
    client = OfflineRouter().client()
    loader = OrqTranscriptionLoader(create_recording("One."), model=WHISPER, client=client)
    assert load_texts(loader) == ["One."]
    loader = OrqTranslationLoader("calls/*.mp3", model=WHISPER, client=client)
    assert loader.source == "calls/*.mp3"
    with pytest.raises(TypeError, match="one positional argument, 'source'"):
        OrqTranscriptionLoader("calls/*.mp3", WHISPER)


INVALID_ARGUMENTS = {
    "no model": ({"model": ""}, "model"),
    "model without provider": ({"model": "whisper-1"}, "provider/model"),
    "timestamps without verbose_json": (
        {"timestamp_granularities": ["word"]},
        "Requires response_format='verbose_json'",
    ),
    "33 speakers": ({"num_speakers": 33}, "num_speakers"),
    "temperature": ({"temperature": 1.1}, "temperature"),
    "language": ({"language": "english"}, "language"),
    "format": ({"response_format": "doc"}, "response_format"),
    "format without segments": (
        {"response_format": "text", "granularity": "segment"},
        "granularity='segment'. Change it, or omit response_format",
    ),
    "concurrency": ({"max_concurrency": 0}, "max_concurrency"),
    "cache control": ({"controls": {"cache": {"ttl": 60}}}, "cache"),
    "thread control": ({"controls": {"thread": "t"}}, "thread"),
    "misspelled": ({"langauge": "en"}, "'language'"),
    "control as an argument": ({"fallbacks": ["a/b"]}, r"controls=RouterControls\(fallbacks"),
    "old name": ({"file_path": "a.wav"}, "source"),
    "empty list": ({"source": []}, "non-empty list"),
    "source of another type": ({"source": 7}, "Expected a path"),
    "nested list": ({"source": [["a.wav"]]}, r"Expected a path, .* Blob, got \['a.wav'\]"),
    "store in a missing directory": ({"store": "/nowhere/at/all.db"}, "does not exist"),
    "window": ({"window_seconds": 0}, "window_seconds"),
    "maximum below the overlap": (
        {"max_seconds": 2.9},
        "max_seconds: .* 2.9 seconds are too short for overlap_seconds=2. Allow at least 3",
    ),
    "maximum without overlap": (
        {"max_seconds": 0.05, "overlap_seconds": 0},
        "overlap_seconds=0. Allow at least 0.1",
    ),
}


@pytest.mark.parametrize(("seconds", "overlap"), [(3, 2), (0.1, 0), (0.3, 0.2), (0.45, 0.3)])
def test_smallest_max_seconds_for_an_overlap_is_accepted(seconds: float, overlap: float) -> None:
    assert create_loader("a.wav", max_seconds=seconds, overlap_seconds=overlap)


@pytest.mark.parametrize(("options", "message"), INVALID_ARGUMENTS.values(), ids=INVALID_ARGUMENTS)
def test_invalid_argument_raises_at_construction(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        create_loader(**{"source": "a.wav"} | options)


def test_repr_does_not_contain_the_recording() -> None:
    assert len(repr(create_loader(create_recording()))) < 1500


def create_translation_loader(
    source: Any, router: OfflineRouter, **options: Any
) -> OrqTranslationLoader:
    options = {"model": WHISPER} | options
    return OrqTranslationLoader(source=source, client=router.client(), **options)


def test_translation_uses_its_own_endpoint(paths: list[Path]) -> None:
    router = OfflineRouter()
    assert load_texts(create_translation_loader(paths, router)) == TEXTS
    assert {request.path for request in router.requests} == {"/v3/router/audio/translations"}


def test_translation_requests_word_times_with_its_own_parameter() -> None:
    router = OfflineRouter()
    loader = create_translation_loader(create_recording("One. Two."), router, granularity="word")
    assert load_texts(loader) == ["One.", "Two."]
    assert router.requests[0].body["timestamps_granularity"] == "word"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "en"}, "Translations do not accept it"),
        ({"timestamp_granularities": ["word"]}, "Translations do not accept it"),
        ({"model": "openai/gpt-4o-transcribe"}, "does not support translation"),
    ],
    ids=["language", "timestamp_granularities", "model"],
)
def test_translation_rejects_what_it_does_not_support(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        create_translation_loader("a.wav", OfflineRouter(), **options)


@pytest.mark.slow
def test_import_does_not_load_optional_or_heavy_packages() -> None:
    code = (
        "import sys; from orq_router_integrations import OrqTranscriptionLoader, OrqAudioParser;"
        "print(*{'av', 'tqdm', 'numpy', 'sqlalchemy', 'langchain'} & sys.modules.keys())"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == []


@sync_and_async
async def test_bar_counts_files_and_minutes(
    capsys: pytest.CaptureFixture[str], is_async: bool
) -> None:
    loader = create_loader([create_recording(), create_recording()], show_progress=True)
    await loader.aload() if is_async else loader.load()
    output = capsys.readouterr().err
    assert "2/2" in output
    assert "0.1 min audio, 0 errors" in output


def test_missing_tqdm_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_loader, "find_spec", lambda _: None)
    with pytest.raises(ValidationError, match="pip install tqdm"):
        create_loader("a.wav", show_progress=True)

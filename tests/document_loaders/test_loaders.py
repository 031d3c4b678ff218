"""Both loaders: every kind of source, held against the conformance kit."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conformance.loaders import LoaderConformance, LoaderSubject, PicklingConformance
from conformance.parsers import Blobs
from langchain_core.documents.base import Blob
from pydantic import ValidationError
from support.recordings import recorded, recording

from orq_router_integrations import (
    OfflineRouter,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    RouterError,
)
from orq_router_integrations.errors import NotFoundError, RouterInputError

WHISPER = "openai/whisper-1"
TEXTS = ["First file. Two sentences.", "Second file.", "Third file.", "Fourth and last."]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deeper").mkdir()
    places = ["a.wav", "b.wav", "deeper/c.wav", "deeper/d.WAV"]
    for place, text in zip(places, TEXTS, strict=True):
        recorded(tmp_path / place, text)
    (tmp_path / "notes.txt").write_text("no audio")
    return tmp_path


def transcriptions(source: Any, router: OfflineRouter, **options: Any) -> OrqTranscriptionLoader:
    return OrqTranscriptionLoader(
        **{"source": source, "model": WHISPER, "client": router.client()} | options
    )


def texts_of(loader: Any) -> list[str]:
    return [document.page_content for document in loader.load()]


class TestConformance(LoaderConformance, PicklingConformance):
    """Four files, two of them with more than one Document."""

    @pytest.fixture(params=["files", "blobs"])
    def subject(self, request: pytest.FixtureRequest, folder: Path) -> LoaderSubject:
        router = OfflineRouter()

        def make(*, broken: bool = False, **options: Any) -> OrqTranscriptionLoader:
            files: list[Path] = sorted(folder.rglob("*.[wW][aA][vV]"))
            if broken:
                files[1] = recorded(files[1], "Not audio any more.")
                files[1].write_bytes(b"RIFF\0\0\0\0WAVEjunk")
                (folder / "b.wav").write_bytes(b"plain text")
            source: Any = folder
            if request.param == "blobs":
                source = Blobs([Blob.from_path(file) for file in files])
            return transcriptions(source, router, granularity="segment", **options)

        return LoaderSubject(
            make=make,
            expected=[["First file.", "Two sentences."], *([text] for text in TEXTS[1:])],
            fetched=lambda: len(router.requests),
            error=RouterInputError,
            policies=("skip", "mark"),
            remarks=frozenset({"mark"}),
        )

    @pytest.fixture
    def picklable(self, monkeypatch: pytest.MonkeyPatch) -> OrqTranscriptionLoader:
        monkeypatch.setenv("ORQ_API_KEY", "sk-orq-nobodys-key")
        return OrqTranscriptionLoader(source=["a.wav"], model=WHISPER, language="en")


@pytest.mark.parametrize("kind", [str, Path, lambda path: path.read_bytes(), Blob.from_path])
def test_one_recording_in_any_form(kind: Any, folder: Path) -> None:
    loader = transcriptions(kind(folder / "a.wav"), OfflineRouter())
    assert texts_of(loader) == TEXTS[:1]


def test_a_list_may_mix_them(folder: Path) -> None:
    source = [folder / "d", (folder / "b.wav").read_bytes(), Blob.from_path(folder / "a.wav")]
    source[0] = str(folder / "deeper")
    loader = transcriptions(source, OfflineRouter())
    assert texts_of(loader) == [*TEXTS[2:], TEXTS[1], TEXTS[0]]


def test_a_folder_is_walked_in_order_and_other_files_are_left_alone(folder: Path) -> None:
    assert texts_of(transcriptions(folder, OfflineRouter())) == TEXTS


def test_a_pattern_takes_what_it_matches(folder: Path) -> None:
    assert texts_of(transcriptions(f"{folder}/*", OfflineRouter())) == TEXTS[:2]
    assert texts_of(transcriptions(f"{folder}/**/c.*", OfflineRouter())) == TEXTS[2:3]


def test_a_file_may_have_the_name_of_a_pattern(tmp_path: Path) -> None:
    loader = transcriptions(recorded(tmp_path / "[1].wav", "One."), OfflineRouter())
    assert texts_of(loader) == ["One."]


def test_links_to_folders_make_no_loop(folder: Path) -> None:
    (folder / "deeper" / "up").symlink_to(folder, target_is_directory=True)
    assert texts_of(transcriptions(folder, OfflineRouter())) == TEXTS


def test_a_link_to_a_file_is_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "e.wav").symlink_to(folder / "a.wav")
    assert texts_of(transcriptions(folder / "e.wav", OfflineRouter())) == TEXTS[:1]


def test_metadata_tells_all_and_keeps_what_the_blob_says(folder: Path) -> None:
    blob = Blob.from_path(folder / "a.wav", metadata={"topic": "files", "model": "mine"})
    [document] = transcriptions(
        blob, OfflineRouter(), response_format="verbose_json", language="EN"
    ).load()
    seconds = document.metadata["duration"]
    assert document.metadata == {
        "topic": "files",
        "source": str(folder / "a.wav"),
        "language": "en",
        "duration": seconds,
        "model": WHISPER,
        "response_format": "verbose_json",
        "offline": True,
        "start": 0.0,
        "end": seconds,
    }


def test_every_format_gives_the_same_documents(folder: Path) -> None:
    def load(kind: str, granularity: str) -> list[str]:
        return texts_of(
            transcriptions(folder, OfflineRouter(), response_format=kind, granularity=granularity)
        )

    for kind in ("json", "text", "srt", "vtt", "verbose_json"):
        assert load(kind, "file") == TEXTS
    for kind in ("srt", "vtt", "verbose_json"):
        assert load(kind, "segment")[:2] == ["First file.", "Two sentences."]


def test_a_translation_is_asked_for_at_its_own_endpoint(folder: Path) -> None:
    router = OfflineRouter()
    loader = OrqTranslationLoader(source=folder, model=WHISPER, client=router.client())
    assert texts_of(loader) == TEXTS
    assert {request.path for request in router.requests} == {"/v3/router/audio/translations"}


def test_only_what_is_set_is_sent(folder: Path) -> None:
    router = OfflineRouter()
    transcriptions(folder / "a.wav", router).load()
    transcriptions(
        folder / "a.wav",
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


BAD_ARGUMENTS = {
    "no model": ({"model": ""}, "model"),
    "bare model": ({"model": "whisper-1"}, "provider/model"),
    "granularities without verbose_json": (
        {"timestamp_granularities": ["word"]},
        "requires response_format='verbose_json'",
    ),
    "33 speakers": ({"num_speakers": 33}, "num_speakers"),
    "temperature": ({"temperature": 1.1}, "temperature"),
    "language": ({"language": "english"}, "language"),
    "format": ({"response_format": "doc"}, "response_format"),
    "text cannot tell segments": (
        {"response_format": "text", "granularity": "segment"},
        "use verbose_json or srt or vtt",
    ),
    "concurrency": ({"max_concurrency": 0}, "max_concurrency"),
    "no cache here": ({"controls": {"cache": {"ttl": 60}}}, "cache"),
    "no thread here": ({"controls": {"thread": "t"}}, "thread"),
    "unknown": ({"langauge": "en"}, "Did you mean 'language'"),
    "a control": ({"fallbacks": ["a/b"]}, r"controls=RouterControls\(fallbacks"),
    "no source": ({"source": []}, "source"),
    "source of no kind": ({"source": 7}, "give a path"),
    "nested sources": ({"source": [["a.wav"]]}, "a list may hold"),
    "an empty path": ({"source": " "}, "names no file"),
    "resume": ({"resume": "/nowhere/at/all.db"}, "does not exist"),
    "window": ({"window_seconds": 0}, "window_seconds"),
    "nothing but overlap": ({"max_seconds": 3.0}, "allow more, or overlap less"),
}


@pytest.mark.parametrize(("given", "said"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_wrong_arguments_are_refused_at_once(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        transcriptions(router=OfflineRouter(), **{"source": "a.wav"} | given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"language": "en"}, "always into English"),
        ({"timestamp_granularities": ["word"]}, "always into English"),
        ({"model": "openai/gpt-4o-transcribe"}, "does not support translation"),
    ],
)
def test_a_translation_says_why_it_refuses(given: dict[str, Any], said: str) -> None:
    router = OfflineRouter()
    with pytest.raises(ValidationError, match=said):
        OrqTranslationLoader(
            **{"source": "a.wav", "model": WHISPER, "client": router.client()} | given
        )


@pytest.mark.parametrize("policy", ["raise", "skip", "mark"])
def test_what_would_strike_all_is_always_raised(folder: Path, policy: str) -> None:
    router = OfflineRouter(models=["openai/gpt-4o"])
    with pytest.raises(NotFoundError, match=r"a\.wav: "):
        transcriptions(folder, router, on_error=policy, max_concurrency=1).load()
    assert len(router.requests) == 1


def test_what_is_skipped_is_logged(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    router = OfflineRouter(faults={WHISPER: [400]})
    loader = transcriptions(folder, router, on_error="skip", max_concurrency=1)
    assert texts_of(loader) == TEXTS[1:]
    assert "a.wav" in caplog.text
    assert "BadRequestError" in caplog.text


def test_what_is_marked_says_why(folder: Path) -> None:
    router = OfflineRouter(faults={WHISPER: [400]})
    first, *rest = transcriptions(folder, router, on_error="mark", max_concurrency=1).load()
    assert first.page_content == "[not transcribed: BadRequestError]"
    assert first.metadata["error"].startswith("BadRequestError: ")
    assert [document.page_content for document in rest] == TEXTS[1:]


def test_the_bar_counts_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = sorted(map(str, folder.glob("*.wav")))
    transcriptions(files, OfflineRouter(), show_progress=True).load()
    shown = capsys.readouterr().err
    assert "2/2" in shown
    assert "0.1 min audio, 0 errors" in shown


def test_without_tqdm_the_bar_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "orq_router_integrations.document_loaders.progress.find_spec", lambda _: None
    )
    with pytest.raises(ValidationError, match=r"orq-router-integrations\[progress\]"):
        transcriptions("a.wav", OfflineRouter(), show_progress=True)


def test_hidden_files_are_left_alone(folder: Path) -> None:
    (folder / "._a.wav").write_bytes(b"not audio")
    (folder / ".cache").mkdir()
    recorded(folder / ".cache" / "x.wav")
    assert texts_of(transcriptions(folder, OfflineRouter())) == TEXTS


def test_a_repr_does_not_hold_the_recording() -> None:
    assert len(repr(transcriptions(recording(), OfflineRouter()))) < 1500


def test_words_of_a_translation_are_asked_for_in_its_own_way(folder: Path) -> None:
    router = OfflineRouter()
    loader = OrqTranslationLoader(
        source=folder / "a.wav", model=WHISPER, granularity="word", client=router.client()
    )
    assert texts_of(loader) == TEXTS[0].split()
    assert router.requests[0].body["timestamps_granularity"] == "word"


def test_an_error_is_the_same_in_both_ways(folder: Path) -> None:
    loader = transcriptions(recording("x"), OfflineRouter(faults={WHISPER: 422}))
    with pytest.raises(RouterError) as caught:
        loader.load()
    assert caught.value.status_code == 422


def test_importing_them_imports_nothing_heavy() -> None:
    code = "import sys; from orq_router_integrations import OrqTranscriptionLoader, OrqAudioParser;"
    code += "print(*{'av', 'tqdm', 'numpy', 'sqlalchemy', 'langchain'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []

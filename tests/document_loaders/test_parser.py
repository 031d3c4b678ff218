"""The blob parser: conventions, granularities, and the tasks."""

from pathlib import Path
from typing import Any

import pytest
from conformance.loaders import PicklingConformance
from conformance.parsers import ParserConformance, ParserSubject
from langchain_core.documents.base import Blob
from pydantic import ValidationError
from support.recordings import recorded, recording

from orq_router_integrations import OfflineRouter, OrqAudioParser
from orq_router_integrations.errors import InvalidResponseError, RouterInputError

WHISPER = "openai/whisper-1"
TEXT = "Good day. We meet at noon. Bring bread."


def parser(router: OfflineRouter | None = None, **options: Any) -> OrqAudioParser:
    client = (router or OfflineRouter()).client()
    return OrqAudioParser(**{"model": WHISPER, "client": client} | options)


class TestConformance(ParserConformance, PicklingConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> ParserSubject:
        router = OfflineRouter()
        return ParserSubject(
            make=lambda: parser(router, granularity="segment"),
            blobs=[
                Blob.from_data(recording(TEXT), metadata={"topic": "a meeting"}),
                Blob.from_path(recorded(tmp_path / "b.wav", "On disk.")),
            ],
            expected=[["Good day.", "We meet at noon.", "Bring bread."], ["On disk."]],
            bad=Blob.from_data(b"%PDF-1.7", metadata={"filename": "a.mp3"}),
            error=RouterInputError,
            fetched=lambda: len(router.requests),
        )

    @pytest.fixture
    def picklable(self, monkeypatch: pytest.MonkeyPatch) -> OrqAudioParser:
        monkeypatch.setenv("ORQ_API_KEY", "sk-orq-nobodys-key")
        return OrqAudioParser(model=WHISPER, controls={"retry": {"count": 1}}, language="en")


def told(blob: Blob, **options: Any) -> list[tuple[str, float, float]]:
    return [
        (document.page_content, document.metadata["start"], document.metadata["end"])
        for document in parser(**options).parse(blob)
    ]


def test_one_document_per_word() -> None:
    words = told(Blob.from_data(recording(TEXT)), granularity="word")
    assert [text for text, _, _ in words] == TEXT.split()
    assert all(start < end for _, start, end in words)


def test_one_document_per_window() -> None:
    windows = told(Blob.from_data(recording(TEXT)), granularity="window", window_seconds=1)
    assert " ".join(text for text, _, _ in windows) == TEXT
    assert len(windows) > 2
    assert [int(start // 1) for _, start, _ in windows] == list(range(len(windows)))


def scripted(body: Any) -> OrqAudioParser:
    """A parser whose router gives this reply."""
    import httpx
    from support.scripted_router import client_of

    return OrqAudioParser(
        model="elevenlabs/scribe_v1",
        granularity="speaker",
        client=client_of(lambda _: httpx.Response(200, json=body)),
    )


def test_one_document_per_turn_with_the_punctuation_of_the_text() -> None:
    said = [("Good", "a"), ("day", "a"), ("Who", "b"), ("are", "b"), ("you", "b"), ("Ann", "a")]
    words = [
        {"text": text, "start": at, "end": at + 0.9, "speaker_id": speaker}
        for at, (text, speaker) in enumerate(said)
    ]
    found = scripted({"text": "Good day! Who are you? Ann.", "words": words}).parse(
        Blob.from_data(recording())
    )
    turns = [(document.page_content, document.metadata["speaker"]) for document in found]
    assert turns == [("Good day!", "a"), ("Who are you?", "b"), ("Ann.", "a")]
    assert [(d.metadata["start"], d.metadata["end"]) for d in found] == [
        (0, 1.9),
        (2, 4.9),
        (5, 5.9),
    ]


def test_turns_ask_for_diarize_and_the_offline_router_has_one_voice() -> None:
    router = OfflineRouter()
    [turn] = parser(router, model="elevenlabs/scribe_v1", granularity="speaker").parse(
        Blob.from_data(recording(TEXT))
    )
    assert (turn.page_content, turn.metadata["speaker"]) == (TEXT, "speaker_0")
    assert router.requests[0].body["diarize"] == "true"


def test_speakers_of_a_recording_that_was_cut_are_told_by_piece() -> None:
    """Providers number them anew in every request: the first need not be the first again."""
    turns = parser(
        model="elevenlabs/scribe_v1",
        granularity="speaker",
        max_seconds=2.0,
        overlap_seconds=0.2,
    ).parse(Blob.from_data(recording(TEXT)))
    assert [turn.metadata["speaker"] for turn in turns][:2] == ["1:speaker_0", "2:speaker_0"]
    assert " ".join(turn.page_content for turn in turns) == TEXT


def test_a_reply_without_speakers_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(InvalidResponseError, match="diarize=True"):
        scripted({"text": "Hi", "words": [{"text": "Hi", "start": 0, "end": 1}]}).parse(
            Blob.from_data(recording())
        )


def test_a_silent_recording_is_one_document_without_text_and_no_segments() -> None:
    silence = Blob.from_data(recording("")[:44] + bytes(32_000))
    assert [document.page_content for document in parser().parse(silence)] == [""]
    assert parser(granularity="segment").parse(silence) == []


def test_translate_is_a_task() -> None:
    router = OfflineRouter()
    found = parser(router, task="translate", granularity="segment").parse(
        Blob.from_data(recording(TEXT))
    )
    assert found[0].metadata["language"] == "english"
    assert router.requests[0].path.endswith("/audio/translations")


@pytest.mark.parametrize(
    "given",
    [
        {"language": "en"},
        {"timestamp_granularities": ["word"], "response_format": "verbose_json"},
        {"model": "openai/gpt-4o-mini-transcribe"},
    ],
)
def test_a_translation_does_not_take_what_only_a_transcription_has(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="transl"):
        parser(task="translate", **given)


def test_the_name_that_is_sent_fits_the_bytes() -> None:
    router = OfflineRouter()
    blob = Blob.from_data(recording(), metadata={"filename": "voice message.OGG"})
    parser(router).parse(blob)
    assert router.requests[0].body["file"]["filename"] == "voice message.wav"


def test_text_in_a_blob_is_no_audio() -> None:
    with pytest.raises(RouterInputError, match="holds text"):
        parser().parse(Blob.from_data("Good day."))


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"granularity": "speaker", "diarize": False}, "diarize: granularity='speaker' needs it"),
        ({"granularity": "word", "timestamp_granularities": ["segment"]}, "brings no words"),
        ({"granularity": "segment", "timestamp_granularities": ["word"]}, "brings no segments"),
    ],
)
def test_what_cannot_make_the_documents_is_refused_before_it_is_paid_for(
    asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        parser(response_format="verbose_json", **asked)

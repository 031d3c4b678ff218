"""The blob parser: conformance, granularities and tasks."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance.documents import get_texts
from conformance.loaders import PicklingConformance
from conformance.parsers import ParserConformance, ParserSubject
from langchain_core.documents.base import Blob
from pydantic import ValidationError
from support.audio_loaders import WHISPER
from support.recordings import create_recording, save_recording
from support.scripted_router import create_client

from orq_router_integrations import OfflineRouter, OrqAudioParser
from orq_router_integrations.errors import InvalidResponseError, RouterInputError

TEXT = "Good day. We meet at noon. Bring bread."


def create_parser(router: OfflineRouter | None = None, **options: Any) -> OrqAudioParser:
    options = {"model": WHISPER} | options
    return OrqAudioParser(client=(router or OfflineRouter()).client(), **options)


class TestConformance(ParserConformance, PicklingConformance):
    @pytest.fixture
    def subject(self, tmp_path: Path) -> ParserSubject:
        router = OfflineRouter()
        return ParserSubject(
            create=lambda: create_parser(router, granularity="segment"),
            blobs=[
                Blob.from_data(create_recording(TEXT), metadata={"topic": "a meeting"}),
                Blob.from_path(save_recording(tmp_path / "b.wav", "On disk.")),
            ],
            expected=[["Good day.", "We meet at noon.", "Bring bread."], ["On disk."]],
            invalid_blob=Blob.from_data(b"%PDF-1.7", metadata={"filename": "a.mp3"}),
            error=RouterInputError,
            count_fetched=lambda: len(router.requests),
        )

    @pytest.fixture
    def picklable(self, monkeypatch: pytest.MonkeyPatch) -> OrqAudioParser:
        monkeypatch.setenv("ORQ_API_KEY", "sk-orq-nobodys-key")
        return OrqAudioParser(model=WHISPER, controls={"retry": {"count": 1}}, language="en")


def test_word_granularity_returns_a_document_per_word() -> None:
    words = create_parser(granularity="word").parse(Blob.from_data(create_recording(TEXT)))
    assert get_texts(words) == TEXT.split()
    assert all(word.metadata["start"] < word.metadata["end"] for word in words)


def test_window_granularity_returns_a_document_per_window() -> None:
    parser = create_parser(granularity="window", window_seconds=1)
    windows = parser.parse(Blob.from_data(create_recording(TEXT)))
    assert " ".join(get_texts(windows)) == TEXT
    assert len(windows) > 2
    starts = [int(window.metadata["start"] // 1) for window in windows]
    assert starts == list(range(len(windows)))


def create_speaker_parser(body: Any) -> OrqAudioParser:
    """Create a parser whose router returns ``body``."""
    return OrqAudioParser(
        model="elevenlabs/scribe_v1",
        granularity="speaker",
        client=create_client(lambda _: httpx.Response(200, json=body)),
    )


def test_speaker_turns_have_the_punctuation_of_the_text() -> None:
    labels = [("Good", "a"), ("day", "a"), ("Who", "b"), ("are", "b"), ("you", "b"), ("Ann", "a")]
    words = [
        {"text": text, "start": index, "end": index + 0.9, "speaker_id": speaker}
        for index, (text, speaker) in enumerate(labels)
    ]
    parser = create_speaker_parser({"text": "Good day! Who are you? Ann.", "words": words})
    turns = parser.parse(Blob.from_data(create_recording()))
    assert get_texts(turns) == ["Good day!", "Who are you?", "Ann."]
    assert [turn.metadata["speaker"] for turn in turns] == ["a", "b", "a"]
    times = [(turn.metadata["start"], turn.metadata["end"]) for turn in turns]
    assert times == [(0, 1.9), (2, 4.9), (5, 5.9)]


def test_speaker_granularity_requests_speakers() -> None:
    router = OfflineRouter()
    parser = create_parser(router, model="elevenlabs/scribe_v1", granularity="speaker")
    [turn] = parser.parse(Blob.from_data(create_recording(TEXT)))
    assert (turn.page_content, turn.metadata["speaker"]) == (TEXT, "speaker_0")
    assert router.requests[0].body["diarize"] == "true"


def test_speakers_of_a_split_recording_have_the_chunk_number() -> None:
    """Providers number the speakers of each request, so speaker_0 may be someone else."""
    parser = create_parser(
        model="elevenlabs/scribe_v1", granularity="speaker", max_seconds=2.0, overlap_seconds=0.2
    )
    turns = parser.parse(Blob.from_data(create_recording(TEXT)))
    assert [turn.metadata["speaker"] for turn in turns][:2] == ["1:speaker_0", "2:speaker_0"]
    assert " ".join(get_texts(turns)) == TEXT


def test_response_without_speakers_raises() -> None:
    parser = create_speaker_parser({"text": "Hi", "words": [{"text": "Hi", "start": 0, "end": 1}]})
    with pytest.raises(InvalidResponseError, match="does not contain speakers"):
        parser.parse(Blob.from_data(create_recording()))


def test_recording_without_speech_has_no_text() -> None:
    silence = Blob.from_data(create_recording("")[:44] + bytes(32_000))
    assert get_texts(create_parser().parse(silence)) == [""]
    assert create_parser(granularity="segment").parse(silence) == []


def test_translate_task_uses_its_own_endpoint() -> None:
    router = OfflineRouter()
    parser = create_parser(router, task="translate", granularity="segment")
    first, *_ = parser.parse(Blob.from_data(create_recording(TEXT)))
    assert first.metadata["language"] == "english"
    assert router.requests[0].path.endswith("/audio/translations")


@pytest.mark.parametrize(
    "options",
    [
        {"language": "en"},
        {"timestamp_granularities": ["word"], "response_format": "verbose_json"},
        {"model": "openai/gpt-4o-mini-transcribe"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_translate_task_rejects_what_it_does_not_support(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"task='translate'|does not support translation"):
        create_parser(task="translate", **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"granularity": "speaker", "diarize": False},
            "diarize: False does not support granularity='speaker'",
        ),
        (
            {"granularity": "word", "timestamp_granularities": ["segment"]},
            "granularity='word'",
        ),
        (
            {"granularity": "segment", "timestamp_granularities": ["word"]},
            "granularity='segment'",
        ),
    ],
    ids=["speaker", "word", "segment"],
)
def test_parameters_that_exclude_the_granularity_raise(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        create_parser(response_format="verbose_json", **options)


def test_suffix_of_the_sent_name_is_corrected() -> None:
    router = OfflineRouter()
    blob = Blob.from_data(create_recording(), metadata={"filename": "voice message.OGG"})
    create_parser(router).parse(blob)
    assert router.requests[0].body["file"]["filename"] == "voice message.wav"


def test_argument_that_is_not_a_blob_raises() -> None:
    with pytest.raises(RouterInputError, match="Expected a Blob, got str"):
        create_parser().parse("a.wav")

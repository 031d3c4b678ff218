"""Long recordings with known words, and a router for other processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.recordings import create_wav
from support.served_router import serve_router

from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.testing.media.tone_codec import decode_speech, encode_speech
from orq_router_integrations.wire.subtitles import Span

TOPICS = ["bread", "wine", "Zo\u00eb", "the the sea"]


class LongRecording(NamedTuple):
    """A WAV file and the words in it."""

    path: Path
    text: str
    words: list[Span]


def build_text(sentence_count: int) -> str:
    """Build sentences of different lengths that repeat many words, a hard case for stitching."""
    return " ".join(
        f"Point {number}, of {number % 7 * 'very ' or 'some '}great weight, is about "
        f"{TOPICS[number % 4]}."
        for number in range(sentence_count)
    )


def record(path: Path, sentence_count: int, sample_rate: int) -> LongRecording:
    text = build_text(sentence_count)
    pcm = encode_speech(text, rate=sample_rate)
    path.write_bytes(create_wav(pcm, rate=sample_rate))
    return LongRecording(path, text, decode_speech(pcm, rate=sample_rate))


@pytest.fixture(scope="session")
def hour(tmp_path_factory: pytest.TempPathFactory) -> LongRecording:
    """More than an hour of speech."""
    recording = record(tmp_path_factory.mktemp("hour") / "hour.wav", 940, 16_000)
    assert recording.words[-1].end > 3600
    return recording


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> LongRecording:
    """A few minutes of speech."""
    return record(tmp_path_factory.mktemp("talk") / "talk.wav", 100, 8_000)


@pytest.fixture
def served_router(monkeypatch: pytest.MonkeyPatch) -> Iterator[OfflineRouter]:
    """An offline router on a loopback port, configured by environment variables."""
    router = OfflineRouter()
    with serve_router(router) as url:
        monkeypatch.setenv("ORQ_BASE_URL", url)
        monkeypatch.setenv("ORQ_API_KEY", "sk-orq-nobodys-key")
        yield router

"""An hour of speech, made once; and a router that can be asked by other processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.recordings import wav
from support.served_router import served

from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.testing.media.tone_codec import Word, decode_speech, encode_speech

TOPICS = ["bread", "wine", "Zo\u00eb", "the the sea"]


class Spoken(NamedTuple):
    """A recording on disk, and what is said in it when."""

    path: Path
    text: str
    words: list[Word]


def long_text(sentences: int) -> str:
    """Sentences of different lengths, with words that come again and again."""
    return " ".join(
        f"Point {number}, of {number % 7 * 'very ' or 'some '}great weight, is about "
        f"{TOPICS[number % 4]}."
        for number in range(sentences)
    )


def spoken(path: Path, sentences: int, rate: int) -> Spoken:
    text = long_text(sentences)
    pcm = encode_speech(text, rate=rate)
    path.write_bytes(wav(pcm, rate=rate))
    return Spoken(path, text, decode_speech(pcm, rate=rate))


@pytest.fixture(scope="session")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """More than an hour, in 16 kHz."""
    found = spoken(tmp_path_factory.mktemp("hour") / "hour.wav", 940, 16_000)
    assert found.words[-1].end > 3600
    return found


@pytest.fixture(scope="session")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """A few minutes, in 8 kHz."""
    return spoken(tmp_path_factory.mktemp("talk") / "talk.wav", 100, 8_000)


@pytest.fixture
def served_router(monkeypatch: pytest.MonkeyPatch) -> Iterator[OfflineRouter]:
    """An offline router on a loopback port; the environment leads to it."""
    router = OfflineRouter()
    with served(router) as url:
        monkeypatch.setenv("ORQ_BASE_URL", url)
        monkeypatch.setenv("ORQ_API_KEY", "sk-orq-nobodys-key")
        yield router

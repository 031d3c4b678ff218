"""An hour of speech, made once; and a router that can be asked by other processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from support.recordings import wav
from support.served_router import served

from orq_router_integrations.offline import OfflineRouter
from orq_router_integrations.offline.media.tones import Word, hear, speak

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


@pytest.fixture(scope="session")
def hour(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    text = long_text(860)
    pcm = speak(text)
    assert len(pcm) / 32_000 > 3600
    path = tmp_path_factory.mktemp("hour") / "hour.wav"
    path.write_bytes(wav(pcm))
    return Spoken(path, text, hear(pcm))


@pytest.fixture
def served_router(monkeypatch: pytest.MonkeyPatch) -> Iterator[OfflineRouter]:
    """An offline router on a loopback port; the environment leads to it."""
    router = OfflineRouter()
    with served(router) as url:
        monkeypatch.setenv("ORQ_BASE_URL", url)
        monkeypatch.setenv("ORQ_API_KEY", "sk-orq-nobodys-key")
        yield router

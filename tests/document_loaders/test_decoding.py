"""Recordings that are no WAV: cut all the same, through PyAV, on disk."""

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from conformance.documents import texts
from support.recordings import recorded

from orq_router_integrations import OfflineRouter, OrqTranscriptionLoader
from orq_router_integrations.document_loaders import decoding
from orq_router_integrations.errors import RouterInputError

WHISPER = "openai/whisper-1"
TEXT = " ".join(f"Sentence {number} of this long talk." for number in range(24))


def encoded(path: Path, codec: str, *, rate: int) -> Path:
    """The talk in another format."""
    source = recorded(path.with_name("talk.wav"), TEXT, rate=rate)
    with av.open(str(source)) as given, av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 192_000
        for frame in (*given.decode(audio=0), None):
            if frame is not None:
                frame.pts, frame.time_base = None, Fraction(1, rate)
            target.mux(stream.encode(frame))
    return path


def loader(path: Any, router: OfflineRouter, **options: Any) -> OrqTranscriptionLoader:
    return OrqTranscriptionLoader(source=path, model=WHISPER, client=router.client(), **options)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("talk.flac", "flac", 44_100),
        ("talk.mp3", "libmp3lame", 44_100),
        ("talk.ogg", "libopus", 48_000),
        ("talk.m4a", "aac", 44_100),
    ],
)
def test_words_come_back_from_every_format(
    tmp_path: Path, name: str, codec: str, rate: int
) -> None:
    path = encoded(tmp_path / name, codec, rate=rate)
    router = OfflineRouter()
    documents = loader(path, router, granularity="word", max_seconds=20.0).load()
    assert texts(documents) == TEXT.split()
    assert len(router.requests) > 2
    names = {request.body["file"]["filename"] for request in router.requests}
    assert {"talk.001.wav", "talk.002.wav", "talk.003.wav"} <= names
    starts = [document.metadata["start"] for document in documents]
    assert starts == sorted(starts)
    [whole] = loader(tmp_path / "talk.wav", router, response_format="verbose_json").load()
    assert documents[-1].metadata["end"] == pytest.approx(whole.metadata["duration"] - 0.4, abs=0.1)


def test_what_is_small_enough_goes_up_as_it_is(tmp_path: Path) -> None:
    path = encoded(tmp_path / "talk.flac", "flac", rate=16_000)
    router = OfflineRouter()
    loader(path, router, max_seconds=90.0).load()
    assert [r.body["file"]["size"] for r in router.requests] == [path.stat().st_size]


async def test_it_is_cut_by_size_too_and_nothing_stays_on_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = encoded(tmp_path / "talk.flac", "flac", rate=16_000)
    router = OfflineRouter()
    documents = await loader(path, router, max_bytes=200_000, overlap_seconds=0.5).aload()
    assert texts(documents) == [TEXT]
    assert len(router.requests) > 5
    assert sorted(os.listdir(tmp_path)) == ["talk.flac", "talk.wav"]


def test_without_pyav_the_error_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encoded(tmp_path / "talk.flac", "flac", rate=16_000)
    monkeypatch.setattr(decoding, "find_spec", lambda _: None)
    router = OfflineRouter()
    both = [tmp_path / "talk.wav", path]
    with pytest.raises(RouterInputError, match=r"orq-router-integrations\[audio\]"):
        loader(both, router, max_bytes=100_000).lazy_load()
    assert router.requests == []


def test_what_cannot_be_decoded_is_an_input_error(tmp_path: Path) -> None:
    path = tmp_path / "junk.flac"
    path.write_bytes(b"fLaC" + b"\x01\x02\x03" * 2000)
    with pytest.raises(RouterInputError, match="cannot be decoded"):
        loader(path, OfflineRouter(), max_bytes=1024).load()

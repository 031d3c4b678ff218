"""Splitting of recordings that must be decoded with PyAV first."""

import os
import struct
from fractions import Fraction
from pathlib import Path

import av
import pytest
from conformance.documents import get_texts
from support.audio_loaders import create_loader, load_texts
from support.recordings import save_recording

from orq_router_integrations import OfflineRouter
from orq_router_integrations.document_loaders import sources
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.wav import build_wav_header

TEXT = " ".join(f"Sentence {number} of this long talk." for number in range(24))


def encode(path: Path, codec: str, *, rate: int) -> Path:
    """Record ``TEXT`` and encode it with a codec."""
    source = save_recording(path.with_name("talk.wav"), TEXT, rate=rate)
    with av.open(str(source)) as container, av.open(str(path), "w") as target:
        stream = target.add_stream(codec, rate=rate, layout="mono")
        stream.bit_rate = 192_000
        for frame in (*container.decode(audio=0), None):
            if frame is not None:
                frame.pts, frame.time_base = None, Fraction(1, rate)
            target.mux(stream.encode(frame))
    return path


@pytest.fixture
def without_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_spec", lambda _: None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("filename", "codec", "rate"),
    [
        ("talk.flac", "flac", 44_100),
        ("talk.mp3", "libmp3lame", 44_100),
        ("talk.ogg", "libopus", 48_000),
        ("talk.m4a", "aac", 44_100),
    ],
)
def test_all_words_are_found_in_each_format(
    tmp_path: Path, filename: str, codec: str, rate: int
) -> None:
    path = encode(tmp_path / filename, codec, rate=rate)
    router = OfflineRouter()
    documents = create_loader(path, router, granularity="word", max_seconds=20.0).load()
    assert get_texts(documents) == TEXT.split()
    assert len(router.requests) > 2
    filenames = {request.body["file"]["filename"] for request in router.requests}
    assert {"talk.001.wav", "talk.002.wav", "talk.003.wav"} <= filenames
    starts = [document.metadata["start"] for document in documents]
    assert starts == sorted(starts)
    wav_loader = create_loader(tmp_path / "talk.wav", response_format="verbose_json")
    duration = wav_loader.load()[0].metadata["duration"]
    assert documents[-1].metadata["end"] == pytest.approx(duration - 0.4, abs=0.1)


def test_short_recording_is_sent_unchanged(tmp_path: Path) -> None:
    path = encode(tmp_path / "talk.flac", "flac", rate=16_000)
    router = OfflineRouter()
    create_loader(path, router, max_seconds=90.0).load()
    assert [r.body["file"]["size"] for r in router.requests] == [path.stat().st_size]


@pytest.mark.slow
async def test_large_file_is_split_and_temporary_files_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    path = encode(tmp_path / "talk.flac", "flac", rate=16_000)
    router = OfflineRouter()
    documents = await create_loader(path, router, max_bytes=200_000, overlap_seconds=0.5).aload()
    assert get_texts(documents) == [TEXT]
    assert len(router.requests) > 5
    assert sorted(os.listdir(tmp_path)) == ["talk.flac", "talk.wav"]


@pytest.mark.usefixtures("without_pyav")
def test_missing_pyav_raises_for_large_files(tmp_path: Path) -> None:
    path = encode(tmp_path / "talk.flac", "flac", rate=16_000)
    router = OfflineRouter()
    with pytest.raises(RouterInputError, match="pip install av"):
        create_loader([tmp_path / "talk.wav", path], router, max_bytes=100_000).lazy_load()
    assert router.requests == []


@pytest.mark.usefixtures("without_pyav")
@pytest.mark.parametrize("filename", ["compressed.wav", "b.mp3"])
def test_missing_pyav_raises_if_the_duration_is_limited(tmp_path: Path, filename: str) -> None:
    """The check precedes the first request. A compressed WAV file cannot be sliced either."""
    format_chunk = struct.pack("<HHIIHHHH", 0x11, 1, 8000, 4055, 256, 4, 2, 505)
    compressed = build_wav_header(format_chunk, 25_600) + bytes(25_600)
    (tmp_path / "compressed.wav").write_bytes(compressed)
    (tmp_path / "b.mp3").write_bytes(b"ID3" + bytes(2000))
    router = OfflineRouter()
    sources = [save_recording(tmp_path / "a.wav"), tmp_path / filename]
    with pytest.raises(RouterInputError, match="requires PyAV"):
        create_loader(sources, router, max_seconds=60).lazy_load()
    assert router.requests == []


def test_undecodable_file_raises(tmp_path: Path) -> None:
    path = tmp_path / "junk.flac"
    path.write_bytes(b"fLaC" + b"\x01\x02\x03" * 2000)
    with pytest.raises(RouterInputError, match="Cannot decode"):
        load_texts(create_loader(path, max_bytes=1024))

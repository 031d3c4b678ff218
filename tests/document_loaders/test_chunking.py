"""Splitting of recordings: size limits, overlap, cuts at pauses, and decoding with PyAV."""

import os
import struct
import wave
from fractions import Fraction
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import av
import pytest
from conformance.documents import get_texts
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents.base import Blob
from support.audio_loaders import create_loader, load_texts
from support.recordings import create_wav, save_recording

from orq_router_integrations import OfflineRouter
from orq_router_integrations.document_loaders import sources
from orq_router_integrations.document_loaders.chunking import ChunkLimits, WavReader, split_wav
from orq_router_integrations.document_loaders.sources import create_audio_upload
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.wav import build_wav_header
from orq_router_integrations.testing.media.tone_codec import decode_speech, encode_speech
from orq_router_integrations.wire.call import Upload

RATE = 8000


def create_reader(data: bytes) -> WavReader:
    reader = WavReader.from_upload(create_audio_upload(Blob.from_data(data)))
    assert reader is not None
    return reader


def create_limits(max_seconds: float | None = None, overlap_seconds: float = 2.0) -> ChunkLimits:
    return ChunkLimits(max_bytes=10**9, max_seconds=max_seconds, overlap_seconds=overlap_seconds)


def read(upload: Upload) -> bytes:
    with upload.open() as stream:
        return stream.read()


@pytest.mark.slow
@given(
    st.integers(1, 60 * RATE),
    st.floats(1.5, 30),
    st.floats(0, 1),
    st.sampled_from([(1, 2), (2, 2), (1, 1), (2, 3)]),
)
def test_chunks_cover_all_frames_within_the_limit(
    frame_count: int, max_seconds: float, overlap: float, format_: tuple[int, int]
) -> None:
    channels, width = format_
    data = create_wav(
        bytes(frame_count * channels * width), rate=RATE, channels=channels, width=width
    )
    chunks = split_wav(create_reader(data), create_limits(max_seconds, overlap), "a.wav")
    assert chunks[0].start_seconds == 0
    assert chunks[-1].end_seconds == frame_count / RATE
    for chunk in chunks:
        assert chunk.end_seconds - chunk.start_seconds <= max_seconds + 1 / RATE
        assert len(read(chunk.upload)) == chunk.upload.size
    for previous, chunk in pairwise(chunks):
        shared = previous.end_seconds - chunk.start_seconds
        assert shared == pytest.approx(overlap, abs=3 / RATE)
        assert previous.start_seconds < chunk.start_seconds < previous.end_seconds + 1 / RATE


def test_chunks_are_valid_wav_files() -> None:
    pcm = encode_speech("One. Two. Three. Four. Five. Six.", rate=RATE)
    limits = ChunkLimits(max_bytes=30_000, overlap_seconds=0.2)
    chunks = split_wav(create_reader(create_wav(pcm, rate=RATE)), limits, "talk.x.wav")
    assert [chunk.upload.filename for chunk in chunks[:2]] == ["talk.x.001.wav", "talk.x.002.wav"]
    for chunk in chunks:
        assert chunk.upload.size <= 30_000
        with wave.open(BytesIO(read(chunk.upload))) as file:
            start = 2 * int(chunk.start_seconds * RATE)
            assert file.getframerate() == RATE
            assert file.readframes(file.getnframes()) == pcm[start:][: chunk.upload.size - 44]


def test_cuts_are_in_pauses() -> None:
    pcm = encode_speech("A sentence of some words. " * 20, rate=RATE)
    chunks = split_wav(create_reader(create_wav(pcm, rate=RATE)), create_limits(20.0), "a.wav")
    words = decode_speech(pcm, rate=RATE)
    for previous, chunk in pairwise(chunks):
        cut = (previous.end_seconds + chunk.start_seconds) / 2
        assert not any(word.start - 0.1 < cut < word.end + 0.1 for word in words)


def test_audio_without_pauses_is_cut_at_the_limit() -> None:
    reader = create_reader(create_wav(b"\0\x40" * RATE * 10, rate=RATE))
    chunks = split_wav(reader, create_limits(4, overlap_seconds=0), "a.wav")
    assert [chunk.start_seconds for chunk in chunks] == [0, 4, 8]


@pytest.mark.parametrize("seconds", [0.06, 0.4])
def test_cut_is_in_the_longest_pause_even_if_it_is_short(seconds: float) -> None:
    samples = bytearray(b"\0\x40" * RATE * 10)
    start = int(3.5 * RATE)
    samples[2 * start : 2 * (start + int(seconds * RATE))] = bytes(2 * int(seconds * RATE))
    reader = create_reader(create_wav(bytes(samples), rate=RATE))
    chunks = split_wav(reader, create_limits(4, overlap_seconds=0), "a.wav")
    assert chunks[1].start_seconds == pytest.approx(3.5 + seconds / 2, abs=0.02)


def test_float_samples_are_cut_at_the_limit() -> None:
    """Pauses are only searched for in integer samples."""
    format_chunk = struct.pack("<HHIIHH", 3, 1, RATE, 4 * RATE, 4, 32)
    samples = struct.pack("<f", 0.5) * RATE * 5
    reader = create_reader(build_wav_header(format_chunk, len(samples)) + samples)
    chunks = split_wav(reader, create_limits(2, overlap_seconds=0), "a.wav")
    assert [chunk.start_seconds for chunk in chunks] == [0, 2, 4]
    expected = build_wav_header(format_chunk, 8 * RATE) + samples[: 8 * RATE]
    assert read(chunks[1].upload) == expected


def test_overlap_that_exceeds_the_chunks_raises() -> None:
    reader = create_reader(create_wav(bytes(20 * RATE), rate=RATE))
    with pytest.raises(RouterInputError, match=r"max_bytes, .* 2 seconds .* overlap_seconds=2\."):
        split_wav(reader, ChunkLimits(max_bytes=4 * RATE + 44), "a.wav")


@pytest.mark.parametrize(
    "data",
    [b"RIFF\0\0\0\0WAVEjunk", b"RIFF\0\0\0\0WAVE" + b"x" * 99],
    ids=["truncated header", "no format"],
)
def test_invalid_header_returns_none(data: bytes) -> None:
    assert WavReader.from_upload(create_audio_upload(Blob.from_data(data))) is None


def test_duration_is_that_of_the_data_in_the_file() -> None:
    data = create_wav(bytes(4 * RATE), rate=RATE)
    truncated = data[: -2 * RATE]
    assert create_reader(truncated).duration_seconds == 1
    streamed = data[:40] + b"\xff\xff\xff\xff" + data[44:]  # the size was unknown when written
    assert create_reader(streamed).duration_seconds == 2


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

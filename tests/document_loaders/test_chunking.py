"""Splitting of WAV files: size limits, overlap and cuts at pauses."""

import struct
import wave
from io import BytesIO
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents.base import Blob
from support.recordings import create_wav

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


def test_audio_without_pauses_is_cut_where_it_is_quietest() -> None:
    samples = bytearray(b"\0\x40\0\xc0" * RATE * 5)
    samples[2 * 35 * RATE // 10 : 2 * 4 * RATE] = b"\0\x20\0\xe0" * (RATE // 4)
    reader = create_reader(create_wav(bytes(samples), rate=RATE))
    chunks = split_wav(reader, create_limits(4, overlap_seconds=0), "a.wav")
    assert [chunk.start_seconds for chunk in chunks] == pytest.approx([0, 3.75, 7.5], abs=0.02)


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
    with pytest.raises(RouterInputError, match="reduce overlap_seconds"):
        split_wav(reader, create_limits(2.0), "a.wav")


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

"""Cutting: every frame is in a piece, no piece is too large, and cuts are quiet."""

import struct
import wave
from io import BytesIO
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.documents.base import Blob
from support.recordings import wav

from orq_router_integrations.document_loaders.chunking import ChunkLimits, partition, split_wav
from orq_router_integrations.document_loaders.sources import create_recording
from orq_router_integrations.document_loaders.wav_reader import WavReader
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.wav import build_wav_header
from orq_router_integrations.testing.media.tone_codec import decode_speech, encode_speech

RATE = 8000


def frames_of(data: bytes) -> WavReader:
    found = WavReader.from_recording(create_recording(Blob.from_data(data)))
    assert found is not None
    return found


def content(upload: Any) -> bytes:
    with upload.open() as stream:
        return stream.read()


@given(
    st.integers(1, 60 * RATE),
    st.floats(1.5, 30),
    st.floats(0, 1),
    st.sampled_from([(1, 2), (2, 2), (1, 1), (2, 3)]),
)
def test_every_frame_is_in_a_piece_and_none_is_too_large(
    count: int, seconds: float, overlap: float, shape: tuple[int, int]
) -> None:
    channels, width = shape
    found = frames_of(
        wav(bytes(count * channels * width), rate=RATE, channels=channels, width=width)
    )
    limits = ChunkLimits(max_bytes=10**9, max_seconds=seconds, overlap_seconds=overlap)
    pieces = split_wav(found, limits, "a.wav")
    assert pieces[0].start_seconds == 0
    assert pieces[-1].end_seconds == count / RATE
    for piece in pieces:
        assert piece.end_seconds - piece.start_seconds <= seconds + 1 / RATE
        assert len(content(piece.upload)) == piece.upload.size
    for before, piece in pairwise(pieces):
        assert before.end_seconds - piece.start_seconds == pytest.approx(overlap, abs=3 / RATE)
        assert before.start_seconds < piece.cut_seconds < piece.end_seconds


def test_pieces_are_files_that_others_can_read() -> None:
    pcm = encode_speech("One. Two. Three. Four. Five. Six.", rate=RATE)
    limits = ChunkLimits(max_bytes=30_000, overlap_seconds=0.2)
    pieces = split_wav(frames_of(wav(pcm, rate=RATE)), limits, "talk.x.wav")
    assert [piece.upload.filename for piece in pieces[:2]] == ["talk.x.001.wav", "talk.x.002.wav"]
    for piece in pieces:
        assert piece.upload.size <= 30_000
        with wave.open(BytesIO(content(piece.upload))) as file:
            start = int(piece.start_seconds * RATE)
            assert file.getframerate() == RATE
            assert file.readframes(file.getnframes()) == pcm[2 * start :][: piece.upload.size - 44]


def test_cuts_are_in_the_midst_of_pauses() -> None:
    text = "A sentence of some words. " * 20
    pcm = encode_speech(text, rate=RATE)
    found = frames_of(wav(pcm, rate=RATE))
    pieces = split_wav(found, ChunkLimits(max_bytes=10**9, max_seconds=20.0), "a.wav")
    words = decode_speech(pcm, rate=RATE)
    for piece in pieces[1:]:
        assert not any(word.start - 0.1 < piece.cut_seconds < word.end + 0.1 for word in words)


def test_where_nothing_is_quiet_the_cut_is_at_the_limit() -> None:
    found = frames_of(wav(b"\0\x40" * RATE * 10, rate=RATE))
    pieces = split_wav(
        found, ChunkLimits(max_bytes=10**9, max_seconds=4, overlap_seconds=0), "a.wav"
    )
    assert [piece.start_seconds for piece in pieces] == [0, 4, 8]


def test_floating_point_samples_are_cut_at_the_limit() -> None:
    shape = struct.pack("<HHIIHH", 3, 1, RATE, 4 * RATE, 4, 32)
    samples = struct.pack("<f", 0.5) * RATE * 5
    found = frames_of(build_wav_header(shape, len(samples)) + samples)
    limits = ChunkLimits(max_bytes=10**9, max_seconds=2, overlap_seconds=0)
    pieces = split_wav(found, limits, "a.wav")
    assert [piece.start_seconds for piece in pieces] == [0, 2, 4]
    assert content(pieces[1].upload) == build_wav_header(shape, 8 * RATE) + samples[: 8 * RATE]


@pytest.mark.parametrize("data", [b"RIFF\0\0\0\0WAVEjunk", b"RIFF\0\0\0\0WAVE" + b"x" * 99])
def test_a_wav_without_a_readable_head_has_no_frames(data: bytes) -> None:
    assert WavReader.from_recording(create_recording(Blob.from_data(data))) is None


def test_a_limit_that_leaves_no_room_is_refused() -> None:
    found = frames_of(wav(bytes(20 * RATE), rate=RATE))
    with pytest.raises(RouterInputError, match="allow more, or overlap less"):
        split_wav(found, ChunkLimits(max_bytes=10**9, max_seconds=2.0), "a.wav")


def test_a_file_that_promises_more_than_it_holds_is_read_as_far_as_it_goes() -> None:
    data = wav(bytes(4 * RATE), rate=RATE)
    assert frames_of(data[: -2 * RATE]).duration_seconds == 1
    streamed = data[:40] + b"\xff\xff\xff\xff" + data[44:]
    assert frames_of(streamed).duration_seconds == 2


@given(st.integers(1, 30), st.integers(1, 12))
def test_lanes_hold_all_pieces_in_order(pieces: int, count: int) -> None:
    lanes = partition(range(pieces), count)
    assert [piece for lane in lanes for piece in lane] == list(range(pieces))
    assert len(lanes) == min(pieces, count)
    assert max(map(len, lanes)) - min(map(len, lanes)) <= 1

"""Readers of WAV files; slicing and pauses are covered by ``test_chunking``."""

import pytest
from langchain_core.documents.base import Blob
from support.recordings import create_wav

from orq_router_integrations.document_loaders.sources import create_recording
from orq_router_integrations.document_loaders.wav_reader import WavReader

RATE = 8000


def create_reader(data: bytes) -> WavReader | None:
    return WavReader.from_recording(create_recording(Blob.from_data(data)))


@pytest.mark.parametrize(
    "data",
    [b"RIFF\0\0\0\0WAVEjunk", b"RIFF\0\0\0\0WAVE" + b"x" * 99],
    ids=["truncated header", "no format"],
)
def test_invalid_header_returns_none(data: bytes) -> None:
    assert create_reader(data) is None


def test_duration_is_that_of_the_data_in_the_file() -> None:
    data = create_wav(bytes(4 * RATE), rate=RATE)
    truncated = data[: -2 * RATE]
    assert create_reader(truncated).duration_seconds == 1
    streamed = data[:40] + b"\xff\xff\xff\xff" + data[44:]  # the size was unknown when written
    assert create_reader(streamed).duration_seconds == 2

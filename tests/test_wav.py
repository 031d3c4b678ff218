"""Heads of WAV files, read and written."""

import io
import wave

import pytest
from support.audio_samples import samples, wav

from orq_router_integrations.wav import LONGEST_HEAD, head_bytes, pcm_shape, wav_head


@pytest.mark.parametrize(
    ("rate", "channels", "bits"), [(8000, 1, 16), (44100, 2, 24), (22050, 1, 8)]
)
def test_what_is_written_is_read_by_everyone(rate, channels, bits):
    shape = pcm_shape(rate, channels, bits)
    data = head_bytes(shape, 24) + bytes(24)
    with wave.open(io.BytesIO(data)) as sound:
        found = (sound.getframerate(), sound.getnchannels(), 8 * sound.getsampwidth())
    assert found == (rate, channels, bits)
    head = wav_head(data)
    assert head is not None
    assert (head.rate, head.channels, head.start, head.size) == (rate, channels, 44, 24)
    assert (head.block, head.bytes_per_second) == (
        channels * bits // 8,
        rate * channels * bits // 8,
    )


@pytest.mark.parametrize("size", ["open", "zero", "placeholder"])
def test_a_size_that_is_left_open_is_none(size):
    head = wav_head(wav(samples(5), size=size))
    assert head is not None
    assert head.size is None


def test_more_bytes_are_needed_until_the_samples_begin():
    data = wav(samples(5), before=b"LIST\x05\0\0\0INFOx\0")
    start = len(data) - 10
    assert [wav_head(data[:end]) for end in range(start)] == [None] * start
    assert wav_head(data[:start]).start == start


@pytest.mark.parametrize(
    "data",
    [
        b"RIFX",
        b"ID3",
        b"RIFF\0\0\0\0AVI ",
        b"RIFF\0\0\0\0WAVEdata\0\0\0\0",
        b"RIFF\0\0\0\0WAVEJUNK" + (LONGEST_HEAD + 1).to_bytes(4, "little") + bytes(8),
    ],
)
def test_what_is_no_wav(data):
    with pytest.raises(ValueError, match="WAV"):
        wav_head(data)


def test_a_file_too_large_for_its_head_leaves_the_size_open():
    assert head_bytes(pcm_shape(8000), 1 << 32) == head_bytes(pcm_shape(8000), None)

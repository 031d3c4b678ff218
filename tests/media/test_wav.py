"""Heads of WAV files, read and written."""

import io
import struct
import wave

import pytest
from support.audio_samples import samples, wav

from orq_router_integrations.media.wav import (
    MAX_HEADER_BYTES,
    build_pcm_format,
    build_wav_header,
    parse_wav_header,
)


@pytest.mark.parametrize(
    ("rate", "channels", "bits"), [(8000, 1, 16), (44100, 2, 24), (22050, 1, 8)]
)
def test_what_is_written_is_read_by_everyone(rate, channels, bits):
    shape = build_pcm_format(rate, channels, bits)
    data = build_wav_header(shape, 24) + bytes(24)
    with wave.open(io.BytesIO(data)) as sound:
        found = (sound.getframerate(), sound.getnchannels(), 8 * sound.getsampwidth())
    assert found == (rate, channels, bits)
    head = parse_wav_header(data)
    assert head is not None
    assert (head.sample_rate, head.channels, head.data_offset, head.data_size) == (
        rate,
        channels,
        44,
        24,
    )
    assert (head.block_size, head.bytes_per_second) == (
        channels * bits // 8,
        rate * channels * bits // 8,
    )


@pytest.mark.parametrize("size", ["open", "zero", "placeholder"])
def test_a_size_that_is_left_open_is_none(size):
    head = parse_wav_header(wav(samples(5), size=size))
    assert head is not None
    assert head.data_size is None


def test_more_bytes_are_needed_until_the_samples_begin():
    data = wav(samples(5), before=b"LIST\x05\0\0\0INFOx\0")
    start = len(data) - 10
    assert [parse_wav_header(data[:end]) for end in range(start)] == [None] * start
    assert parse_wav_header(data[:start]).data_offset == start


@pytest.mark.parametrize(
    "data",
    [
        b"RIFX",
        b"ID3",
        b"RIFF\0\0\0\0AVI ",
        b"RIFF\0\0\0\0WAVEdata\0\0\0\0",
        b"RIFF\0\0\0\0WAVEJUNK" + (MAX_HEADER_BYTES + 1).to_bytes(4, "little") + bytes(8),
    ],
)
def test_what_is_no_wav(data):
    with pytest.raises(ValueError, match="WAV"):
        parse_wav_header(data)


def test_a_file_too_large_for_its_head_leaves_the_size_open():
    assert build_wav_header(build_pcm_format(8000), 1 << 32) == build_wav_header(
        build_pcm_format(8000), None
    )


def test_packed_samples_and_heads_that_disagree_are_not_plain() -> None:
    def told(*shape: int) -> tuple[bool, int]:
        head = parse_wav_header(build_wav_header(struct.pack("<HHIIHH", *shape), 0))
        return head.is_sliceable, head.format_tag

    assert told(1, 2, 8000, 32000, 4, 16) == (True, 1)
    assert told(3, 1, 8000, 32000, 4, 32) == (True, 3)
    assert told(1, 0, 8000, 16000, 2, 16) == (False, 1)  # no channels
    assert told(1, 2, 8000, 16000, 1, 16) == (False, 1)  # blocks smaller than a sample
    assert told(0x11, 1, 8000, 4055, 256, 4) == (False, 0x11)  # ADPCM: many samples in a block


def test_the_longer_form_of_a_head_says_further_behind_what_samples_are() -> None:
    shape = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 24000, 3, 24, 22, 24, 4)
    for coding in (1, 3):
        guid = struct.pack("<H", coding) + bytes.fromhex("00000000 1000 8000 00aa00389b71")
        head = parse_wav_header(build_wav_header(shape + guid, 0))
        assert (head.is_sliceable, head.format_tag) == (True, coding)

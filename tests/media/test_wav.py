"""Parsing and building the headers of WAV files."""

import io
import struct
import wave

import pytest
from support.audio_samples import create_samples, create_wav

from orq_router_integrations.media.wav import (
    MAX_HEADER_BYTES,
    build_pcm_format,
    build_wav_header,
    parse_wav_header,
)


@pytest.mark.parametrize(
    ("rate", "channels", "bits"), [(8000, 1, 16), (44100, 2, 24), (22050, 1, 8)]
)
def test_built_header_is_read_by_the_standard_library(rate, channels, bits):
    format_chunk = build_pcm_format(rate, channels, bits)
    data = build_wav_header(format_chunk, 24) + bytes(24)
    with wave.open(io.BytesIO(data)) as sound:
        parsed = (sound.getframerate(), sound.getnchannels(), 8 * sound.getsampwidth())
    assert parsed == (rate, channels, bits)
    header = parse_wav_header(data)
    assert header is not None
    assert (header.sample_rate, header.channels, header.data_offset, header.data_size) == (
        rate,
        channels,
        44,
        24,
    )
    assert (header.block_size, header.bytes_per_second) == (
        channels * bits // 8,
        rate * channels * bits // 8,
    )


@pytest.mark.parametrize("size", ["open", "zero", "placeholder"])
def test_unknown_size_is_none(size):
    header = parse_wav_header(create_wav(create_samples(5), size=size))
    assert header is not None
    assert header.data_size is None


def test_incomplete_header_returns_none():
    data = create_wav(create_samples(5), before=b"LIST\x05\0\0\0INFOx\0")
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
def test_other_data_raises(data):
    with pytest.raises(ValueError, match="WAV"):
        parse_wav_header(data)


def test_size_of_4_gb_is_written_as_unknown():
    assert build_wav_header(build_pcm_format(8000), 1 << 32) == build_wav_header(
        build_pcm_format(8000), None
    )


def test_compressed_or_inconsistent_format_is_not_sliceable() -> None:
    def inspect_format(*format_chunk: int) -> tuple[bool, int]:
        header = parse_wav_header(build_wav_header(struct.pack("<HHIIHH", *format_chunk), 0))
        return header.is_sliceable, header.format_tag

    assert inspect_format(1, 2, 8000, 32000, 4, 16) == (True, 1)
    assert inspect_format(3, 1, 8000, 32000, 4, 32) == (True, 3)
    assert inspect_format(1, 0, 8000, 16000, 2, 16) == (False, 1)  # no channels
    assert inspect_format(1, 2, 8000, 16000, 1, 16) == (False, 1)  # blocks smaller than a sample
    assert inspect_format(0x11, 1, 8000, 4055, 256, 4) == (
        False,
        0x11,
    )  # ADPCM: many samples in a block


def test_extensible_header_states_the_format_in_its_guid() -> None:
    format_chunk = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 8000, 24000, 3, 24, 22, 24, 4)
    for format_tag in (1, 3):
        guid = struct.pack("<H", format_tag) + bytes.fromhex("00000000 1000 8000 00aa00389b71")
        header = parse_wav_header(build_wav_header(format_chunk + guid, 0))
        assert (header.is_sliceable, header.format_tag) == (True, format_tag)

"""Decode and encode audio. Formats other than WAV require PyAV."""

import io
from contextlib import suppress
from importlib.util import find_spec
from itertools import chain
from typing import Any

from orq_router_integrations.media.metadata import read_audio_seconds
from orq_router_integrations.media.wav import parse_wav_header

DECODED_RATE = 16_000  # sample rate of decoded audio that is not WAV, in hertz
_ENCODERS = {
    "mp3": ("mp3", "libmp3lame", 128_000),
    "opus": ("ogg", "libopus", 96_000),
    "aac": ("adts", "aac", 128_000),
    "flac": ("flac", "flac", 0),
}
"""Container, codec and bits per second of each format; 0 for lossless ones."""

_ENCODED_RATE = 48_000  # Opus does not support 44.1 kHz, and AAC needs a high rate for clear tones


def has_pyav() -> bool:
    return find_spec("av") is not None


def measure_audio(data: bytes) -> float | None:
    """Return the seconds of a WAV or MP3 file, and with PyAV of any other audio. Never raises."""
    if (seconds := read_audio_seconds(data)) is not None:
        return seconds
    container = _open_container(data)
    return container.duration / 1e6 if container and container.duration else None  # microseconds


def decode_audio(data: bytes) -> tuple[bytes, int] | None:
    """Return the 16-bit mono samples (little-endian) of audio, and their rate in hertz.

    Without PyAV, only WAV files with such samples can be decoded.
    """
    with suppress(ValueError):
        wav = parse_wav_header(data)
        if wav and (wav.format_tag, wav.channels, wav.block_size) == (1, 1, 2):
            return data[wav.data_offset :][: wav.compute_data_size(len(data))], wav.sample_rate
    container = _open_container(data)
    if container is None:
        return None
    import av  # noqa: PLC0415 - optional dependency, slow to import

    resampler = av.AudioResampler("s16", "mono", DECODED_RATE)
    samples = bytearray()
    with suppress(av.FFmpegError):  # a truncated file is decoded as far as possible
        for frame in chain(container.decode(audio=0), [None]):  # None flushes the resampler
            for part in resampler.resample(frame):
                samples += bytes(part.planes[0])[: 2 * part.samples]
    return (bytes(samples), DECODED_RATE) if samples else None


def encode_audio(pcm: bytes, rate: int, audio_format: str) -> bytes:
    """Encode 16-bit mono samples as ``mp3``, ``opus``, ``aac`` or ``flac``. Requires PyAV."""
    import av  # noqa: PLC0415 - optional dependency, slow to import

    container_format, codec, bit_rate = _ENCODERS[audio_format]
    frame = av.AudioFrame("s16", "mono", len(pcm) // 2)
    frame.sample_rate = rate
    frame.planes[0].update(pcm.ljust(frame.planes[0].buffer_size, b"\0"))
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        stream: Any = container.add_stream(codec, rate=_ENCODED_RATE)
        stream.layout = "mono"
        stream.bit_rate = bit_rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _open_container(data: bytes) -> Any:
    """Open audio with PyAV. Return ``None`` without PyAV, or if it is not audio."""
    if not has_pyav():
        return None
    import av  # noqa: PLC0415 - optional dependency, slow to import

    with suppress(av.FFmpegError, ValueError):
        container = av.open(io.BytesIO(data))
        return container if container.streams.audio else None
    return None

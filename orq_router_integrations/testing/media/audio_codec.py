"""Decode and encode audio. Formats other than WAV require PyAV."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from orq_router_integrations.media.wav import parse_wav_header

DECODED_RATE = 16_000
"""Sample rate of decoded audio that is not WAV, in hertz."""

_ENCODERS = {
    "mp3": ("mp3", "libmp3lame", 128_000),
    "opus": ("ogg", "libopus", 96_000),
    "aac": ("adts", "aac", 128_000),
    "flac": ("flac", "flac", 0),
}
"""Container, codec and bits per second of each format; 0 for lossless ones."""

_ENCODED_RATE = 48_000  # Opus supports no 44.1 kHz, and AAC needs a high rate for clear tones


@dataclass(frozen=True, slots=True)
class Samples:
    """Integer samples, little-endian; ``width`` is the number of bytes per sample."""

    pcm: bytes
    rate: int
    channels: int = 1
    width: int = 2

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return len(self.pcm) / (self.rate * self.channels * self.width)


def has_pyav() -> bool:
    """Return whether PyAV is installed."""
    return find_spec("av") is not None


def decode_audio(data: bytes) -> Samples | None:
    """Decode a WAV file with integer samples, and with PyAV any other audio; else ``None``."""
    try:
        header = parse_wav_header(data)
    except ValueError:
        header = None
    if header and header.is_sliceable and header.format_tag == 1:
        pcm = data[header.data_offset :][: header.compute_data_size(len(data))]
        return Samples(
            pcm, header.sample_rate, header.channels, header.block_size // header.channels
        )
    decoded = bytearray()
    with open_container(data) as container:
        if container is None:
            return None
        for frame in _resample(container.decode(audio=0)):
            decoded += bytes(frame.planes[0])[: 2 * frame.samples]
    return Samples(bytes(decoded), DECODED_RATE) if decoded else None


def encode_audio(samples: Samples, audio_format: str) -> bytes:
    """Encode mono samples as ``mp3``, ``opus``, ``aac`` or ``flac``. Requires PyAV."""
    import av  # noqa: PLC0415 - optional dependency, slow to import

    container_format, codec, bit_rate = _ENCODERS[audio_format]
    frame = av.AudioFrame("s16", "mono", len(samples.pcm) // 2)
    frame.sample_rate = samples.rate
    frame.planes[0].update(samples.pcm.ljust(frame.planes[0].buffer_size, b"\0"))
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        stream: Any = container.add_stream(codec, rate=_ENCODED_RATE)
        stream.layout = "mono"
        stream.bit_rate = bit_rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


@contextmanager
def open_container(data: bytes) -> Iterator[Any]:
    """Open audio with PyAV; ``None`` without PyAV or if it is not audio."""
    if not has_pyav():
        yield None
        return
    import av  # noqa: PLC0415 - optional dependency, slow to import

    try:
        container = av.open(io.BytesIO(data))
    except (av.FFmpegError, ValueError):
        yield None
        return
    with container:
        yield container if container.streams.audio else None


def _resample(frames: Any) -> Iterator[Any]:
    import av  # noqa: PLC0415 - optional dependency, slow to import

    resampler = av.AudioResampler("s16", "mono", DECODED_RATE)
    try:
        for frame in frames:
            yield from resampler.resample(frame)
    except av.FFmpegError:
        return  # a truncated file is decoded as far as possible
    yield from resampler.resample(None)

"""Read the properties of audio files, and create a short WAV file."""

import math
import struct
from dataclasses import dataclass

from orq_router_integrations.media import metadata
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.testing.media.audio_codec import open_container

SAMPLE_RATE = 8000
"""Sample rate of the audio created here, in hertz."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """Format, duration, sample rate and channels; ``None`` or 0 if unreadable."""

    format: str
    seconds: float | None = None
    sample_rate: int = 0
    channels: int = 0


def read_audio_info(data: bytes) -> AudioInfo:
    """Read the header of a WAV or MP3 file, and of any other audio with PyAV. Never raises."""
    format_ = "WAV" if data.startswith(b"RIFF") else "MP3"
    if info := metadata.read_audio_info(data):
        return AudioInfo(format_, info.seconds, info.sample_rate, info.channels)
    with open_container(data) as container:
        if container is None or not container.duration:
            return AudioInfo(format_)
        stream = container.streams.audio[0]
        return AudioInfo(format_, container.duration / 1e6, stream.rate, stream.channels)


def create_tone(seconds: float) -> bytes:
    """Create a soft tone as 16-bit mono samples."""
    steps = range(int(seconds * SAMPLE_RATE))
    return b"".join(struct.pack("<h", int(3000 * math.sin(step * 0.3))) for step in steps)


def create_wav(samples: bytes) -> bytes:
    """Wrap samples of ``create_tone`` in a WAV file."""
    return build_wav_header(build_pcm_format(SAMPLE_RATE), len(samples)) + samples

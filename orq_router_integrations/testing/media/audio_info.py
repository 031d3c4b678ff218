"""What a sound file's header says, and a short WAV of our own."""

import math
import struct
from dataclasses import dataclass

from orq_router_integrations.media import metadata as dimensions
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header

SAMPLE_RATE = 8000
"""Samples per second of the sounds made here."""


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """Kind, length in seconds, sample rate and channels; ``None`` or 0 where unreadable."""

    format: str
    seconds: float | None = None
    sample_rate: int = 0
    channels: int = 0


def read_audio_info(data: bytes) -> AudioInfo:
    """What the header of a WAV or MP3 says; never raises."""
    kind = "WAV" if data.startswith(b"RIFF") else "MP3"
    found = dimensions.read_audio_info(data)
    return (
        AudioInfo(kind, found.seconds, found.sample_rate, found.channels)
        if found
        else AudioInfo(kind)
    )


def create_tone(seconds: float) -> bytes:
    """A soft tone as 16-bit mono samples."""
    steps = range(int(seconds * SAMPLE_RATE))
    return b"".join(struct.pack("<h", int(3000 * math.sin(step * 0.3))) for step in steps)


def create_wav(samples: bytes) -> bytes:
    """Samples of ``tone`` as a WAV file."""
    return build_wav_header(build_pcm_format(SAMPLE_RATE), len(samples)) + samples

"""What a sound file's header says, and a short WAV of our own."""

import math
import struct
from dataclasses import dataclass

from orq_router_integrations import dimensions

RATE = 8000
"""Samples per second of the sounds made here."""


@dataclass(frozen=True, slots=True)
class Sound:
    """Kind, length in seconds, sample rate and channels; ``None`` or 0 where unreadable."""

    kind: str
    seconds: float | None = None
    rate: int = 0
    channels: int = 0


def sound(data: bytes) -> Sound:
    """What the header of a WAV or MP3 says; never raises."""
    kind = "WAV" if data.startswith(b"RIFF") else "MP3"
    found = dimensions.sound(data)
    return Sound(kind, found.seconds, found.rate, found.channels) if found else Sound(kind)


def tone(seconds: float) -> bytes:
    """A soft tone as 16-bit mono samples."""
    steps = range(int(seconds * RATE))
    return b"".join(struct.pack("<h", int(3000 * math.sin(step * 0.3))) for step in steps)


def wav(samples: bytes) -> bytes:
    """Samples of ``tone`` as a WAV file."""
    return wav_head(len(samples), rate=RATE) + samples


def wav_head(size: int | None, *, rate: int) -> bytes:
    """What stands before the samples (16-bit, mono) in a WAV file.

    Args:
        size: bytes of samples; ``None`` leaves it open, as those do who stream.
        rate: samples per second.
    """
    total, data = (0xFFFFFFFF, 0xFFFFFFFF) if size is None else (36 + size, size)
    shape = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    start = b"RIFF" + struct.pack("<I", total) + b"WAVEfmt " + shape
    return start + b"data" + struct.pack("<I", data)

"""Recordings of synthesized speech and other sounds."""

import wave
from io import BytesIO
from pathlib import Path

from orq_router_integrations.testing.media.tone_codec import SAMPLE_RATE, encode_speech

TEXT = "Good day. We meet at noon, in room 7! Bring Zo\u00eb."


def create_wav(pcm: bytes, *, rate: int = SAMPLE_RATE, channels: int = 1, width: int = 2) -> bytes:
    """Create a WAV file from samples."""
    target = BytesIO()
    with wave.open(target, "wb") as file:
        file.setframerate(rate)
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.writeframes(pcm)
    return target.getvalue()


def create_recording(text: str = TEXT, *, rate: int = SAMPLE_RATE, speed: float = 1.0) -> bytes:
    """Synthesize text as a WAV file."""
    return create_wav(encode_speech(text, rate=rate, speed=speed), rate=rate)


def save_recording(path: Path, text: str = TEXT, **how: float) -> Path:
    """Synthesize text to a file."""
    path.write_bytes(create_recording(text, **how))
    return path

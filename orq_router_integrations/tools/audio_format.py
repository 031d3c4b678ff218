"""Detect audio formats from data, headers and file names."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from orq_router_integrations.media.mime import (
    detect_mime_type,
    get_suffixes,
    normalize_mime_type,
)
from orq_router_integrations.tools.audio_concat import (
    AudioFormatError,
    AudioJoiner,
    Mp3Joiner,
    PcmJoiner,
    WavJoiner,
)
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.speech import SPEECH_FORMATS, SpeechFormat

AUDIO_SUFFIXES = {
    "mp3": get_suffixes("audio/mpeg"),
    "opus": (".opus", ".ogg", ".oga"),
    "aac": get_suffixes("audio/aac"),
    "flac": get_suffixes("audio/flac"),
    "wav": get_suffixes("audio/wav"),
    "pcm": (".pcm", ".raw"),
    "ogg": get_suffixes("audio/ogg"),
    "m4a": get_suffixes("audio/mp4"),
    "webm": get_suffixes("video/webm"),
}
"""File suffixes by format, the preferred one first."""

_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "audio/mp4": "m4a",
    "video/mp4": "m4a",
    "video/webm": "webm",
}
_PCM_MIME_TYPES = {"audio/pcm", "audio/l16", "audio/x-pcm", "audio/raw"}
_SAMPLE_RATE = re.compile(r";\s*rate=(\d{4,6})\b", re.IGNORECASE)


class DetectedFormat(NamedTuple):
    """The format of audio data; ``None`` if it is unknown, and the MIME type."""

    format: str | None
    mime_type: str


def detect_format(data: bytes, requested: str, response: Response) -> DetectedFormat:
    """Detect the format of audio from its first 64 bytes.

    PCM has no magic bytes. It is assumed if it was requested or declared, unless the data clearly
    has another format. Raises ``AudioFormatError`` if the data is not audio.
    """
    declared, detected = normalize_mime_type(response.content_type), detect_mime_type(data[:16])
    if declared in _PCM_MIME_TYPES or requested == "pcm":
        # Magic bytes this short also occur in samples, so the content type must agree with them.
        has_short_magic = data[:1] == b"\xff" or detected == "image/bmp"
        if detected is None or (has_short_magic and detected != declared):
            return DetectedFormat("pcm", "audio/pcm")
    if detected is None:
        return DetectedFormat(None, declared or "application/octet-stream")
    if detected not in _FORMATS:
        raise AudioFormatError(f"expected audio, got {detected}")
    if b"OpusHead" in data[:64]:
        return DetectedFormat("opus", detected)
    return DetectedFormat(_FORMATS[detected], detected.replace("video/", "audio/"))


def parse_sample_rate(response: Response) -> int | None:
    """Parse the sample rate of PCM in Hz from a content type like ``audio/L16;rate=24000``."""
    match = _SAMPLE_RATE.search(response.headers.get("content-type", ""))
    return int(match[1]) if match else None


def create_joiner(detected: DetectedFormat, sample_rate: int, *, is_joining: bool) -> AudioJoiner:
    match detected.format:
        case "pcm":
            return PcmJoiner(sample_rate, is_joining=is_joining)
        case "wav":
            return WavJoiner(is_joining=is_joining)
        case "mp3":
            return Mp3Joiner(is_joining=is_joining)
    return AudioJoiner(detected.format or "unknown audio", is_joining=is_joining)


def format_from_path(path: str | os.PathLike[str]) -> SpeechFormat | None:
    suffix = Path(path).suffix.lower()
    return next((name for name in SPEECH_FORMATS if suffix in AUDIO_SUFFIXES[name]), None)


def has_audio_suffix(path: str | os.PathLike[str]) -> bool:
    suffix = Path(path).suffix.lower()
    return any(suffix in suffixes for suffixes in AUDIO_SUFFIXES.values())

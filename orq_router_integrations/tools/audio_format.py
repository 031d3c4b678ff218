"""Which audio bytes are, whatever was asked for, and what a file of it is called."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from orq_router_integrations.media.mime import detect_mime_type, normalize_mime_type
from orq_router_integrations.tools.audio_concat import (
    AudioFormatError,
    AudioJoiner,
    Mp3Joiner,
    PassthroughJoiner,
    PcmJoiner,
    WavJoiner,
)
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.speech import SPEECH_FORMATS, SpeechFormat

AUDIO_SUFFIXES = {
    "mp3": (".mp3",),
    "opus": (".opus", ".ogg", ".oga"),
    "aac": (".aac",),
    "flac": (".flac",),
    "wav": (".wav", ".wave"),
    "pcm": (".pcm", ".raw"),
    "ogg": (".ogg", ".oga"),
    "m4a": (".m4a", ".mp4"),
    "webm": (".webm",),
}
"""Suffixes by format, the usual one first."""

_TYPES = {
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "audio/mp4": "m4a",
    "video/mp4": "m4a",
    "video/webm": "webm",
}
_SAMPLES = {"audio/pcm", "audio/l16", "audio/x-pcm", "audio/raw"}
_RATE = re.compile(r";\s*rate=(\d{4,6})\b", re.IGNORECASE)


class DetectedFormat(NamedTuple):
    """What bytes are: a format, ``None`` where it is unknown, and the media type."""

    format: str | None
    mime_type: str


def detect_format(data: bytes, requested: str, response: Response) -> DetectedFormat:
    """What audio is, by its first bytes; raw samples have no mark of their own.

    Args:
        data: 64 bytes or more, unless there are fewer.
        requested: the format that was asked for.
        response: the reply's, for its content type.

    Raises:
        BadAudioError: the bytes are of something that is no audio.
    """
    declared, shown = normalize_mime_type(response.content_type), detect_mime_type(data[:16])
    if declared in _SAMPLES or requested == "pcm":
        short = data[:1] == b"\xff" or shown == "image/bmp"  # two bytes, which samples may have
        if shown is None or (short and shown != declared):
            return DetectedFormat("pcm", "audio/pcm")
    if shown is None:
        return DetectedFormat(None, declared or "application/octet-stream")
    if shown not in _TYPES:
        raise AudioFormatError(f"the bytes are {shown}, no audio")
    if b"OpusHead" in data[:64]:
        return DetectedFormat("opus", shown)
    return DetectedFormat(_TYPES[shown], shown.replace("video/", "audio/"))


def get_sample_rate(response: Response) -> int | None:
    """Samples per second of raw samples, where the type tells (``audio/L16;rate=24000``)."""
    told = _RATE.search(response.headers.get("content-type", ""))
    return int(told[1]) if told else None


def create_joiner(detected: DetectedFormat, rate: int, *, joined: bool) -> AudioJoiner:
    """What reads such audio; ``rate`` is that of raw samples."""
    match detected.format:
        case "pcm":
            return PcmJoiner(rate, joined=joined)
        case "wav":
            return WavJoiner(joined=joined)
        case "mp3":
            return Mp3Joiner(joined=joined)
    return PassthroughJoiner(detected.format or "unknown audio", joined=joined)


def format_from_path(path: str | os.PathLike[str]) -> SpeechFormat | None:
    """The format that a file's name asks for."""
    suffix = Path(path).suffix.lower()
    return next((name for name in SPEECH_FORMATS if suffix in AUDIO_SUFFIXES[name]), None)


def has_audio_suffix(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name ends as those of audio do."""
    suffix = Path(path).suffix.lower()
    return any(suffix in suffixes for suffixes in AUDIO_SUFFIXES.values())


def has_wrong_suffix(path: str | os.PathLike[str], detected: str | None) -> bool:
    """Whether a file's name says another format than it holds."""
    return has_audio_suffix(path) and Path(path).suffix.lower() not in AUDIO_SUFFIXES.get(
        detected or "", ()
    )

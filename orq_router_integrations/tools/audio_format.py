"""Which audio bytes are, whatever was asked for, and what a file of it is called."""

import os
import re
from pathlib import Path
from typing import NamedTuple

from orq_router_integrations.media.mime import normal_type, sniff
from orq_router_integrations.tools.audio_concat import (
    BadAudioError,
    Mp3Track,
    OtherTrack,
    PcmTrack,
    Track,
    WavTrack,
)
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.speech import SPEECH_FORMATS, SpeechFormat

SUFFIXES = {
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


class Found(NamedTuple):
    """What bytes are: a format, ``None`` where it is unknown, and the media type."""

    format: str | None
    mime_type: str


def found_in(start: bytes, asked: str, head: Response) -> Found:
    """What audio is, by its first bytes; raw samples have no mark of their own.

    Args:
        start: 64 bytes or more, unless there are fewer.
        asked: the format that was asked for.
        head: the reply's, for its content type.

    Raises:
        BadAudioError: the bytes are of something that is no audio.
    """
    declared, shown = normal_type(head.content_type), sniff(start[:16])
    if declared in _SAMPLES or asked == "pcm":
        short = start[:1] == b"\xff" or shown == "image/bmp"  # two bytes, which samples may have
        if shown is None or (short and shown != declared):
            return Found("pcm", "audio/pcm")
    if shown is None:
        return Found(None, declared or "application/octet-stream")
    if shown not in _TYPES:
        raise BadAudioError(f"the bytes are {shown}, no audio")
    if b"OpusHead" in start[:64]:
        return Found("opus", shown)
    return Found(_TYPES[shown], shown.replace("video/", "audio/"))


def declared_rate(head: Response) -> int | None:
    """Samples per second of raw samples, where the type tells (``audio/L16;rate=24000``)."""
    told = _RATE.search(head.headers.get("content-type", ""))
    return int(told[1]) if told else None


def track_for(found: Found, rate: int, *, joined: bool) -> Track:
    """What reads such audio; ``rate`` is that of raw samples."""
    match found.format:
        case "pcm":
            return PcmTrack(rate, joined=joined)
        case "wav":
            return WavTrack(joined=joined)
        case "mp3":
            return Mp3Track(joined=joined)
    return OtherTrack(found.format or "unknown audio", joined=joined)


def wanted_by(path: str | os.PathLike[str]) -> SpeechFormat | None:
    """The format that a file's name asks for."""
    suffix = Path(path).suffix.lower()
    return next((name for name in SPEECH_FORMATS if suffix in SUFFIXES[name]), None)


def names_audio(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name ends as those of audio do."""
    suffix = Path(path).suffix.lower()
    return any(suffix in suffixes for suffixes in SUFFIXES.values())


def misnamed(path: str | os.PathLike[str], found: str | None) -> bool:
    """Whether a file's name says another format than it holds."""
    return names_audio(path) and Path(path).suffix.lower() not in SUFFIXES.get(found or "", ())

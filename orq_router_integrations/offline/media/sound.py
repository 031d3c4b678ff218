"""What a sound file's header says, and a short WAV of our own."""

import math
import struct
from dataclasses import dataclass

RATE = 8000
"""Samples per second of the sounds made here."""

_BITRATES = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_RATES = (44100, 48000, 32000, 0)


@dataclass(frozen=True, slots=True)
class Sound:
    """Kind, length in seconds, sample rate and channels; ``None`` or 0 where unreadable."""

    kind: str
    seconds: float | None = None
    rate: int = 0
    channels: int = 0


def sound(data: bytes) -> Sound:
    """What the header of a WAV or MP3 says; never raises."""
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        return _wav(data)
    return _mp3(data)


def tone(seconds: float) -> bytes:
    """A soft tone as 16-bit mono samples."""
    steps = range(int(seconds * RATE))
    return b"".join(struct.pack("<h", int(3000 * math.sin(step * 0.3))) for step in steps)


def wav(samples: bytes) -> bytes:
    """Samples of ``tone`` as a WAV file."""
    shape = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    chunks = b"fmt " + struct.pack("<I", len(shape)) + shape
    chunks += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _wav(data: bytes) -> Sound:
    at, channels, rate, per_second = 12, 0, 0, 0
    while at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"fmt " and at + 24 <= len(data):
            channels, rate, per_second = struct.unpack_from("<HII", data, at + 10)
        if name == b"data" and per_second:
            size = min(size, len(data) - at - 8)  # streamed files leave the size open
            return Sound("WAV", size / per_second, rate, channels)
        at += 8 + size + size % 2
    return Sound("WAV")


def _mp3(data: bytes) -> Sound:
    at = _after_id3(data)
    while 0 <= at < len(data) - 4:
        at = data.find(b"\xff", at)
        if at < 0 or at + 4 > len(data):
            break
        found = _frame(data[at : at + 4], len(data) - at)
        if found:
            return found
        at += 1
    return Sound("MP3")


def _after_id3(data: bytes) -> int:
    if not data.startswith(b"ID3") or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size


def _frame(head: bytes, left: int) -> Sound | None:
    """A layer III frame header; the length assumes its bitrate to the end of the file."""
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    if head[1] & 0xE0 != 0xE0 or layer != 1 or version == 1:
        return None
    bitrate = (_BITRATES if version == 3 else _BITRATES_2)[head[2] >> 4]
    rate = _RATES[head[2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}[version]
    if not bitrate or not rate:
        return None
    return Sound("MP3", left * 8 / (bitrate * 1000), rate, 1 if head[3] >> 6 == 3 else 2)

"""Frame headers of MP3 files."""

import re
from dataclasses import dataclass

_MPEG1_KBITS = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 0)
_MPEG2_KBITS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160, 0)
_MPEG1_SAMPLE_RATES = (44100, 48000, 32000, 0)


@dataclass(frozen=True, slots=True)
class Mp3Frame:
    """The header of an MPEG audio frame, layer III. Sizes are in bytes, rates per second."""

    size: int
    samples: int
    sample_rate: int
    channels: int
    bitrate: int


def parse_mp3_frame(header: bytes) -> Mp3Frame | None:
    """Parse the header of an MP3 frame from its first 4 bytes."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version = header[1] >> 3 & 3  # 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5, 1 is reserved
    layer = header[1] >> 1 & 3  # 1 is layer III
    bitrate = (_MPEG1_KBITS if version == 3 else _MPEG2_KBITS)[header[2] >> 4] * 1000
    sample_rate = _MPEG1_SAMPLE_RATES[header[2] >> 2 & 3] // {3: 1, 2: 2, 0: 4}.get(version, 1)
    if layer != 1 or version == 1 or not bitrate or not sample_rate:
        return None
    samples = 1152 if version == 3 else 576
    padding = header[2] >> 1 & 1
    size = samples // 8 * bitrate // sample_rate + padding
    return Mp3Frame(size, samples, sample_rate, 1 if header[3] >> 6 == 3 else 2, bitrate)


def find_mp3_frame(data: bytes, run_length: int = 1) -> tuple[int, Mp3Frame] | None:
    """Return the offset and the header of the first MP3 frame that starts a run of frames."""
    for match in re.finditer(b"\xff", data):
        offset = match.start()
        frames: list[Mp3Frame] = []
        while len(frames) < run_length and (frame := parse_mp3_frame(data[offset : offset + 4])):
            frames.append(frame)
            offset += frame.size
        if len(frames) == run_length and len({frame.sample_rate for frame in frames}) == 1:
            return match.start(), frames[0]
    return None

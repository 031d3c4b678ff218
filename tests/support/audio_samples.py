"""Small audio files: WAV, and MP3 frames with valid headers."""

import random
from array import array

from orq_router_integrations.media.wav import build_pcm_format, build_wav_header

ID3 = b"ID3\x04\0\0\0\0\x01\x0a" + bytes(138)
"""A tag of 138 bytes, as writers put before an MP3."""

_SIZES = {"zero": 0, "placeholder": 0x7FFFFFFF}


def create_samples(count: int, *, seed: int = 0) -> bytes:
    """Create 16-bit samples of noise."""
    noise = random.Random(seed)
    return array("h", (noise.randrange(-9000, 9000) for _ in range(count))).tobytes()


def create_wav(
    data: bytes, *, rate: int = 16000, size: str = "right", before: bytes = b"", after: bytes = b""
) -> bytes:
    """Create a WAV file. Its header may leave the size open."""
    head = build_wav_header(
        build_pcm_format(rate), None if size == "open" else _SIZES.get(size, len(data))
    )
    start, end = head[:-8] + before, head[-8:]
    return start + end + data + after


def create_mp3(frames: int, *, rate: int = 44100, mono: bool = False, seed: int = 0) -> bytes:
    """Create layer III frames at 64 kbit/s with valid headers and noise as content."""
    noise = random.Random(seed)
    mode = b"\xc0" if mono else b"\x40"
    head, size = {
        44100: (b"\xff\xfb\x50", 144 * 64000 // 44100),
        24000: (b"\xff\xf3\x84", 72 * 64000 // 24000),
    }[rate]
    body = size - 4
    return b"".join(
        head + mode + bytes(noise.randrange(255) for _ in range(body)) for _ in range(frames)
    )


def create_mp3_table(rate: int) -> bytes:
    """Create a first frame that contains only the number of frames."""
    frame = create_mp3(1, rate=rate)
    table = b"\0" * 17 + b"Xing\0\0\0\1\0\0\0\7"
    return frame[:4] + table + frame[4 + len(table) :]

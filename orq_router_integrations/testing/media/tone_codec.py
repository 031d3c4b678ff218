"""Encode text as tones, and decode tones as text: the speech of the offline router.

A word is an opening tone, two tones for each byte of its UTF-8 text (high half first), and a
closing tone. Short gaps separate tones, pauses separate words, and long pauses separate sentences.
Only the pitch of a tone matters. A recording may therefore be slowed down, cut anywhere or
converted to another sample rate: words that a cut touches are lost, all others are decoded.

The pitch is measured from the distance of zero crossings. All steps use operations on complete
``bytes`` objects, so that an hour of audio is decoded in about a second.
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

SAMPLE_RATE = 16_000
"""Default sample rate in hertz."""

TONE_SECONDS = 0.018
GAP_SECONDS = 0.006
WORD_PAUSE_SECONDS = 0.06
SENTENCE_PAUSE_SECONDS = 0.4
"""Durations of a tone and of the silence after a tone, a word and a sentence, at speed 1."""

MAX_SPEED = 4.0
MIN_SPEED = 0.25
MIN_SAMPLE_RATE = 8_000

_LOWEST_FREQUENCY = 500.0  # hertz
_FREQUENCY_RATIO = 1.1
_WORD_START, _WORD_END = 16, 17
_AMPLITUDE = 12_000
_PITCH_COUNT = 18

_QUIET, _LOUD, _UP, _DOWN = b".", b"#", b"+", b"-"
_QUIET_BELOW = 8  # limit of the high byte: 2,048 of 32,768
_BY_LOUDNESS = bytes(
    _QUIET[0] if high < _QUIET_BELOW or high >= 256 - _QUIET_BELOW else _LOUD[0]
    for high in range(256)
)
_BY_SIGN = bytes(_UP[0] if high < 128 else _DOWN[0] for high in range(256))
_UNSIGNED = bytes((byte + 128) % 256 for byte in range(256))

SENTENCE_ENDS = (".", "!", "?", "\u2026", "\u3002", "\uff01", "\uff1f")


@dataclass(frozen=True, slots=True)
class Word:
    """A decoded word with its start and end in seconds."""

    text: str
    start: float
    end: float


def encode_speech(text: str, *, rate: int = SAMPLE_RATE, speed: float = 1.0) -> bytes:
    """Encode a string as 16-bit mono samples (little-endian).

    White space separates words; it is decoded as a single space.

    >>> [word.text for word in decode_speech(encode_speech("Good day."))]
    ['Good', 'day.']
    """
    return b"".join(iter_speech(text, rate=rate, speed=speed))


def iter_speech(text: str, *, rate: int = SAMPLE_RATE, speed: float = 1.0) -> Iterator[bytes]:
    """Encode a string word by word, each followed by its pause."""
    if rate < MIN_SAMPLE_RATE or not MIN_SPEED <= speed <= MAX_SPEED:
        raise ValueError(
            f"rate must be at least {MIN_SAMPLE_RATE} and speed {MIN_SPEED} to {MAX_SPEED}, "
            f"got rate={rate} and speed={speed}"
        )
    for word in text.split():
        yield b"".join(_create_tone(pitch, rate, speed) for pitch in _get_pitches(word))
        pause = SENTENCE_PAUSE_SECONDS if ends_sentence(word) else WORD_PAUSE_SECONDS
        yield bytes(2 * round(pause * rate / speed))


def ends_sentence(word: str) -> bool:
    return word.rstrip("\"')]}\u2019\u201d\u00bb").endswith(SENTENCE_ENDS)


def _get_pitches(word: str) -> Iterator[int]:
    yield _WORD_START
    for byte in word.encode("utf-8", "replace"):
        yield byte >> 4
        yield byte & 15
    yield _WORD_END


@lru_cache(maxsize=512)
def _create_tone(pitch: int, rate: int, speed: float) -> bytes:
    """Create one tone, faded in and out, and the gap after it."""
    tone_length, gap_length = round(TONE_SECONDS * rate / speed), round(GAP_SECONDS * rate / speed)
    phase_step = 2 * math.pi * _LOWEST_FREQUENCY * _FREQUENCY_RATIO**pitch / rate
    fade_length = tone_length / 12
    samples = (
        int(
            _AMPLITUDE
            * min(1, i / fade_length, (tone_length - i) / fade_length)
            * math.sin(phase_step * i)
        )
        for i in range(tone_length)
    )
    return struct.pack(f"<{tone_length}h", *samples) + bytes(2 * gap_length)


def decode_speech(
    pcm: bytes, *, rate: int = SAMPLE_RATE, channels: int = 1, width: int = 2
) -> list[Word]:
    """Decode the words in a recording or a part of one. Other sounds contain no words.

    ``pcm`` consists of little-endian integers of ``width`` bytes; single bytes are unsigned, as in
    WAV files. Only the first channel is decoded.
    """
    words: list[Word] = []
    word_start, halves = -1, bytearray()
    for start, end, pitch in _iter_tones(_get_high_bytes(pcm, channels, width), rate):
        if pitch == _WORD_START:
            word_start, halves = start, bytearray()
        elif pitch == _WORD_END and word_start >= 0:
            words.extend(_build_word(halves, word_start / rate, end / rate))
            word_start = -1
        elif pitch is None:
            word_start = -1
        elif word_start >= 0:
            halves.append(pitch)
    return words


def has_only_fragments(
    pcm: bytes, *, rate: int = SAMPLE_RATE, channels: int = 1, width: int = 2
) -> bool:
    """Return whether a recording contains only silence and fragments of words."""
    high_bytes = _get_high_bytes(pcm, channels, width)
    tones = list(_iter_tones(high_bytes, rate))
    if not tones:
        return not high_bytes.strip(b"\0\xff")
    max_length = TONE_SECONDS / MIN_SPEED * rate + 1
    all_short = all(end - start <= max_length for start, end, _ in tones)
    return all_short and all(pitch is not None for _, _, pitch in tones[1:-1])


def _get_high_bytes(pcm: bytes, channels: int, width: int) -> bytes:
    """Return the high bytes of the first channel's samples, signed."""
    high_bytes = pcm[width - 1 :: width * channels]
    return high_bytes.translate(_UNSIGNED) if width == 1 else high_bytes


def _iter_tones(high_bytes: bytes, rate: int) -> Iterator[tuple[int, int, int | None]]:
    """Yield the first sample, the end and the pitch of each tone."""
    signs, loudness = high_bytes.translate(_BY_SIGN), high_bytes.translate(_BY_LOUDNESS)
    gap = _QUIET * max(3, int(0.6 * GAP_SECONDS / MAX_SPEED * rate))
    start = loudness.find(_LOUD)
    while start >= 0:
        end = loudness.find(gap, start)
        if end < 0:
            end = len(loudness)
        yield start, end, _measure_pitch(signs, start, end, rate)
        start = loudness.find(_LOUD, end)


def _measure_pitch(signs: bytes, start: int, end: int, rate: int) -> int | None:
    """Return the pitch that corresponds to the frequency of the zero crossings."""
    crossing = _UP + _DOWN
    first, last = signs.find(crossing, start, end), signs.rfind(crossing, start, end)
    if last <= first:
        return None
    frequency = signs.count(crossing, first, last) * rate / (last - first)
    position = math.log(frequency / _LOWEST_FREQUENCY, _FREQUENCY_RATIO)
    pitch = round(position)
    return pitch if 0 <= pitch < _PITCH_COUNT and abs(position - pitch) < 0.45 else None


def _build_word(halves: bytearray, start: float, end: float) -> Iterator[Word]:
    """Yield the word that 4-bit halves of bytes encode, or nothing if one is missing."""
    try:
        text = bytes.fromhex("".join(f"{half:x}" for half in halves)).decode()
    except ValueError:
        return
    if text:
        yield Word(text, start, end)

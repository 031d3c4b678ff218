"""Speech of the offline router: text as tones, and the text that tones say.

A word is a burst of tone that opens it, two bursts for each byte of its UTF-8 text (high half
first), and one that closes it. Bursts stand apart by a short gap, words by a pause, sentences by
a long one. Nothing but the pitch of a burst counts, so that a recording may be slowed down, cut
anywhere or stored at another sample rate: a word that a cut has touched is not heard, all others
are.

Pitches are told by the distance between zero crossings, all of it with operations on whole
``bytes``: an hour is heard in about a second.
"""

import math
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

SAMPLE_RATE = 16_000
"""Samples per second, unless one asks for others."""

TONE_SECONDS = 0.018
GAP_SECONDS = 0.006
WORD_PAUSE_SECONDS = 0.06
SENTENCE_PAUSE_SECONDS = 0.4
"""Seconds of a burst, and of silence after a burst, a word, a sentence; at speed 1."""

MAX_SPEED = 4.0
MIN_SPEED = 0.25
MIN_SAMPLE_RATE = 8_000

_LOWEST = 500.0  # hertz
_STEP = 1.1
_OPEN, _CLOSE = 16, 17
_LOUDNESS = 12_000
_PITCHES = 18

_QUIET, _LOUD, _UP, _DOWN = b".", b"#", b"+", b"-"
_QUIET_BELOW = 8  # of the high byte: 2,048 of 32,768
_BY_LOUDNESS = bytes(
    _QUIET[0] if high < _QUIET_BELOW or high >= 256 - _QUIET_BELOW else _LOUD[0]
    for high in range(256)
)
_BY_SIGN = bytes(_UP[0] if high < 128 else _DOWN[0] for high in range(256))
_UNSIGNED = bytes((byte + 128) % 256 for byte in range(256))

SENTENCE_ENDS = (".", "!", "?", "\u2026", "\u3002", "\uff01", "\uff1f")


@dataclass(frozen=True, slots=True)
class Word:
    """A word that was heard: its text, and its first and last second."""

    text: str
    start: float
    end: float


def encode_speech(text: str, *, rate: int = SAMPLE_RATE, speed: float = 1.0) -> bytes:
    """A text as 16-bit mono samples (little-endian).

    Words are what white space separates; it comes back as one blank.

    Args:
        text: any text; half characters (lone surrogates) become ``?``.
        rate: samples per second, 8,000 or more.
        speed: 0.25 to 4; how much faster than usual.

    Raises:
        ValueError: ``rate`` or ``speed`` is out of range.

    >>> [word.text for word in decode_speech(encode_speech("Good day."))]
    ['Good', 'day.']
    """
    return b"".join(iter_speech(text, rate=rate, speed=speed))


def iter_speech(text: str, *, rate: int = SAMPLE_RATE, speed: float = 1.0) -> Iterator[bytes]:
    """The same word by word, each with the pause behind it; for what streams."""
    if rate < MIN_SAMPLE_RATE or not MIN_SPEED <= speed <= MAX_SPEED:
        raise ValueError(
            f"rate: {MIN_SAMPLE_RATE} or more, not {rate}; speed: 0.25 to 4, not {speed}"
        )
    for word in text.split():
        yield b"".join(_create_burst(pitch, rate, speed) for pitch in _get_pitches(word))
        yield bytes(2 * round(_get_pause(word) * rate / speed))


def ends_sentence(word: str) -> bool:
    """Whether a sentence ends with this word."""
    return word.rstrip("\"')]}\u2019\u201d\u00bb").endswith(SENTENCE_ENDS)


def _get_pause(word: str) -> float:
    return SENTENCE_PAUSE_SECONDS if ends_sentence(word) else WORD_PAUSE_SECONDS


def _get_pitches(word: str) -> Iterator[int]:
    yield _OPEN
    for byte in word.encode("utf-8", "replace"):
        yield byte >> 4
        yield byte & 15
    yield _CLOSE


@lru_cache(maxsize=512)
def _create_burst(pitch: int, rate: int, speed: float) -> bytes:
    """One tone, faded in and out, and the gap behind it."""
    length, gap = round(TONE_SECONDS * rate / speed), round(GAP_SECONDS * rate / speed)
    turn = 2 * math.pi * _LOWEST * _STEP**pitch / rate
    fade = length / 12
    samples = array(
        "h",
        (
            int(_LOUDNESS * min(1, at / fade, (length - at) / fade) * math.sin(turn * at))
            for at in range(length)
        ),
    )
    return _to_little_endian(samples) + bytes(2 * gap)


def _to_little_endian(samples: "array[int]") -> bytes:
    if array("h", [1]).tobytes() != b"\1\0":
        samples.byteswap()
    return samples.tobytes()


def decode_speech(
    pcm: bytes, *, rate: int = SAMPLE_RATE, channels: int = 1, width: int = 2
) -> list[Word]:
    """The words in a piece of a recording, in order; sound of any other kind holds none.

    Args:
        pcm: samples, little-endian integers.
        rate: samples per second.
        channels: of which the first is heard.
        width: bytes per sample; those of one byte are unsigned, as WAV has them.
    """
    words: list[Word] = []
    opened, halves = -1, bytearray()
    for start, end, pitch in _iter_tones(_find_loud_samples(pcm, channels, width), rate):
        if pitch == _OPEN:
            opened, halves = start, bytearray()
        elif pitch == _CLOSE and opened >= 0:
            words.extend(_build_word(halves, opened / rate, end / rate))
            opened = -1
        elif pitch is None:
            opened = -1
        elif opened >= 0:
            halves.append(pitch)
    return words


def has_only_fragments(
    pcm: bytes, *, rate: int = SAMPLE_RATE, channels: int = 1, width: int = 2
) -> bool:
    """Whether a recording holds nothing but silence and parts of words that a cut has left."""
    high = _find_loud_samples(pcm, channels, width)
    tones = list(_iter_tones(high, rate))
    if not tones:
        return not high.strip(b"\0\xff")
    longest = TONE_SECONDS / MIN_SPEED * rate + 1
    short = all(end - start <= longest for start, end, _ in tones)
    return short and all(pitch is not None for _, _, pitch in tones[1:-1])


def _find_loud_samples(pcm: bytes, channels: int, width: int) -> bytes:
    """The high bytes of the first channel's samples, signed."""
    high = pcm[width - 1 :: width * channels]
    return high.translate(_UNSIGNED) if width == 1 else high


def _iter_tones(high: bytes, rate: int) -> Iterator[tuple[int, int, int | None]]:
    """Each burst: its first and last sample, and its pitch."""
    signs = high.translate(_BY_SIGN)
    for start, end in _find_bursts(high.translate(_BY_LOUDNESS), rate):
        yield start, end, _measure_pitch(signs, start, end, rate)


def _find_bursts(loudness: bytes, rate: int) -> Iterator[tuple[int, int]]:
    """First and last sample of what stands between two gaps."""
    gap = _QUIET * max(3, int(0.6 * GAP_SECONDS / MAX_SPEED * rate))
    start = loudness.find(_LOUD)
    while start >= 0:
        end = loudness.find(gap, start)
        if end < 0:
            end = len(loudness)
        yield start, end
        start = loudness.find(_LOUD, end)


def _measure_pitch(signs: bytes, start: int, end: int, rate: int) -> int | None:
    """The pitch whose frequency the zero crossings of a burst show."""
    crossing = _UP + _DOWN
    first, last = signs.find(crossing, start, end), signs.rfind(crossing, start, end)
    if last <= first:
        return None
    frequency = signs.count(crossing, first, last) * rate / (last - first)
    place = math.log(frequency / _LOWEST, _STEP)
    pitch = round(place)
    return pitch if 0 <= pitch < _PITCHES and abs(place - pitch) < 0.45 else None


def _build_word(halves: bytearray, start: float, end: float) -> Iterator[Word]:
    """The word that the halves of its bytes spell; none if any got lost."""
    pairs = list(pairwise(halves))[::2]
    if len(halves) % 2 or not pairs:
        return
    try:
        yield Word(bytes(high << 4 | low for high, low in pairs).decode(), start, end)
    except UnicodeDecodeError:
        return

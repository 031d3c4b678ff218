"""Encode text as tones, and decode tones as text: the speech of the offline router.

A word is ``<``, the UTF-8 text as hex digits, and ``>``, with one tone for each of these symbols.
Short gaps separate tones, pauses separate words, and long pauses separate sentences. Only the pitch
of a tone matters. A recording may therefore be slowed down, cut anywhere or converted to another
sample rate: words that a cut touches are lost, all others are decoded.

The pitch is measured from the distance of zero crossings. All steps use operations on complete
``bytes`` objects, so that an hour of audio is decoded in about a second.
"""

import math
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from orq_router_integrations.wire.subtitles import Span

SAMPLE_RATE = 16_000  # in hertz, by default

TONE_SECONDS = 0.018
GAP_SECONDS = 0.006
WORD_PAUSE_SECONDS = 0.06
SENTENCE_PAUSE_SECONDS = 0.4
"""Durations of a tone and of the silence after a tone, a word and a sentence, at speed 1."""

MAX_SPEED = 4.0

_LOWEST_FREQUENCY = 500.0  # hertz
_FREQUENCY_RATIO = 1.1
_SYMBOLS = "0123456789abcdef<>"  # by pitch
_UNKNOWN = "?"
_AMPLITUDE = 12_000

_QUIET, _LOUD, _CROSSING = b".", b"#", b"+-"
_QUIET_BELOW = 8  # limit of the high byte: 2,048 of 32,768
_TO_LOUDNESS = bytes(
    (_QUIET if high < _QUIET_BELOW or high >= 256 - _QUIET_BELOW else _LOUD)[0]
    for high in range(256)
)
_TO_SIGN = bytes(_CROSSING[0] if high < 128 else _CROSSING[1] for high in range(256))
_SENTENCE_ENDS = (".", "!", "?", "\u2026", "\u3002", "\uff01", "\uff1f")


def encode_speech(text: str, *, rate: int = SAMPLE_RATE, speed: float = 1.0) -> bytes:
    """Encode a string as 16-bit mono samples (little-endian).

    White space separates words; it is decoded as a single space.

    >>> [word.text for word in decode_speech(encode_speech("Good day."))]
    ['Good', 'day.']
    """
    parts = []
    for word in text.split():
        symbols = f"<{word.encode('utf-8', 'replace').hex()}>"
        parts += [_create_tone(_SYMBOLS.index(symbol), rate, speed) for symbol in symbols]
        pause = SENTENCE_PAUSE_SECONDS if ends_sentence(word) else WORD_PAUSE_SECONDS
        parts.append(bytes(2 * round(pause * rate / speed)))
    return b"".join(parts)


def ends_sentence(word: str) -> bool:
    return word.rstrip("\"')]}\u2019\u201d\u00bb").endswith(_SENTENCE_ENDS)


@lru_cache(maxsize=512)
def _create_tone(pitch: int, rate: int, speed: float) -> bytes:
    """Create one tone, faded in and out, and the gap after it."""
    length = round(TONE_SECONDS * rate / speed)
    step = 2 * math.pi * _LOWEST_FREQUENCY * _FREQUENCY_RATIO**pitch / rate
    fade = length / 12
    volumes = (_AMPLITUDE * min(1, i / fade, (length - i) / fade) for i in range(length))
    samples = (int(volume * math.sin(step * i)) for i, volume in enumerate(volumes))
    return struct.pack(f"<{length}h", *samples) + bytes(2 * round(GAP_SECONDS * rate / speed))


def decode_speech(pcm: bytes, rate: int = SAMPLE_RATE) -> list[Span] | None:
    """Decode the words in a recording or a part of one, from 16-bit mono samples (little-endian).

    Return an empty list for silence and fragments of words, and ``None`` for other sounds.
    """
    tones = list(_iter_tones(pcm[1::2], rate))
    symbols = "".join(symbol for _, _, symbol in tones)
    words = []
    for match in re.finditer("<((?:[0-9a-f]{2})+)>", symbols):
        start, end = tones[match.start()][0] / rate, tones[match.end() - 1][1] / rate
        with suppress(UnicodeDecodeError):  # a cut removed some bytes
            words.append(Span(bytes.fromhex(match[1]).decode(), start, end))
    is_speech = _UNKNOWN not in symbols[1:-1]  # the first and the last tone may be fragments
    return words if words or is_speech else None


def _iter_tones(high_bytes: bytes, rate: int) -> Iterator[tuple[int, int, str]]:
    """Yield the first sample, the end and the symbol of each tone."""
    signs, loudness = high_bytes.translate(_TO_SIGN), high_bytes.translate(_TO_LOUDNESS)
    gap = _QUIET * max(3, int(0.6 * GAP_SECONDS / MAX_SPEED * rate))
    start = loudness.find(_LOUD)
    while start >= 0:
        end = loudness.find(gap, start)
        if end < 0:
            end = len(loudness)
        yield start, end, _identify_tone(signs, start, end, rate)
        start = loudness.find(_LOUD, end)


def _identify_tone(signs: bytes, start: int, end: int, rate: int) -> str:
    """Return the symbol whose frequency matches the zero crossings."""
    first, last = signs.find(_CROSSING, start, end), signs.rfind(_CROSSING, start, end)
    if last <= first:
        return _UNKNOWN
    frequency = signs.count(_CROSSING, first, last) * rate / (last - first)
    position = math.log(frequency / _LOWEST_FREQUENCY, _FREQUENCY_RATIO)
    pitch = round(position)
    is_known = 0 <= pitch < len(_SYMBOLS) and abs(position - pitch) < 0.45
    return _SYMBOLS[pitch] if is_known else _UNKNOWN

"""Recognize the words of the offline router's own speech, or describe any other audio."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from orq_router_integrations.media.metadata import read_audio_info
from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.media.wav import WavHeader, parse_wav_header
from orq_router_integrations.testing.media.tone_codec import (
    decode_speech,
    ends_sentence,
    has_only_fragments,
)
from orq_router_integrations.wire.transcripts import Span

MAX_PAUSE_SECONDS = 1.0
"""Silence in seconds after which a new segment starts, even within a sentence."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """Words of a file with their times.

    Attributes:
        words: the words, in order.
        seconds: duration of the file; ``None`` if its header does not reveal it.
    """

    words: tuple[Span, ...]
    seconds: float | None

    @property
    def text(self) -> str:
        """The words, separated by spaces."""
        return " ".join(word.text for word in self.words)

    @property
    def segments(self) -> list[Span]:
        """The sentences, with their times."""
        return [
            Span(" ".join(word.text for word in words), words[0].start, words[-1].end)
            for words in _split_sentences(self.words)
        ]


def recognize(data: bytes) -> Recognition:
    """Decode speech synthesized by the offline router, or describe any other audio."""
    header = _parse_header(data)
    if header is None:
        return _describe_audio(data)
    pcm = data[header.data_offset :][: header.compute_data_size(len(data))]
    shape = {
        "rate": header.sample_rate,
        "channels": header.channels,
        "width": header.block_size // header.channels,
    }
    words = decode_speech(pcm, **shape)
    if not words and not has_only_fragments(pcm, **shape):
        return _describe_audio(data)
    spans = tuple(Span(word.text, word.start, word.end) for word in words)
    return Recognition(spans, len(pcm) / (header.sample_rate * header.block_size))


def _parse_header(data: bytes) -> WavHeader | None:
    """Return the header of a WAV file with integer samples, or ``None`` for any other file."""
    try:
        header = parse_wav_header(data)
    except ValueError:
        return None
    return header if header and header.is_sliceable and header.format_tag == 1 else None


def align_text(text: str, data: bytes) -> Recognition:
    """Spread the words of a scripted text evenly over a file."""
    info = read_audio_info(data)
    seconds = info.seconds if info else None
    words = text.split()
    word_seconds = (seconds or 0.5 * len(words)) / max(1, len(words))
    spans = (
        Span(word, word_seconds * index, word_seconds * (index + 1))
        for index, word in enumerate(words)
    )
    return Recognition(tuple(spans), seconds)


def _describe_audio(data: bytes) -> Recognition:
    """Return a description of the file as a single word."""
    info = read_audio_info(data)
    if info is None or info.seconds is None:
        text = f"[offline: {len(data)} bytes of {detect_mime_type(data) or 'audio'}]"
        return Recognition((Span(text, 0.0, 0.0),), None)
    channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
    text = f"[offline: {info.seconds:.1f} s of audio, {info.sample_rate / 1000:g} kHz {channels}]"
    return Recognition((Span(text, 0.0, info.seconds),), info.seconds)


def _split_sentences(words: Sequence[Span]) -> Iterator[list[Span]]:
    sentence = list(words[:1])
    for previous, word in pairwise(words):
        if ends_sentence(previous.text) or word.start - previous.end > MAX_PAUSE_SECONDS:
            yield sentence
            sentence = []
        sentence.append(word)
    if sentence:
        yield sentence

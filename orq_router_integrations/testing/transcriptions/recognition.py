"""Recognize the words of the offline router's own speech, or describe any other audio."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.testing.media.audio_codec import decode_audio, has_pyav
from orq_router_integrations.testing.media.audio_info import read_audio_info
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
        words: The words, in order.
        seconds: Duration of the file; ``None`` if its header does not reveal it.
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
    samples = decode_audio(data)
    if samples is None:
        return _describe_audio(data)
    shape = {"rate": samples.rate, "channels": samples.channels, "width": samples.width}
    words = decode_speech(samples.pcm, **shape)
    if not words and not has_only_fragments(samples.pcm, **shape):
        return _describe_audio(data)
    spans = tuple(Span(word.text, word.start, word.end) for word in words)
    return Recognition(spans, samples.seconds)


def align_text(text: str, data: bytes) -> Recognition:
    """Spread the words of a scripted text evenly over a file."""
    seconds = read_audio_info(data).seconds
    words = text.split()
    word_seconds = (seconds or 0.5 * len(words)) / max(1, len(words))
    spans = (
        Span(word, word_seconds * index, word_seconds * (index + 1))
        for index, word in enumerate(words)
    )
    return Recognition(tuple(spans), seconds)


def _describe_audio(data: bytes) -> Recognition:
    """Return a description of the file as a single word."""
    info, mime_type = read_audio_info(data), detect_mime_type(data)
    if info.seconds is None:
        text = f"{len(data)} bytes of {mime_type or 'audio'}"
    else:
        channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
        text = f"{info.seconds:.1f} s of audio, {info.sample_rate / 1000:g} kHz {channels}"
    if mime_type != "audio/wav" and not has_pyav():
        text += "; install av to transcribe it"
    return Recognition((Span(f"[offline: {text}]", 0.0, info.seconds or 0.0),), info.seconds)


def _split_sentences(words: Sequence[Span]) -> Iterator[list[Span]]:
    sentence = list(words[:1])
    for previous, word in pairwise(words):
        if ends_sentence(previous.text) or word.start - previous.end > MAX_PAUSE_SECONDS:
            yield sentence
            sentence = []
        sentence.append(word)
    if sentence:
        yield sentence

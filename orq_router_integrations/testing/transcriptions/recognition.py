"""What is heard in a file: the words of the offline speech, or what the file is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from orq_router_integrations.media import metadata as dimensions
from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.media.wav import WavHeader, parse_wav_header
from orq_router_integrations.testing.media.tone_codec import (
    Word,
    decode_speech,
    ends_sentence,
    has_only_fragments,
)
from orq_router_integrations.wire.transcripts import Span

MAX_PAUSE_SECONDS = 1.0
"""Seconds of silence after which a new segment begins, whatever was said before."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """The words of a file in time, and how long it is (``None`` where its header hides it)."""

    words: tuple[Span, ...]
    seconds: float | None

    @property
    def text(self) -> str:
        """All that was said."""
        return " ".join(word.text for word in self.words)

    @property
    def segments(self) -> list[Span]:
        """Sentences."""
        return [
            Span(" ".join(word.text for word in some), some[0].start, some[-1].end)
            for some in _split_sentences(self.words)
        ]


def recognize(data: bytes) -> Recognition:
    """The words in a WAV that the offline router spoke; a description of any other sound."""
    head = _parse_header(data)
    if head is None:
        return _describe_audio(data)
    pcm = data[head.data_offset :][: head.data_size]
    shape = {
        "rate": head.sample_rate,
        "channels": head.channels,
        "width": head.block_size // head.channels,
    }
    words = decode_speech(pcm, **shape)
    if not words and not has_only_fragments(pcm, **shape):
        return _describe_audio(data)
    return Recognition(
        tuple(map(_get_span, words)), len(pcm) / (head.sample_rate * head.block_size)
    )


def _parse_header(data: bytes) -> WavHeader | None:
    """The head of a WAV with samples in whole numbers."""
    try:
        head = parse_wav_header(data)
    except ValueError:
        return None
    return head if head and head.is_sliceable and head.format_tag == 1 else None


def align_script(text: str, data: bytes) -> Recognition:
    """A scripted text, its words spread evenly over the file."""
    sound = dimensions.read_audio_info(data)
    seconds = sound.seconds if sound else None
    words = text.split()
    each = (seconds or 0.5 * len(words)) / max(1, len(words))
    spans = (Span(word, each * at, each * (at + 1)) for at, word in enumerate(words))
    return Recognition(tuple(spans), seconds)


def _get_span(word: Word) -> Span:
    return Span(word.text, word.start, word.end)


def _describe_audio(data: bytes) -> Recognition:
    """What the header says, as one long word."""
    sound = dimensions.read_audio_info(data)
    if sound is None or sound.seconds is None:
        text = f"[offline: {len(data)} bytes of {detect_mime_type(data[:64]) or 'audio'}]"
        return Recognition((Span(text, 0.0, 0.0),), None)
    channels = {1: "mono", 2: "stereo"}.get(sound.channels, f"{sound.channels} channels")
    text = f"[offline: {sound.seconds:.1f} s of audio, {sound.sample_rate / 1000:g} kHz {channels}]"
    return Recognition((Span(text, 0.0, sound.seconds),), sound.seconds)


def _split_sentences(words: Sequence[Span]) -> Iterator[list[Span]]:
    some = list(words[:1])
    for before, word in pairwise(words):
        if ends_sentence(before.text) or word.start - before.end > MAX_PAUSE_SECONDS:
            yield some
            some = []
        some.append(word)
    if some:
        yield some

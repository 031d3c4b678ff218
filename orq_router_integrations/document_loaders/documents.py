"""A transcript as Documents: one per file, segment, word, speaker turn or time window."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any, Literal

import orjson
from langchain_core.documents import Document

from orq_router_integrations.wire.call import MalformedResponseError
from orq_router_integrations.wire.transcripts import Span, Transcript
from orq_router_integrations.wire.word_tokenizer import join_words, split_words

Granularity = Literal["file", "segment", "word", "speaker", "window"]

RESPONSE_FORMATS: Mapping[str, tuple[str, ...]] = {
    "file": ("json", "text", "srt", "verbose_json", "vtt"),
    "segment": ("verbose_json", "srt", "vtt"),
    "word": ("verbose_json",),
    "speaker": ("verbose_json", "json", "vtt"),
    "window": ("verbose_json", "srt", "vtt"),
}
"""The response formats that can tell what a granularity needs."""

_HINTS = {
    "segment": "response_format verbose_json, srt and vtt have them",
    "word": "timestamp_granularities=['word'] asks for them, and not all models have it",
    "speaker": "diarize=True asks for them, of models such as elevenlabs/scribe_v1",
    "window": "response_format verbose_json, srt and vtt have them",
}


@dataclass(frozen=True, slots=True)
class DocumentSplitter:
    """What becomes one Document.

    Attributes:
        granularity: see ``OrqAudioParser``.
        window_seconds: the length of a time window.
    """

    granularity: Granularity = "file"
    window_seconds: float = 60.0

    def require_spans(self, transcript: Transcript) -> Transcript:
        """Check that a transcript has what the Documents need.

        Raises:
            BadReply: there is text, but it is not told when, or by whom, it was said.
        """
        if not self.has_spans(transcript):
            wanted = self.granularity
            raise MalformedResponseError(f"the reply has no {wanted}s with times; {_HINTS[wanted]}")
        return transcript

    def has_spans(self, transcript: Transcript) -> bool:
        """Whether a transcript has what the Documents need."""
        told = {"word": transcript.words, "segment": transcript.segments}
        spans = told.get(self.granularity, transcript.words or transcript.segments)
        if self.granularity == "speaker":
            spans = _with_speakers(transcript)
        return bool(spans) or not transcript.text or self.granularity == "file"

    def split(self, transcript: Transcript, metadata: Mapping[str, Any]) -> Iterator[Document]:
        """The Documents of a transcript.

        Args:
            transcript: of a whole recording.
            metadata: what the metadata of all of them says.
        """
        if self.granularity == "file":
            seconds = transcript.duration
            times = {} if seconds is None else {"start": 0.0, "end": seconds}
            told = {"error": "; ".join(transcript.errors) or None}
            yield Document(
                transcript.text, metadata=flatten_metadata({**metadata, **times, **told})
            )
            return
        for span in self._spans(transcript):
            own = {"start": span.start, "end": span.end}
            told = {"speaker": span.speaker, "error": span.error}
            yield Document(span.text, metadata=flatten_metadata({**metadata, **own, **told}))

    def _spans(self, transcript: Transcript) -> Iterable[Span]:
        if self.granularity == "segment":
            return transcript.segments
        if self.granularity == "word":
            return transcript.words
        spans = _punctuated(transcript) or transcript.segments
        if self.granularity == "speaker":
            return _merged(_with_speakers(transcript) or spans, lambda span: span.speaker)
        return _merged(
            (replace(span, speaker=None) for span in spans),
            lambda span: int(span.start // self.window_seconds),
        )


def _with_speakers(transcript: Transcript) -> tuple[Span, ...]:
    """The words, or the segments, whichever are told apart by who said them; else none."""
    told = (_punctuated(transcript), transcript.segments)
    return next((spans for spans in told if any(span.speaker for span in spans)), ())


def _merged(spans: Iterable[Span], alike: Any) -> Iterator[Span]:
    """Neighbours that are alike as one; what failed stays alone."""
    for _, some in groupby(spans, lambda span: (span.error, alike(span))):
        first, *rest = some
        last = rest[-1] if rest else first
        text = join_words(span.text for span in (first, *rest))
        yield replace(first, text=text, end=max(first.end, last.end))


def _punctuated(transcript: Transcript) -> tuple[Span, ...]:
    """The words as the text has them; those of some providers have lost their punctuation."""
    tokens = split_words(transcript.text)
    if len(tokens) != len(transcript.words):
        return transcript.words
    pairs = zip(transcript.words, tokens, strict=True)
    return tuple(replace(word, text=token) for word, token in pairs)


def flatten_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata that every vector store takes: texts, numbers, booleans; no ``None``."""
    found = ((str(name), _scalar(value)) for name, value in metadata.items())
    return {name: value for name, value in found if value is not None}


def _scalar(value: Any) -> str | int | float | bool | None:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) >= 2**63:  # more than databases take
        return str(value)
    if value is None or isinstance(value, (str, int, float)):
        return value
    if not isinstance(value, (Mapping, list, tuple)):
        return value.isoformat() if isinstance(value, date) else str(value)
    try:
        return orjson.dumps(value, default=str).decode()
    except TypeError:
        return str(value)

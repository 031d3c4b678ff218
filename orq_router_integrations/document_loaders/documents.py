"""Convert transcripts to Documents, and Documents to subtitles."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby
from typing import Any, Literal

import orjson
from langchain_core.documents import Document

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import MalformedResponseError
from orq_router_integrations.wire.json import to_printable
from orq_router_integrations.wire.subtitles import Span, format_srt, format_vtt
from orq_router_integrations.wire.transcriptions import Transcript
from orq_router_integrations.wire.word_tokenizer import join_words, split_words

Granularity = Literal["file", "segment", "word", "speaker", "window"]

RESPONSE_FORMATS: Mapping[str, tuple[str, ...]] = {
    "file": ("json", "text", "srt", "verbose_json", "vtt"),
    "segment": ("verbose_json", "srt", "vtt"),
    "word": ("verbose_json",),
    "speaker": ("verbose_json", "json", "vtt"),
    "window": ("verbose_json", "srt", "vtt"),
}
"""Response formats that contain what each granularity needs."""


@dataclass(frozen=True, slots=True)
class DocumentSplitter:
    granularity: Granularity = "file"
    window_seconds: float = 60.0

    def require_spans(self, transcript: Transcript) -> Transcript:
        """Return a transcript unchanged if it has the required timestamps or speakers."""
        needs_speakers = self.granularity == "speaker"
        if self.granularity == "file" or not transcript.text:
            return transcript
        if any(span.speaker or not needs_speakers for span in self._get_spans(transcript)):
            return transcript
        missing = "speakers" if needs_speakers else "timestamps"
        raise MalformedResponseError(
            f"the response does not contain {missing}, which granularity={self.granularity!r} "
            "requires. Use a model that supports them"
        )

    def split(self, transcript: Transcript, metadata: Mapping[str, Any]) -> Iterator[Document]:
        if self.granularity == "file":
            fields: dict[str, Any] = {"error": "; ".join(transcript.errors) or None}
            if transcript.duration is not None:
                fields |= {"start": 0.0, "end": transcript.duration}
            yield Document(transcript.text, metadata=flatten_metadata({**metadata, **fields}))
            return
        for span in self._get_spans(transcript):
            fields = {name: getattr(span, name) for name in ("start", "end", "speaker", "error")}
            yield Document(span.text, metadata=flatten_metadata({**metadata, **fields}))

    def _get_spans(self, transcript: Transcript) -> Iterable[Span]:
        if self.granularity == "segment":
            return transcript.segments
        if self.granularity == "word":
            return transcript.words
        words, segments = _restore_punctuation(transcript), transcript.segments
        if self.granularity == "speaker":
            # Providers label either the words or the segments.
            is_labeled = any(span.speaker for span in words)
            spans = words if is_labeled or not segments else segments
            return _merge_neighbors(spans, lambda span: span.speaker)
        return _merge_neighbors(
            (replace(span, speaker=None) for span in words or segments),
            lambda span: int(span.start // self.window_seconds),
        )


def _merge_neighbors(spans: Iterable[Span], key: Callable[[Span], Hashable]) -> Iterator[Span]:
    """Merge adjacent spans with the same key, except for failed ones."""
    for _, group in groupby(spans, lambda span: (span.error, key(span))):
        merged = list(group)
        text = join_words(span.text for span in merged)
        yield replace(merged[0], text=text, end=max(span.end for span in merged))


def _restore_punctuation(transcript: Transcript) -> tuple[Span, ...]:
    """Return the words as spelled in the text; some providers omit punctuation from words."""
    tokens = split_words(transcript.text)
    if len(tokens) != len(transcript.words):
        return transcript.words
    pairs = zip(transcript.words, tokens, strict=True)
    return tuple(replace(word, text=token) for word, token in pairs)


def flatten_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Convert metadata to values that every vector store accepts.

    The result has strings, numbers and booleans only. ``None`` and NaN are dropped, nested values
    become JSON strings.
    """
    items = ((str(name), _to_scalar(value)) for name, value in metadata.items())
    return {name: value for name, value in items if value is not None}


def _to_scalar(value: Any) -> str | int | float | bool | None:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, (Mapping, list, tuple)):
        with suppress(TypeError):
            return orjson.dumps(value, default=str).decode()
    return to_printable(value.isoformat() if isinstance(value, date) else str(value))


def to_srt(documents: Iterable[Document]) -> str:
    """Format Documents as SubRip (``.srt``) subtitles.

    SubRip does not support speakers; use ``to_vtt`` to keep them.

    Args:
        documents: Documents of one recording with ``start`` and ``end`` in seconds in their
            metadata, as loaded with ``granularity="segment"``.

    Returns:
        The contents of the subtitle file, one cue per Document.

    Raises:
        RouterInputError: A Document does not have ``start`` and ``end``, or the Documents belong
            to several recordings.

    >>> document = Document("Good day.", metadata={"start": 0.0, "end": 2.5})
    >>> print(to_srt([document]), end="")
    1
    00:00:00,000 --> 00:00:02,500
    Good day.
    """
    return format_srt(_iter_spans(documents))


def to_vtt(documents: Iterable[Document]) -> str:
    """Format Documents as WebVTT (``.vtt``) subtitles.

    Args:
        documents: Documents of one recording with ``start`` and ``end`` in seconds in their
            metadata, as loaded with ``granularity="segment"``. A ``speaker`` becomes a WebVTT
            voice.

    Returns:
        The contents of the subtitle file, one cue per Document.

    Raises:
        RouterInputError: A Document does not have ``start`` and ``end``, or the Documents belong
            to several recordings.

    >>> document = Document("Good day.", metadata={"start": 0.0, "end": 2.5, "speaker": "Ann"})
    >>> print(to_vtt([document]).splitlines()[3])
    <v Ann>Good day.
    """
    return format_vtt(_iter_spans(documents))


def _iter_spans(documents: Any) -> Iterator[Span]:
    if isinstance(documents, (str, Document)) or not isinstance(documents, Iterable):
        raise RouterInputError(
            f"documents: Expected a list of Documents, got {type(documents).__name__}."
        )
    recording = None
    for index, document in enumerate(documents):
        metadata = document.metadata if isinstance(document, Document) else {}
        try:
            start, end = float(metadata["start"]), float(metadata["end"])
            round(start + end)  # raises for NaN and infinity
        except (KeyError, TypeError, ValueError, OverflowError):
            raise RouterInputError(
                f"documents[{index}]: Expected a Document with 'start' and 'end' in seconds in its "
                "metadata. Load with granularity='segment' or response_format='verbose_json'."
            ) from None
        source = metadata.get("source")
        if index and source != recording:
            raise RouterInputError(
                f"documents[{index}]: Expected Documents of one recording, got {recording!r} and "
                f"{source!r}. Create the subtitles of each recording separately."
            )
        recording = source
        speaker = metadata.get("speaker")
        yield Span(document.page_content, start, end, None if speaker is None else str(speaker))

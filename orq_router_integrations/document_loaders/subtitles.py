"""Convert Documents to subtitles."""

from collections.abc import Iterable, Iterator
from typing import Any

from langchain_core.documents import Document

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.subtitles import Span, format_srt, format_vtt


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
        source = metadata.get("source")
        if recording is not None and source != recording:
            raise RouterInputError(
                f"documents[{index}]: Expected Documents of one recording, got {recording!r} and "
                f"{source!r}. Create the subtitles of each recording separately."
            )
        recording = source
        try:
            start, end = float(metadata["start"]), float(metadata["end"])
            round(start + end)  # raises for NaN and infinity
        except (KeyError, TypeError, ValueError, OverflowError):
            raise RouterInputError(
                f"documents[{index}]: Expected a Document with 'start' and 'end' in seconds in its "
                "metadata. Load with granularity='segment' or response_format='verbose_json'."
            ) from None
        speaker = metadata.get("speaker")
        yield Span(document.page_content, start, end, None if speaker is None else str(speaker))

"""Documents with times as subtitles."""

from collections.abc import Iterable, Iterator

from langchain_core.documents import Document

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.subtitles import format_srt, format_vtt, parse_subtitles
from orq_router_integrations.wire.transcripts import Span


def to_srt(documents: Iterable[Document]) -> str:
    """Documents of a transcript as a SubRip file, which has no place for speakers.

    Raises:
        RouterInputError: a Document has no ``start`` and ``end`` in its metadata.

    >>> document = Document("Good day.", metadata={"start": 0.0, "end": 2.5})
    >>> print(to_srt([document]), end="")
    1
    00:00:00,000 --> 00:00:02,500
    Good day.
    """
    return format_srt(_spans(documents))


def to_vtt(documents: Iterable[Document]) -> str:
    """Documents of a transcript as a WebVTT file, speakers as its voices; see ``to_srt``.

    Raises:
        RouterInputError: a Document has no ``start`` and ``end`` in its metadata.

    >>> spoken = {"start": 0.0, "end": 2.5, "speaker": "Ann"}
    >>> print(to_vtt([Document("Good day.", metadata=spoken)]).splitlines()[3])
    <v Ann>Good day.
    """
    return format_vtt(_spans(documents))


def from_subtitles(text: str, *, source: str = "subtitles") -> list[Document]:
    """The cues of a SubRip or WebVTT file as Documents, one each.

    Raises:
        RouterInputError: there is no cue in the text.
    """
    try:
        cues = parse_subtitles(text)
    except ValueError as error:
        raise RouterInputError(f"{source}: {error}") from None
    return [
        Document(
            cue.text,
            metadata={"source": source, "start": cue.start, "end": cue.end}
            | ({"speaker": cue.speaker} if cue.speaker else {}),
        )
        for cue in cues
    ]


def _spans(documents: Iterable[Document]) -> Iterator[Span]:
    for number, document in enumerate(documents):
        told = document.metadata
        try:
            start, end = float(told["start"]), float(told["end"])
            round(start + end)  # not a number, or infinite
        except (KeyError, TypeError, ValueError, OverflowError):
            raise RouterInputError(
                f"documents[{number}]: no start and end in its metadata; load with "
                "granularity='segment', or with response_format='verbose_json'"
            ) from None
        speaker = told.get("speaker")
        yield Span(document.page_content, start, end, None if speaker is None else str(speaker))

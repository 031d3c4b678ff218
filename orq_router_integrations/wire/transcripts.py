"""Transcripts of recordings: text, and spans of text with start and end times.

These classes are separate from ``transcriptions`` because ``subtitles``, which it imports, needs
them as well.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from orq_router_integrations.wire import json


@dataclass(frozen=True, slots=True)
class Span:
    """A word, segment or speaker turn of a recording.

    Attributes:
        text: The words spoken.
        start: Start in seconds from the beginning of the recording.
        end: End in seconds from the beginning of the recording.
        speaker: Label of the speaker, if the provider returns one.
        error: Why this part could not be transcribed; ``text`` is empty then.
    """

    text: str
    start: float
    end: float
    speaker: str | None = None
    error: str | None = None

    def shift(self, seconds: float) -> "Span":
        """Return a copy that starts and ends later by a number of seconds."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A transcription or translation of a recording.

    Attributes:
        text: The complete text.
        words: Words with their times, if the response has them.
        segments: Segments with their times, if the response has them.
        language: Language as named by the provider, such as ``english``.
        duration: Length of the recording in seconds.
        model: Model that answered, if the response names it.
        offline: Whether the offline router produced the transcript.
        raw: Fields of the response that have no attribute here.
    """

    text: str
    words: tuple[Span, ...] = ()
    segments: tuple[Span, ...] = ()
    language: str | None = None
    duration: float | None = None
    model: str | None = None
    offline: bool = False
    raw: Mapping[str, Any] = field(default_factory=dict)

    @property
    def errors(self) -> list[str]:
        """Errors of the segments that could not be transcribed."""
        return [span.error for span in self.segments if span.error]

    def shift(self, seconds: float) -> Self:
        """Return a copy whose words and segments are later by a number of seconds."""
        return replace(
            self,
            words=tuple(span.shift(seconds) for span in self.words),
            segments=tuple(span.shift(seconds) for span in self.segments),
        )

    def to_json(self) -> bytes:
        """Serialize the transcript; ``from_json`` reads it again."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Deserialize a transcript that ``to_json`` has written.

        Raises:
            ValueError: If the data is not a serialized transcript.
        """
        try:
            fields = dict(json.loads(data))
            for name in ("words", "segments"):
                fields[name] = tuple(_build_span(**span) for span in fields[name])
            return cls(**{**fields, "text": fields["text"] + ""})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a transcript: {error}") from None


def _build_span(text: str, start: float, end: float, **labels: str | None) -> Span:
    """Build a span; the additions raise ``TypeError`` if a value has the wrong type."""
    return Span(text + "", start + 0.0, end + 0.0, **labels)

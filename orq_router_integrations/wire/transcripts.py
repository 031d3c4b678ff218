"""Transcripts of recordings: text, and spans of text with start and end times.

These classes are separate from ``transcriptions`` because ``subtitles``, which it imports, needs
them as well.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from orq_router_integrations.wire import json


@dataclass(frozen=True, slots=True)
class Span:
    """A word, segment or speaker turn of a recording."""

    text: str
    start: float  # seconds from the beginning of the recording
    end: float
    speaker: str | None = None
    error: str | None = None  # why this part could not be transcribed; ``text`` is empty then

    def shift(self, seconds: float) -> "Span":
        """Return a copy that starts and ends later by a number of seconds."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True, slots=True)
class Transcript:
    """The transcript of a recording, or its translation, as parsed from a response."""

    text: str
    words: tuple[Span, ...] = ()
    segments: tuple[Span, ...] = ()
    language: str | None = None  # as named by the provider, such as ``english``
    duration: float | None = None  # in seconds
    model: str | None = None
    offline: bool = False  # whether the offline router produced it
    raw: Mapping[str, Any] = field(default_factory=dict)  # fields without an attribute here

    @property
    def errors(self) -> list[str]:
        """Errors of the segments that could not be transcribed."""
        return [span.error for span in self.segments if span.error]

    def to_json(self) -> bytes:
        """Serialize the transcript; ``from_json`` reads it again."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(data: bytes) -> "Transcript":
        """Deserialize a transcript that ``to_json`` has written, or raise ``ValueError``."""
        return _create_adapter().validate_json(data, strict=True)


@cache
def _create_adapter() -> TypeAdapter[Transcript]:
    return TypeAdapter(Transcript)

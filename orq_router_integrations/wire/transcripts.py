"""What was said in a recording, whichever format told it: text, and spans of it in time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from orq_router_integrations.wire import json


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a recording: a word, a segment, a turn.

    Attributes:
        text: what was said.
        start: seconds from the beginning of the recording.
        end: where it ends, in seconds.
        speaker: the label of who said it, where the router gave one.
        error: why nothing was transcribed here; the text is then a remark.
    """

    text: str
    start: float
    end: float
    speaker: str | None = None
    error: str | None = None

    def shift(self, seconds: float) -> "Span":
        """The same, so much later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A transcript or translation.

    Attributes:
        text: all of it.
        words: each word in time, where the reply has them.
        segments: each segment in time, where the reply has them.
        language: as the router says it, such as ``english``.
        duration: of the recording, in seconds.
        model: who answered, where the reply says it.
        offline: whether the offline router made it up.
        raw: the members of the reply that have no place above, as they came.
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
        """Why parts of it are missing."""
        return [span.error for span in self.segments if span.error]

    def shift(self, seconds: float) -> Self:
        """The same, so much later in a longer recording."""
        return replace(
            self,
            words=tuple(span.shift(seconds) for span in self.words),
            segments=tuple(span.shift(seconds) for span in self.segments),
        )

    def to_json(self) -> bytes:
        """For keeping; ``from_json`` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """What ``to_json`` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            members = dict(json.loads(data))
            for name in ("words", "segments"):
                members[name] = tuple(_span(**span) for span in members[name])
            return cls(**{**members, "text": members["text"] + ""})
        except (TypeError, KeyError) as error:
            raise ValueError(f"not a transcript: {error}") from None


def _span(text: str, start: float, end: float, **told: str | None) -> Span:
    """A span that was kept; a ``TypeError`` where its members are something else."""
    return Span(text + "", start + 0.0, end + 0.0, **told)

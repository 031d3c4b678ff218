"""Parse and format SubRip (srt) and WebVTT (vtt) subtitles.

Parsing is as tolerant as video players are: decimal marks, hours, cue numbers, blank lines between
cues and line endings may vary or be missing. Negative times become 0.
"""

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_TIME = r"(-)?(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?"
_CUE_START = re.compile(  # a line with the number of the cue, which is optional, and its times
    rf"(?:^[ \t]*\d+[ \t]*\n)?^[ \t]*{_TIME}[ \t]*-->[ \t]*{_TIME}(?:[ \t].*)?$", re.MULTILINE
)
_VOICE = re.compile(r"<v(?:\.[^ <>]*)?\s([^<>]*)>")
_TAG = re.compile(r"</?[a-zA-Z0-9:.][^<>]*>|\{\\[^{}]*\}")
_VTT_HEADER = "WEBVTT"


@dataclass(frozen=True, slots=True)
class Span:
    """A word, segment or speaker turn of a recording."""

    text: str
    start: float  # seconds from the beginning of the recording
    end: float
    speaker: str | None = None
    error: str | None = None  # why this part could not be transcribed; ``text`` is empty then

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


def parse_subtitles(text: str) -> list[Span]:
    """Parse a subtitle file; tags are removed and voices become speakers."""
    body = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    is_vtt = body.startswith(_VTT_HEADER)
    matches = list(_CUE_START.finditer(body))
    if not matches and body.strip() and not is_vtt:
        raise ValueError("the text contains no subtitle cues")
    ends = [*(match.start() for match in matches[1:]), len(body)]
    cues = [
        _parse_cue(match, body[match.end() : end], is_vtt)
        for match, end in zip(matches, ends, strict=False)
    ]
    return [cue for cue in cues if cue.text]


def _parse_cue(timing: "re.Match[str]", text: str, is_vtt: bool) -> Span:
    # A blank line ends a cue in WebVTT only: SubRip files contain cues with blank lines.
    if is_vtt:
        text = text.removeprefix("\n").partition("\n\n")[0]
    voice = _VOICE.search(text)
    plain_text = _TAG.sub("", text)
    return Span(
        " ".join((html.unescape(plain_text) if is_vtt else plain_text).split()),
        _parse_seconds(timing.groups()[:5]),
        _parse_seconds(timing.groups()[5:]),
        html.unescape(voice[1].strip()) if voice else None,
    )


def _parse_seconds(parts: Sequence[str | None]) -> float:
    sign, hours, minutes, seconds, fraction = (part or "0" for part in parts)
    if sign == "-":
        return 0.0
    total_seconds = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return total_seconds + round(float(f"0.{fraction}"), 3)


def format_srt(spans: Iterable[Span]) -> str:
    """Format spans as a SubRip file. The format does not support speakers, so they are omitted."""
    return "\n".join(
        f"{number}\n{_format_timing(span, ',')}\n{_escape_line(span.text)}\n"
        for number, span in enumerate(spans, start=1)
    )


def format_vtt(spans: Iterable[Span]) -> str:
    """Format spans as a WebVTT file, with speakers as voices."""
    cues = [f"{_VTT_HEADER}\n"]
    for span in spans:
        text = html.escape(_escape_line(span.text), quote=False)
        if span.speaker is not None:
            text = f"<v {html.escape(_escape_line(span.speaker), quote=False)}>{text}"
        cues.append(f"{_format_timing(span, '.')}\n{text}\n")
    return "\n".join(cues)


def _escape_line(text: str) -> str:
    """Join text into one line, and escape arrows so that it is not parsed as a timing line."""
    return " ".join(text.split()).replace("-->", "->")


def _format_timing(span: Span, decimal_mark: str) -> str:
    start, end = span.start, max(span.start, span.end)
    return f"{_format_time(start, decimal_mark)} --> {_format_time(end, decimal_mark)}"


def _format_time(seconds: float, decimal_mark: str) -> str:
    total_seconds, milliseconds = divmod(max(0, round(seconds * 1000)), 1000)
    total_minutes, whole_seconds = divmod(total_seconds, 60)
    hours, minutes = divmod(total_minutes, 60)
    return f"{hours:02}:{minutes:02}:{whole_seconds:02}{decimal_mark}{milliseconds:03}"

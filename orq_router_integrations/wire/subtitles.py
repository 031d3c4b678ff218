"""SubRip (srt) and WebVTT (vtt): cues in, spans out, and the way back.

Read as players read them: either decimal mark or none, hours or none, cue numbers or none, blank
lines between cues or none, any line ends. A time before the beginning is the beginning.
"""

import html
import re
from collections.abc import Iterable, Sequence
from itertools import takewhile

from orq_router_integrations.wire.transcripts import Span

_TIME = r"(-)?(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,9}))?"
_TIMES = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_VOICE = re.compile(r"<v(?:\.[^ <>]*)?\s([^<>]*)>")
_TAG = re.compile(r"</?[a-zA-Z0-9:.][^<>]*>|\{\\[^{}]*\}")
_MARK = "WEBVTT"


def parse_subtitles(text: str) -> list[Span]:
    """The cues of a file of subtitles; tags are taken out, voices become speakers.

    Raises:
        ValueError: there is text, but no cue in it.
    """
    body = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    marked = body.startswith(_MARK)
    lines = body.split("\n")
    times = [(at, found) for at, line in enumerate(lines) if (found := _TIMES.match(line))]
    if not times and body.strip() and not marked:
        raise ValueError("there is not one cue in it")
    ends = [*(_begin(lines, at, marked) for at, _ in times), len(lines)][1:]
    cues = (
        _cue(found, _said(lines[at + 1 : end], marked), marked)
        for (at, found), end in zip(times, ends, strict=True)
    )
    return [cue for cue in cues if cue.text]


def _begin(lines: Sequence[str], at: int, marked: bool) -> int:
    """Where the cue with these times begins: at its number or name, where it has one."""
    before, above = lines[at - 1].strip(), lines[at - 2].strip()
    return at - 1 if before.isdecimal() or (marked and before and not above) else at


def _said(lines: Sequence[str], marked: bool) -> str:
    """What follows the times of a cue; only in WebVTT does a blank line end it."""
    if not marked:
        return "\n".join(lines)
    return "\n".join(takewhile(str.strip, lines))


def _cue(times: "re.Match[str]", said: str, marked: bool) -> Span:
    voice = _VOICE.search(said)
    plain = _TAG.sub("", said)
    return Span(
        " ".join((html.unescape(plain) if marked else plain).split()),
        _seconds(times.groups()[:5]),
        _seconds(times.groups()[5:]),
        html.unescape(voice[1].strip()) if voice else None,
    )


def _seconds(parts: Sequence[str | None]) -> float:
    negative, hours, minutes, seconds, fraction = (part or "0" for part in parts)
    if negative == "-":
        return 0.0
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + round(float(f"0.{fraction}"), 3)


def format_srt(spans: Iterable[Span]) -> str:
    """Spans as a SubRip file; it has no place for speakers."""
    cues = (
        f"{number}\n{_times(span, ',')}\n{_line(span.text)}\n"
        for number, span in enumerate(spans, start=1)
    )
    return "\n".join(cues)


def format_vtt(spans: Iterable[Span]) -> str:
    """Spans as a WebVTT file, speakers as voices."""
    cues = (f"{_times(span, '.')}\n{_voiced(span)}\n" for span in spans)
    return "\n".join([f"{_MARK}\n", *cues])


def _line(text: str) -> str:
    """One line, in which nothing can be mistaken for the times of a cue."""
    return " ".join(text.split()).replace("-->", "->")


def _voiced(span: Span) -> str:
    text = html.escape(_line(span.text), quote=False)
    if span.speaker is None:
        return text
    return f"<v {html.escape(_line(span.speaker), quote=False)}>{text}"


def _times(span: Span, mark: str) -> str:
    return f"{_time(span.start, mark)} --> {_time(max(span.start, span.end), mark)}"


def _time(seconds: float, mark: str) -> str:
    thousandths = max(0, round(seconds * 1000))
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"

"""SubRip (srt) and WebVTT (vtt): cues in, spans out, and the way back.

Read as players read them: either decimal mark, hours or none, cue numbers or none, any line ends.
"""

import html
import re
from collections.abc import Iterable, Iterator

from orq_router_integrations.wire.transcripts import Span

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{1,2})[.,](\d{1,3})"
_TIMES = re.compile(rf"^\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_VOICE = re.compile(r"<v(?:\.[^ >]*)?\s+([^>]*)>")
_TAG = re.compile(r"</?[a-zA-Z0-9:.][^<>]*>")
_MARK = "WEBVTT"


def read_cues(text: str) -> list[Span]:
    """The cues of a file of subtitles; tags are taken out, voices become speakers.

    Raises:
        ValueError: there is text, but no cue in it.
    """
    body = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    marked = body.startswith(_MARK)
    cues = [cue for block in re.split(r"\n[ \t]*\n", body) for cue in _cue(block, marked)]
    if not cues and body.strip() and not marked:
        raise ValueError("there is not one cue in it")
    return cues


def _cue(block: str, marked: bool) -> Iterator[Span]:
    lines = block.strip("\n").split("\n")
    for index, line in enumerate(lines[:3]):
        if times := _TIMES.match(line):
            said = "\n".join(lines[index + 1 :])
            voice = _VOICE.search(said)
            plain = _TAG.sub("", said)
            yield Span(
                " ".join((html.unescape(plain) if marked else plain).split()),
                _seconds(times.groups()[:4]),
                _seconds(times.groups()[4:]),
                html.unescape(voice[1].strip()) if voice else None,
            )
            return


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + int(fraction.ljust(3, "0")) / 1000


def write_srt(spans: Iterable[Span]) -> str:
    """Spans as a SubRip file; it has no place for speakers."""
    cues = (
        f"{number}\n{_times(span, ',')}\n{_line(span.text)}\n"
        for number, span in enumerate(spans, start=1)
    )
    return "\n".join(cues)


def write_vtt(spans: Iterable[Span]) -> str:
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
    return f"{_time(span.start, mark)} --> {_time(span.end, mark)}"


def _time(seconds: float, mark: str) -> str:
    thousandths = max(0, round(seconds * 1000))
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{mark}{rest % 1000:03}"

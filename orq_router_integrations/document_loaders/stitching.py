"""Pieces back into one transcript: what two neighbours both heard is kept once.

Words that have times, of their own or of their segment, are joined by time, at a word that both
pieces heard alike or at the cut; texts without times where their words agree. What was cut off
from the words is cut off from text and segments too, word by word, so that all tell the same.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from orq_router_integrations.wire.transcripts import Span, Transcript
from orq_router_integrations.wire.word_tokenizer import (
    drop_first_words,
    drop_last_words,
    join_words,
    split_words,
)

NEAR = 0.3
"""Seconds by which the times of one word may differ in two pieces."""

SHARED_WORDS = 60
"""Words at an edge that are compared where there are no times."""

EDGE = 3
"""Words at the edge of a piece that may have been heard wrongly."""

_EDGES = sorted(product(range(EDGE + 1), repeat=2), key=sum)


class Overlap(NamedTuple):
    """How many words go from the end of one piece, and from the beginning of the next."""

    left: int
    right: int


def stitch(
    left: Transcript,
    right: Transcript,
    cut_seconds: float,
    expected_overlap_words: float = SHARED_WORDS / 2,
) -> Transcript:
    """Two neighbours as one, with times in the same recording.

    Args:
        left: the earlier one.
        right: the later one.
        cut_seconds: second in the midst of what both have heard.
        expected_overlap_words: about how many words both have heard; matters where words have
            no times.
    """
    words, text, spans = _seams(left, right, cut_seconds, expected_overlap_words)
    head = replace(
        left,
        text=drop_last_words(left.text, text.left),
        words=left.words[: len(left.words) - words.left],
        segments=tuple(_cut_tail(left.segments, spans.left, cut_seconds)),
    )
    tail = replace(
        right,
        text=drop_first_words(right.text, text.right),
        words=right.words[words.right :],
        segments=tuple(_cut_head(right.segments, spans.right, cut_seconds)),
    )
    return concatenate(head, tail)


def _seams(left: Transcript, right: Transcript, cut: float, shared: float) -> tuple[Overlap, ...]:
    """Where the words with times, the text and the segments of two neighbours meet."""
    one, other = _timed(left), _timed(right)
    by_time = _by_time(one, other, cut) if one and other else None

    def seam(tail: list[str], head: list[str]) -> Overlap:
        """The seam in time, where these are the words that have times; else the one they show."""
        counted = len(tail) == len(one) and len(head) == len(other)
        return by_time if by_time is not None and counted else _by_text(tail, head, shared)

    words = by_time if by_time and left.words and right.words else Overlap(0, 0)
    text = seam(split_words(left.text), split_words(right.text))
    return words, text, seam(_tokens(left.segments), _tokens(right.segments))


def concatenate(left: Transcript, right: Transcript) -> Transcript:
    """Two that share nothing, one behind the other."""
    return replace(
        left,
        text=join_words((left.text, right.text)),
        words=left.words + right.words,
        segments=left.segments + right.segments,
        language=left.language or right.language,
        model=left.model or right.model,
        raw={},
    )


def _timed(transcript: Transcript) -> tuple[Span, ...]:
    """The words, or those of the segments, spread evenly over the time of each."""
    return transcript.words or tuple(
        Span(token, segment.start + each * at, segment.start + each * (at + 1))
        for segment in transcript.segments
        if (tokens := split_words(segment.text))
        for each in [(segment.end - segment.start) / len(tokens)]
        for at, token in enumerate(tokens)
    )


def _by_time(left: Sequence[Span], right: Sequence[Span], cut: float) -> Overlap:
    """The seam at the word nearest to the cut that both have, else at the cut itself."""
    best: tuple[float, Overlap] | None = None
    for i, word in enumerate(left):
        for j, other in enumerate(right):
            if other.start > word.start + NEAR:
                break
            if abs(_middle(word) - _middle(other)) < NEAR and _same(word.text, other.text):
                before = _middle(word) < cut  # then both sides part behind it, else before it
                found = abs(_middle(word) - cut), Overlap(len(left) - i - before, j + before)
                best = found if best is None or found < best else best
    if best is not None:
        return best[1]
    return Overlap(
        sum(_middle(word) >= cut for word in left), sum(_middle(word) < cut for word in right)
    )


def _middle(span: Span) -> float:
    return (span.start + span.end) / 2


def _by_text(left: list[str], right: list[str], shared: float) -> Overlap:
    """The seam in the midst of the longest run of words with which one ends and one begins.

    Beyond the run each side may have a few words that it heard wrongly, for the cut went through
    them; no more than the run is long, or they would not be that. Nor can it be much longer than
    what both have heard: then it is something that was said twice. Where the same words go on and
    on, the run is taken that is nearest to what both should have heard.
    """
    tail = [_plain(word) for word in left[-SHARED_WORDS:]]
    head = [_plain(word) for word in right[:SHARED_WORDS]]
    runs = _runs(tail, head, min(len(tail), len(head), int(2 * shared) + 1))
    longest = next(runs, None)
    if longest is None:
        return Overlap(0, 0)
    fitting = [longest, *runs] if _goes_on(tail, head, longest) else [longest]
    length, after, before = min(fitting, key=lambda run: (abs(sum(run) - shared), -run[0]))
    half = (length + 1) // 2
    return Overlap(after + length - half, before + half)


def _runs(tail: list[str], head: list[str], most: int) -> Iterator[tuple[int, int, int]]:
    """Runs of words that are in both, the longest first: their length, and what is beyond them."""
    for length in range(most, 0, -1):
        for after, before in _EDGES:
            end = len(tail) - after
            if max(after, before) > min(length, most - length) or end < length:
                continue
            if tail[end - length : end] == head[before : before + length]:
                yield length, after, before


def _goes_on(tail: list[str], head: list[str], longest: tuple[int, int, int]) -> bool:
    """Whether both sides say the same words over and over: a refrain, a row of numbers.

    Then any number of rounds fits, and the longest run would swallow what was said twice.
    """
    length, after, before = longest
    tail, head = tail[: len(tail) - after], head[before:]
    run = head[:length]
    return any(
        tail[-2 * once : -once] == tail[-once:]
        and head[:once] == head[once : 2 * once]
        and run[once:] == run[:-once]
        for once in range(1, length + 1)
    )


def _tokens(spans: Iterable[Span]) -> list[str]:
    return [token for span in spans for token in split_words(span.text)]


def _cut_tail(spans: Sequence[Span], count: int, cut: float) -> list[Span]:
    """Spans without so many words at their end."""
    kept = list(spans)
    while kept and count:
        last = kept.pop()
        length = len(split_words(last.text))
        if length > count:
            end = max(last.start, min(last.end, cut))
            kept.append(replace(last, text=drop_last_words(last.text, count), end=end))
        count = max(0, count - length)
    return kept


def _cut_head(spans: Sequence[Span], count: int, cut: float) -> list[Span]:
    """Spans without so many words at their beginning."""
    kept = list(spans)
    while kept and count:
        first = kept.pop(0)
        length = len(split_words(first.text))
        if length > count:
            start = min(first.end, max(first.start, cut))
            kept.insert(0, replace(first, text=drop_first_words(first.text, count), start=start))
        count = max(0, count - length)
    return kept


def _same(one: str, other: str) -> bool:
    return _plain(one) == _plain(other)


def _plain(word: str) -> str:
    """A word without its case and its punctuation, unless it is nothing else."""
    return "".join(sign for sign in word if sign.isalnum()).casefold() or word

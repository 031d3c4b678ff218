"""Merge the transcripts of overlapping chunks.

Neighboring transcripts share the words of their overlap, which must appear once in the result.
Words with timestamps are matched by time. Other texts are matched by their words; the times of
segments, which do not say when a word was spoken, only rule out what was said at another time.
The same words are then removed from words, text and segments, so that all three agree.

Two limits remain: if a model invents an end after an overlap of one or two words, these words are
repeated; and without times, words that match by chance are taken for an overlap.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple

from orq_router_integrations.document_loaders.sources import AudioChunk
from orq_router_integrations.wire.subtitles import Span
from orq_router_integrations.wire.transcriptions import Transcript
from orq_router_integrations.wire.word_tokenizer import (
    drop_first_words,
    drop_last_words,
    join_words,
    split_words,
)

MAX_TIME_DIFFERENCE_SECONDS = 0.3
"""Largest difference between the timestamps of the same word in two chunks."""

MAX_WORDS_PER_SECOND = 4
"""Words per second that an overlap may have, even if a recording consists mostly of pauses."""

_WORD_SECONDS = 0.3

MAX_OVERLAP_WORDS = 60
"""Number of words at the end and the start of texts that are compared without timestamps."""

MAX_MISHEARD_WORDS = 3
"""Number of words at the end or start of a chunk that may be wrong because they were cut."""

MAX_INVENTED_WORDS = 12
"""Number of words that a model may have added where a chunk ends in the middle of a sentence."""


class Overlap(NamedTuple):
    """Words to remove from the end of one transcript (left) and the start of the next (right)."""

    left: int
    right: int


class TimedWord(NamedTuple):
    """A word, the time at which it was spoken, and the uncertainty of that time, in seconds."""

    text: str
    time: float = 0.0
    uncertainty: float = math.inf
    starts_segment: bool = False


class ExpectedWords(NamedTuple):
    """The estimated and the largest possible number of words in an overlap."""

    estimate: float
    maximum: int


class _Run(NamedTuple):
    """A run of equal words near the end of one text and near the start of another.

    ``after`` is the number of words after it in the first text, ``before`` the number of words
    before it in the second.
    """

    length: int
    after: int
    before: int


def merge_chunks(
    chunks: Sequence[AudioChunk], transcripts: Sequence[Transcript | None]
) -> Transcript | None:
    merged: Transcript | None = None
    previous: AudioChunk | None = None  # set if the previous chunk was transcribed
    for chunk, transcript in zip(chunks, transcripts, strict=True):
        if transcript is None:
            previous = None
            continue
        failed = bool(transcript.errors)
        timed = _shift_times(transcript, chunk)
        if merged is None:
            merged = timed
        elif previous is None or failed:
            merged = concatenate(merged, timed)
        else:
            overlap_seconds = (previous.end_seconds or 0.0) - chunk.start_seconds
            chunk_seconds = max(chunk.duration_seconds, overlap_seconds, 0.001)
            overlap_words = len(split_words(timed.text)) * overlap_seconds / chunk_seconds
            max_words = max(2 * overlap_words, MAX_WORDS_PER_SECOND * overlap_seconds)
            merged = stitch(merged, timed, chunk.cut_seconds, overlap_words, max_words=max_words)
        previous = None if failed else chunk
    return merged


def _shift_times(transcript: Transcript, chunk: AudioChunk) -> Transcript:
    """Convert times within a chunk to times within the recording, and make speakers unique.

    Providers number speakers per request, so ``speaker_0`` may be a different person in each
    chunk. The labels therefore start with the number of the chunk.
    """

    def shift(spans: Sequence[Span]) -> tuple[Span, ...]:
        prefix = f"{chunk.index + 1}:"
        return tuple(
            replace(
                span.shift(chunk.start_seconds),
                speaker=prefix + span.speaker if span.speaker else None,
            )
            for span in spans
        )

    return replace(transcript, words=shift(transcript.words), segments=shift(transcript.segments))


def concatenate(left: Transcript, right: Transcript) -> Transcript:
    """Join two transcripts that do not overlap."""
    return replace(
        left,
        text=join_words((left.text, right.text)),
        words=left.words + right.words,
        segments=left.segments + right.segments,
        language=left.language or right.language,
        model=left.model or right.model,
        raw={},
    )


def stitch(
    left: Transcript,
    right: Transcript,
    cut_seconds: float,
    overlap_words: float = MAX_OVERLAP_WORDS / 2,
    *,
    max_words: float | None = None,
) -> Transcript:
    """Join two transcripts that overlap, keeping the words of the overlap once."""
    expected = ExpectedWords(overlap_words, int(max_words or 2 * overlap_words) + 1)
    words, text, segments = _find_overlaps(left, right, cut_seconds, expected)
    left = replace(
        left,
        text=drop_last_words(left.text, text.left),
        words=left.words[: len(left.words) - words.left],
        segments=_trim(left.segments, segments.left, cut_seconds, at_end=True),
    )
    right = replace(
        right,
        text=drop_first_words(right.text, text.right),
        words=right.words[words.right :],
        segments=_trim(right.segments, segments.right, cut_seconds, at_end=False),
    )
    return concatenate(left, right)


def _find_overlaps(
    left: Transcript, right: Transcript, cut_seconds: float, expected: ExpectedWords
) -> tuple[Overlap, Overlap, Overlap]:
    """Find the words to remove from the words, the text and the segments of two transcripts."""
    by_time: Overlap | None = None
    if left.words and right.words:
        by_time = _match_by_time(left.words, right.words, cut_seconds)

    def find_overlap(left_words: list[TimedWord], right_words: list[TimedWord]) -> Overlap:
        """Use the overlap found by time if each word has a time."""
        counts = len(left_words), len(right_words)
        if by_time is not None and counts == (len(left.words), len(right.words)):
            return by_time
        return match_by_text(left_words, right_words, expected)

    left_segments, right_segments = _split_spans(left.segments), _split_spans(right.segments)
    return (
        by_time or Overlap(0, 0),
        find_overlap(
            _split_text(left.text, left_segments), _split_text(right.text, right_segments)
        ),
        find_overlap(left_segments, right_segments),
    )


def _split_spans(spans: Iterable[Span]) -> list[TimedWord]:
    """Split spans into words. Their times are estimates: words are not spoken at an even pace."""
    timed_words = []
    for span in spans:
        words = [normalize_word(word) for word in split_words(span.text)]
        seconds = span.end - span.start
        edge = min(_WORD_SECONDS, seconds) / 2
        for index, word in enumerate(words):
            share = index / (len(words) - 1) if len(words) > 1 else 0.5
            time = span.start + edge + (seconds - 2 * edge) * share
            timed_words.append(TimedWord(word, time, 0.25 + 0.05 * seconds, index == 0))
    return timed_words


def _split_text(text: str, segment_words: list[TimedWord]) -> list[TimedWord]:
    """Split a text into words, with the times of its segments if they have the same words."""
    words = [TimedWord(normalize_word(word)) for word in split_words(text)]
    return segment_words if len(words) == len(segment_words) else words


def _match_by_time(left: Sequence[Span], right: Sequence[Span], cut_seconds: float) -> Overlap:
    """Join two transcripts at a word that both contain, or at any time if they share no word.

    The position that loses the fewest words is used; of several, the one closest to the cut.
    """
    left = [word for word in left if word.end >= right[0].start - MAX_TIME_DIFFERENCE_SECONDS]
    end = max((word.end for word in left), default=-math.inf) + MAX_TIME_DIFFERENCE_SECONDS
    right = [word for word in right if word.start <= end]
    joins = {
        # Keep the word on the side of the cut on which it was spoken.
        (i + (_get_middle(word) < cut_seconds), j + (_get_middle(word) < cut_seconds)): word
        for i, word in enumerate(left)
        for j, other in enumerate(right)
        if _is_same_word(word, other)
    }
    if not joins:
        joins = {_split_at(left, right, word.start): word for word in (*left, *right)}

    def rank(join: tuple[int, int]) -> tuple[int, float]:
        i, j = join
        lost = _count_unmatched(left[i:], right) + _count_unmatched(right[:j], left)
        doubled = len(right[j:]) - _count_unmatched(right[j:], left[:i])
        return lost + doubled, abs(_get_middle(joins[join]) - cut_seconds)

    i, j = min(joins, key=rank, default=(0, 0))
    return Overlap(len(left) - i, j)


def _split_at(left: Sequence[Span], right: Sequence[Span], seconds: float) -> tuple[int, int]:
    """Return how many words of two transcripts are spoken before a time."""
    kept, dropped = (sum(_get_middle(word) < seconds for word in words) for words in (left, right))
    return kept, dropped


def _count_unmatched(words: Sequence[Span], others: Sequence[Span]) -> int:
    """Count the words that do not overlap in time with a word of the other transcript."""
    return sum(
        all(word.end <= other.start or other.end <= word.start for other in others)
        for word in words
    )


def _is_same_word(word: Span, other: Span) -> bool:
    if abs(_get_middle(word) - _get_middle(other)) >= MAX_TIME_DIFFERENCE_SECONDS:
        return False
    return normalize_word(word.text) == normalize_word(other.text)


def _get_middle(span: Span) -> float:
    return (span.start + span.end) / 2


def _trim(
    spans: Sequence[Span], count: int, cut_seconds: float, *, at_end: bool
) -> tuple[Span, ...]:
    """Remove the last or the first ``count`` words from spans."""
    trimmed = list(spans)
    while trimmed and count:
        span = trimmed.pop(-1 if at_end else 0)
        word_count = len(split_words(span.text))
        if word_count > count:
            edge = max(span.start, min(span.end, cut_seconds))
            if at_end:
                rest = replace(span, text=drop_last_words(span.text, count), end=edge)
                trimmed.append(rest)
            else:
                rest = replace(span, text=drop_first_words(span.text, count), start=edge)
                trimmed.insert(0, rest)
        count = max(0, count - word_count)
    return tuple(trimmed)


def match_by_text(
    left: list[TimedWord], right: list[TimedWord], expected: ExpectedWords
) -> Overlap:
    """Find the longest run of words at the end of one text and the start of the other.

    The texts are joined in the middle of the run, or where a segment starts in both.

    A few misheard words may follow the run on the left and precede it on the right. A run that is
    much longer than the expected overlap is ignored, because its words were spoken twice. If the
    speaker repeats the same words, runs of many lengths match, and the one closest to the expected
    overlap is used. If only one word or none matches, more words may follow the run on the left,
    because models invent an end for a sentence that was cut.
    """
    left, right = left[-MAX_OVERLAP_WORDS:], right[:MAX_OVERLAP_WORDS]
    # The times of segments may be wrong. Several equal words are stronger evidence.
    runs = (_find_run(left, right, expected, tolerance) for tolerance in (1, 2, 3))
    run = next(filter(None, runs), None)
    if run is None:
        return Overlap(0, 0)
    start, half = len(left) - run.after - run.length, (run.length + 1) // 2

    def rank(count: int) -> tuple[bool, int]:
        next_words = left[start + count :][:1] + right[run.before + count :][:1]
        is_boundary = all(word.starts_segment for word in next_words)
        return not is_boundary, abs(count - half)

    kept = min(range(run.length + 1), key=rank)
    return Overlap(run.after + run.length - kept, run.before + kept)


def _find_run(
    left: list[TimedWord], right: list[TimedWord], expected: ExpectedWords, tolerance: int
) -> _Run | None:
    max_words = min(len(left), len(right), expected.maximum)
    runs = [_shorten(run, max_words) for run in _iter_runs(left, right, tolerance)]
    runs = [run for run in runs if run.length >= tolerance]
    runs.sort(key=lambda run: (-run.length, run.after + run.before))
    # More misheard words than equal ones are probably not a match at all.
    regular = [
        run for run in runs if max(run.after, run.before) <= min(run.length, MAX_MISHEARD_WORDS)
    ]
    if not regular or regular[0].length == 1:
        has_close_times = tolerance == 1 and bool(left) and math.isfinite(left[-1].uncertainty)
        min_length = 2 if has_close_times else max(3, int(expected.estimate / 2))
        for run in runs:
            is_invented = MAX_MISHEARD_WORDS < run.after <= MAX_INVENTED_WORDS and run.before <= 1
            if is_invented and run.length >= min_length and _is_unique(left, run):
                return run
    if regular and _is_repetitive(left, right, regular[0]):
        return min(regular, key=lambda run: (abs(sum(run) - expected.estimate), -run.length))
    return regular[0] if regular else None


def _iter_runs(left: list[TimedWord], right: list[TimedWord], tolerance: int) -> Iterator[_Run]:
    """Yield the runs of equal words, for every number of words that may overlap."""
    for shift in range(1 - len(right), len(left)):
        pairs = zip(left[max(0, shift) :], right[max(0, -shift) :], strict=False)
        index = max(0, shift)
        for is_equal, group in groupby(_is_equal(*pair, tolerance) for pair in pairs):
            length = len(list(group))
            if is_equal:
                yield _Run(length, len(left) - index - length, index - shift)
            index += length


def _shorten(run: _Run, max_words: int) -> _Run:
    """Shorten a run so that ``max_words`` are enough for it and the misheard words next to it."""
    misheard = run.after if run.after <= MAX_MISHEARD_WORDS else 0  # more words are invented
    spare = max_words - run.length
    first, last = max(0, misheard - spare), max(0, run.before - spare)
    return _Run(run.length - first - last, run.after + last, run.before + first)


def _is_equal(word: TimedWord, other: TimedWord, tolerance: int) -> bool:
    max_difference = tolerance * (word.uncertainty + other.uncertainty)
    return word.text == other.text and abs(word.time - other.time) <= max_difference


def _is_unique(left: list[TimedWord], run: _Run) -> bool:
    """Return whether the words of a run occur only once on the left."""
    words = [word.text for word in left]
    start = len(words) - run.after - run.length
    matching = words[start : start + run.length]
    starts = range(len(words) - run.length + 1)
    return sum(words[i : i + run.length] == matching for i in starts) == 1


def _is_repetitive(left: list[TimedWord], right: list[TimedWord], run: _Run) -> bool:
    """Return whether both texts repeat the same words, such as a refrain or a list of numbers.

    The longest run would then also remove words that were actually spoken several times.
    """
    earlier = [word.text for word in left[: len(left) - run.after]]
    later = [word.text for word in right[run.before :]]
    words = later[: run.length]
    return any(
        earlier[-2 * period : -period] == earlier[-period:]
        and later[:period] == later[period : 2 * period]
        and words[period:] == words[:-period]
        for period in range(1, run.length + 1)
    )


def normalize_word(word: str) -> str:
    """Remove case and punctuation, except from a word that consists of punctuation."""
    return "".join(character for character in word if character.isalnum()).casefold() or word

"""Merge the transcripts of overlapping chunks.

Neighboring transcripts share the words of their overlap, which must appear once in the result.
Words with timestamps are matched by time. Other texts are matched by their words; the times of
segments, which do not say when a word was spoken, only rule out what was said at another time.
The same words are then removed from words, text and segments, so that all three agree.

Two limits remain: if a model invents an end after an overlap of one word, this word is repeated;
and without times, words that match by chance are taken for an overlap.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

from orq_router_integrations.document_loaders.chunking import AudioChunk
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

MAX_OVERLAP_WORDS = 60
"""Number of words at the end and the start of texts that are compared without timestamps."""

MAX_INVENTED_WORDS = 12
"""Number of words that a model may have added where a chunk ends in the middle of a sentence."""


class Overlap(NamedTuple):
    """Words to remove from the end of one transcript (left) and the start of the next (right)."""

    left: int = 0
    right: int = 0


class TimedWord(NamedTuple):
    """A normalized word, when it was spoken, and the uncertainty of that time, in seconds."""

    text: str
    time: float = 0.0
    uncertainty: float = math.inf
    starts_segment: bool = False


class Alignment(NamedTuple):
    """A position of two texts, relative to each other, in which some of their words are equal.

    The equal words are between ``start`` and ``end`` in the left text. Adding ``offset`` gives the
    position in the right one. ``seconds`` is the difference of their times.
    """

    start: int
    end: int
    offset: int
    score: int
    seconds: float


def merge_chunks(chunks: Sequence[AudioChunk], transcripts: Sequence[Transcript]) -> Transcript:
    timed = list(map(_shift_times, transcripts, chunks))
    merged = timed[0]
    for (previous, chunk), (left, right) in zip(pairwise(chunks), pairwise(timed), strict=True):
        if left.errors or right.errors:
            merged = concatenate(merged, right)
            continue
        end_seconds = previous.end_seconds or 0.0
        overlap_seconds = end_seconds - chunk.start_seconds
        cut_seconds = (end_seconds + chunk.start_seconds) / 2
        chunk_seconds = max(chunk.duration_seconds, overlap_seconds, 0.001)
        overlap_words = len(split_words(right.text)) * overlap_seconds / chunk_seconds
        max_words = max(2 * overlap_words, MAX_WORDS_PER_SECOND * overlap_seconds)
        merged = stitch(merged, right, cut_seconds, overlap_words, max_words=max_words)
    return merged


def _shift_times(transcript: Transcript, chunk: AudioChunk) -> Transcript:
    """Convert times within a chunk to times within the recording, and make speakers unique.

    Providers number speakers per request, so ``speaker_0`` may be a different person in each
    chunk. The labels therefore start with the number of the chunk.
    """

    def shift(span: Span) -> Span:
        speaker = f"{chunk.index + 1}:{span.speaker}" if span.speaker else None
        start, end = span.start + chunk.start_seconds, span.end + chunk.start_seconds
        return replace(span, start=start, end=end, speaker=speaker)

    words = tuple(map(shift, transcript.words))
    segments = tuple(map(shift, transcript.segments))
    return replace(transcript, words=words, segments=segments)


def concatenate(left: Transcript, right: Transcript) -> Transcript:
    return replace(
        left,
        text=join_words((left.text, right.text)),
        words=left.words + right.words,
        segments=left.segments + right.segments,
        language=left.language or right.language,
        model=left.model or right.model,
        offline=left.offline or right.offline,
    )


def stitch(
    left: Transcript,
    right: Transcript,
    cut_seconds: float,
    overlap_words: float,
    *,
    max_words: float = MAX_OVERLAP_WORDS,
) -> Transcript:
    """Join two transcripts that overlap, keeping the words of the overlap once.

    ``overlap_words`` is the estimated number of these words, ``max_words`` the largest possible.
    """
    by_time: Overlap | None = None
    if left.words and right.words:
        by_time = _match_by_time(left.words, right.words, cut_seconds)

    def find_overlap(left_words: list[TimedWord], right_words: list[TimedWord]) -> Overlap:
        """Return the overlap by time if these are the words with times, otherwise by text."""
        counts = len(left_words), len(right_words)
        if by_time is not None and counts == (len(left.words), len(right.words)):
            return by_time
        return match_by_text(left_words, right_words, overlap_words, max_words)

    left_spoken = _split_spans(left.segments)
    right_spoken = _split_spans(right.segments)
    words = by_time or Overlap()
    segments = find_overlap(left_spoken, right_spoken)
    text = find_overlap(_split_text(left.text, left_spoken), _split_text(right.text, right_spoken))
    return concatenate(
        replace(
            left,
            text=drop_last_words(left.text, text.left),
            words=left.words[: len(left.words) - words.left],
            segments=_trim(left.segments, segments.left, cut_seconds, at_end=True),
        ),
        replace(
            right,
            text=drop_first_words(right.text, text.right),
            words=right.words[words.right :],
            segments=_trim(right.segments, segments.right, cut_seconds, at_end=False),
        ),
    )


def _split_spans(spans: Iterable[Span]) -> list[TimedWord]:
    """Split spans into words. Their times are estimates: words are not spoken at an even pace."""
    timed_words = []
    for span in spans:
        words = split_words(span.text)
        seconds = span.end - span.start
        for index, word in enumerate(words):
            time = span.start + seconds * (index + 0.5) / len(words)
            uncertainty = 0.25 + 0.05 * seconds
            timed_words.append(TimedWord(normalize_word(word), time, uncertainty, index == 0))
    return timed_words


def _split_text(text: str, spoken: list[TimedWord]) -> list[TimedWord]:
    """Split a text into words, with the times of its segments if they have the same words."""
    words = split_words(text)
    if len(words) == len(spoken):
        return spoken
    return [TimedWord(normalize_word(word)) for word in words]


def _trim(
    spans: Sequence[Span], count: int, cut_seconds: float, *, at_end: bool
) -> tuple[Span, ...]:
    """Remove the last or the first ``count`` words from spans."""
    trimmed = list(spans)
    position = -1 if at_end else 0
    while trimmed and count > 0:
        span = trimmed[position]
        word_count = len(split_words(span.text))
        edge = max(span.start, min(span.end, cut_seconds))
        if word_count <= count:
            del trimmed[position]
        elif at_end:
            trimmed[position] = replace(span, text=drop_last_words(span.text, count), end=edge)
        else:
            trimmed[position] = replace(span, text=drop_first_words(span.text, count), start=edge)
        count -= word_count
    return tuple(trimmed)


def _match_by_time(left: Sequence[Span], right: Sequence[Span], cut_seconds: float) -> Overlap:
    """Join two transcripts at a word that both contain, or at any time if they share no word.

    The position that loses or repeats the fewest words is used; among equals, the one closest to
    the cut.
    """
    left = [word for word in left if word.end >= right[0].start - MAX_TIME_DIFFERENCE_SECONDS]
    end = max((word.end for word in left), default=-math.inf) + MAX_TIME_DIFFERENCE_SECONDS
    right = [word for word in right if word.start <= end]
    # Times of the joins, by the number of words to keep of the left and to drop of the right
    joins: dict[tuple[int, int], float] = {}
    for i, word in enumerate(left):
        # The word itself belongs to the side of the cut on which it was spoken.
        is_left = int(word.middle < cut_seconds)
        for j, right_word in enumerate(right):
            is_close = abs(word.middle - right_word.middle) < MAX_TIME_DIFFERENCE_SECONDS
            if is_close and normalize_word(word.text) == normalize_word(right_word.text):
                joins[i + is_left, j + is_left] = word.middle
    if not joins:
        for time in (word.start for word in (*left, *right)):
            kept = sum(word.middle < time for word in left)
            dropped = sum(word.middle < time for word in right)
            joins[kept, dropped] = time

    def rank(join: tuple[int, int]) -> tuple[int, float]:
        kept, dropped = join
        lost = _count_unmatched(left[kept:], right) + _count_unmatched(right[:dropped], left)
        repeated = len(right[dropped:]) - _count_unmatched(right[dropped:], left[:kept])
        return lost + repeated, abs(joins[join] - cut_seconds)

    kept, dropped = min(joins, key=rank, default=(0, 0))
    return Overlap(len(left) - kept, dropped)


def _count_unmatched(words: Sequence[Span], others: Sequence[Span]) -> int:
    """Count the words that do not overlap in time with a word of the other transcript."""
    return sum(
        all(word.end <= other.start or other.end <= word.start for other in others)
        for word in words
    )


def match_by_text(
    left: list[TimedWord], right: list[TimedWord], overlap_words: float, max_words: float
) -> Overlap:
    """Find the words at the end of one text that are also at the start of the other.

    The texts are joined in the middle of these words, or where a segment starts in both.
    """

    def rank_alignment(alignment: Alignment) -> tuple[float, float]:
        penalty = alignment.end + alignment.offset - alignment.score  # for words that differ
        length_error = abs(len(left) + alignment.offset - overlap_words)
        return alignment.seconds, penalty + length_error

    left, right = left[-MAX_OVERLAP_WORDS:], right[:MAX_OVERLAP_WORDS]
    alignments = [item for item in _align(left, right) if item.end + item.offset <= max_words + 1]
    if not alignments:
        return Overlap()
    # If the speaker repeats the same words, there are many good alignments.
    min_score = max(alignment.score for alignment in alignments) / 3
    best = min((item for item in alignments if item.score >= min_score), key=rank_alignment)
    middle = (best.start + best.end + 1) // 2

    def rank_position(position: int) -> tuple[bool, float]:
        # One of the texts may end here, and has no next word then.
        next_words = left[position:][:1] + right[position + best.offset :][:1]
        starts_segment = all(word.starts_segment for word in next_words)
        return not starts_segment, abs(position - middle)

    position = min(range(best.start, best.end + 1), key=rank_position)
    return Overlap(len(left) - position, position + best.offset)


def _align(left: list[TimedWord], right: list[TimedWord]) -> Iterator[Alignment]:
    """Yield the alignments in which more words of the overlap are equal than different.

    Words may be misheard where a chunk starts or ends. Models also invent an end for a sentence
    that was cut, so all words after the last equal one in the left text count as one.
    """
    for offset in range(1 - len(left), len(right)):
        first = max(0, -offset)
        pairs = enumerate(zip(left[first:], right[first + offset :], strict=False), first)
        equal = [index for index, (word, right_word) in pairs if word.text == right_word.text]
        if not equal:
            continue
        start, end = equal[0], equal[-1] + 1
        middle = equal[len(equal) // 2]
        word, right_word = left[middle], right[middle + offset]
        seconds = abs(word.time - right_word.time)
        # The times of segments may be wrong. Several equal words are stronger evidence.
        tolerance = min(len(equal), 3) * (word.uncertainty + right_word.uncertainty)
        invented = len(left) - end
        score = 2 * len(equal) - (end + offset) - min(invented, 1)
        if score > 0 and seconds <= tolerance and invented <= MAX_INVENTED_WORDS:
            yield Alignment(start, end, offset, score, seconds)


def normalize_word(word: str) -> str:
    """Remove case and punctuation, except from a word that consists of punctuation."""
    return "".join(character for character in word if character.isalnum()).casefold() or word

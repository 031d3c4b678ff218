"""Merging of the transcripts of overlapping chunks.

Neighboring transcripts share the words of their overlap, which must appear once in the result.
Words with timestamps, their own or those of their segment, are matched by time; texts without
timestamps are matched by their words. The same words are then removed from words, text and
segments, so that all three agree.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from orq_router_integrations.document_loaders.sources import AudioChunk
from orq_router_integrations.wire.transcripts import Span, Transcript
from orq_router_integrations.wire.word_tokenizer import (
    drop_first_words,
    drop_last_words,
    join_words,
    split_words,
)

MAX_TIME_DIFFERENCE_SECONDS = 0.3
"""Largest difference between the timestamps of the same word in two chunks."""

MAX_OVERLAP_WORDS = 60
"""Number of words at the end and the start of texts that are compared without timestamps."""

MAX_MISHEARD_WORDS = 3
"""Number of words at the end or start of a chunk that may be wrong because they were cut."""

_MISHEARD_COUNTS = sorted(product(range(MAX_MISHEARD_WORDS + 1), repeat=2), key=sum)


class Overlap(NamedTuple):
    """Number of words to remove where two transcripts meet.

    Attributes:
        left: Words to remove from the end of the first transcript.
        right: Words to remove from the start of the second transcript.
    """

    left: int
    right: int


class _Run(NamedTuple):
    """A run of equal words near the end of one text and near the start of another.

    Attributes:
        length: Number of words in the run.
        after: Number of words after the run in the first text.
        before: Number of words before the run in the second text.
    """

    length: int
    after: int
    before: int


def merge_chunks(
    chunks: Sequence[AudioChunk], transcripts: Sequence[Transcript | None]
) -> Transcript | None:
    """Merge the transcripts of the chunks of a recording.

    Args:
        chunks: All chunks of a recording, in order.
        transcripts: Transcript of each chunk; ``None`` if the chunk was skipped.

    Returns:
        The transcript of the recording, or ``None`` if all chunks were skipped.
    """
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
            overlap_words = _estimate_overlap_words(previous, chunk, timed)
            merged = stitch(merged, timed, chunk.cut_seconds, overlap_words)
        previous = None if failed else chunk
    return merged


def _shift_times(transcript: Transcript, chunk: AudioChunk) -> Transcript:
    """Convert times within a chunk to times within the recording, and make speakers unique.

    Providers number speakers per request, so ``speaker_0`` may be a different person in each
    chunk. The labels therefore start with the number of the chunk.
    """

    def rename_speakers(spans: Sequence[Span]) -> tuple[Span, ...]:
        return tuple(
            replace(span, speaker=f"{chunk.index + 1}:{span.speaker}") if span.speaker else span
            for span in spans
        )

    shifted = transcript.shift(chunk.start_seconds)
    return replace(
        shifted,
        words=rename_speakers(shifted.words),
        segments=rename_speakers(shifted.segments),
    )


def _estimate_overlap_words(
    previous: AudioChunk, chunk: AudioChunk, transcript: Transcript
) -> float:
    """Estimate how many words of a transcript are in the overlap with the previous chunk."""
    overlap_seconds = (previous.end_seconds or 0.0) - chunk.start_seconds
    chunk_seconds = (chunk.end_seconds or 0.0) - chunk.start_seconds
    word_count = len(split_words(transcript.text))
    return word_count * overlap_seconds / max(chunk_seconds, overlap_seconds, 0.001)


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
) -> Transcript:
    """Join two transcripts that overlap, keeping the words of the overlap once.

    Args:
        left: Earlier transcript.
        right: Later transcript, with times in the same recording.
        cut_seconds: Middle of the overlap.
        overlap_words: Estimated number of words in the overlap; only used without timestamps.
    """
    words, text, segments = _find_overlaps(left, right, cut_seconds, overlap_words)
    left = replace(
        left,
        text=drop_last_words(left.text, text.left),
        words=left.words[: len(left.words) - words.left],
        segments=tuple(_trim_end(left.segments, segments.left, cut_seconds)),
    )
    right = replace(
        right,
        text=drop_first_words(right.text, text.right),
        words=right.words[words.right :],
        segments=tuple(_trim_start(right.segments, segments.right, cut_seconds)),
    )
    return concatenate(left, right)


def _find_overlaps(
    left: Transcript, right: Transcript, cut_seconds: float, overlap_words: float
) -> tuple[Overlap, Overlap, Overlap]:
    """Find the words to remove from the words, the text and the segments of two transcripts."""
    left_words, right_words = _get_timed_words(left), _get_timed_words(right)
    by_time: Overlap | None = None
    if left_words and right_words:
        by_time = _match_by_time(left_words, right_words, cut_seconds)

    def find_overlap(left_tokens: list[str], right_tokens: list[str]) -> Overlap:
        """Use the timed overlap if the tokens correspond to the timed words."""
        same_words = len(left_tokens) == len(left_words) and len(right_tokens) == len(right_words)
        if by_time is not None and same_words:
            return by_time
        return _match_by_text(left_tokens, right_tokens, overlap_words)

    return (
        by_time if by_time and left.words and right.words else Overlap(0, 0),
        find_overlap(split_words(left.text), split_words(right.text)),
        find_overlap(_split_spans(left.segments), _split_spans(right.segments)),
    )


def _get_timed_words(transcript: Transcript) -> tuple[Span, ...]:
    """Return the words, or the words of the segments with evenly distributed times."""
    if transcript.words:
        return transcript.words
    words: list[Span] = []
    for segment in transcript.segments:
        tokens = split_words(segment.text)
        seconds = (segment.end - segment.start) / max(1, len(tokens))
        for index, token in enumerate(tokens):
            start = segment.start + seconds * index
            words.append(Span(token, start, segment.start + seconds * (index + 1)))
    return tuple(words)


def _match_by_time(left: Sequence[Span], right: Sequence[Span], cut_seconds: float) -> Overlap:
    """Join at the common word closest to the cut, or at the cut if no words match."""
    best: tuple[float, Overlap] | None = None
    for i, word in enumerate(left):
        for j, other in enumerate(right):
            if other.start > word.start + MAX_TIME_DIFFERENCE_SECONDS:
                break
            if _is_same_word(word, other):
                # Keep the word on the side of the cut on which it was spoken.
                before_cut = _get_middle(word) < cut_seconds
                overlap = Overlap(len(left) - i - before_cut, j + before_cut)
                candidate = abs(_get_middle(word) - cut_seconds), overlap
                best = candidate if best is None else min(best, candidate)
    if best is not None:
        return best[1]
    return Overlap(
        left=sum(_get_middle(word) >= cut_seconds for word in left),
        right=sum(_get_middle(word) < cut_seconds for word in right),
    )


def _is_same_word(word: Span, other: Span) -> bool:
    if abs(_get_middle(word) - _get_middle(other)) >= MAX_TIME_DIFFERENCE_SECONDS:
        return False
    return _normalize_word(word.text) == _normalize_word(other.text)


def _get_middle(span: Span) -> float:
    return (span.start + span.end) / 2


def _match_by_text(left: list[str], right: list[str], overlap_words: float) -> Overlap:
    """Join in the middle of the longest run of words that the end and the start have in common.

    A few misheard words may follow the run on the left and precede it on the right. A run that is
    much longer than the expected overlap is ignored, because its words were spoken twice. If the
    speaker repeats the same words, runs of many lengths match, and the one closest to the expected
    overlap is used.
    """
    left_words = [_normalize_word(word) for word in left[-MAX_OVERLAP_WORDS:]]
    right_words = [_normalize_word(word) for word in right[:MAX_OVERLAP_WORDS]]
    max_length = min(len(left_words), len(right_words), int(2 * overlap_words) + 1)
    runs = _iter_matching_runs(left_words, right_words, max_length)
    longest = next(runs, None)
    if longest is None:
        return Overlap(0, 0)
    candidates = [longest]
    if _is_repetitive(left_words, right_words, longest):
        candidates += runs
    best = min(candidates, key=lambda run: (abs(sum(run) - overlap_words), -run.length))
    half = (best.length + 1) // 2
    return Overlap(best.after + best.length - half, best.before + half)


def _iter_matching_runs(left: list[str], right: list[str], max_length: int) -> Iterator[_Run]:
    """Yield the runs of words that both texts contain, longest first."""
    for length in range(max_length, 0, -1):
        for after, before in _MISHEARD_COUNTS:
            end = len(left) - after
            # More misheard words than matching ones are probably not a match at all.
            if max(after, before) > min(length, max_length - length) or end < length:
                continue
            if left[end - length : end] == right[before : before + length]:
                yield _Run(length, after, before)


def _is_repetitive(left: list[str], right: list[str], run: _Run) -> bool:
    """Return whether both texts repeat the same words, such as a refrain or a list of numbers.

    The longest run would then also remove words that were actually spoken several times.
    """
    left, right = left[: len(left) - run.after], right[run.before :]
    words = right[: run.length]
    return any(
        left[-2 * period : -period] == left[-period:]
        and right[:period] == right[period : 2 * period]
        and words[period:] == words[:-period]
        for period in range(1, run.length + 1)
    )


def _split_spans(spans: Iterable[Span]) -> list[str]:
    return [token for span in spans for token in split_words(span.text)]


def _trim_end(spans: Sequence[Span], count: int, cut_seconds: float) -> list[Span]:
    """Remove the last ``count`` words from spans."""
    trimmed = list(spans)
    while trimmed and count:
        last = trimmed.pop()
        word_count = len(split_words(last.text))
        if word_count > count:
            end = max(last.start, min(last.end, cut_seconds))
            trimmed.append(replace(last, text=drop_last_words(last.text, count), end=end))
        count = max(0, count - word_count)
    return trimmed


def _trim_start(spans: Sequence[Span], count: int, cut_seconds: float) -> list[Span]:
    """Remove the first ``count`` words from spans."""
    trimmed = list(spans)
    while trimmed and count:
        first = trimmed.pop(0)
        word_count = len(split_words(first.text))
        if word_count > count:
            start = min(first.end, max(first.start, cut_seconds))
            trimmed.insert(0, replace(first, text=drop_first_words(first.text, count), start=start))
        count = max(0, count - word_count)
    return trimmed


def _normalize_word(word: str) -> str:
    """Remove case and punctuation, except from a word that consists of punctuation."""
    return "".join(character for character in word if character.isalnum()).casefold() or word

"""Match the words at the end of one text with those at the start of the next one."""

import math
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

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


class Token(NamedTuple):
    """A word of a text, the time it was spoken, and the uncertainty of that time, in seconds."""

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


def match_by_text(left: list[Token], right: list[Token], expected: ExpectedWords) -> Overlap:
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
        next_tokens = left[start + count :][:1] + right[run.before + count :][:1]
        is_boundary = all(token.starts_segment for token in next_tokens)
        return not is_boundary, abs(count - half)

    kept = min(range(run.length + 1), key=rank)
    return Overlap(run.after + run.length - kept, run.before + kept)


def _find_run(
    left: list[Token], right: list[Token], expected: ExpectedWords, tolerance: int
) -> _Run | None:
    max_words = min(len(left), len(right), expected.maximum)
    runs = [
        run
        for run in _iter_runs(left, right, tolerance)
        if run.length >= tolerance and run.length + run.before <= max_words
    ]
    runs.sort(key=lambda run: (-run.length, run.after + run.before))
    # More misheard words than equal ones are probably not a match at all.
    regular = [
        run
        for run in runs
        if max(run.after, run.before) <= min(run.length, max_words - run.length, MAX_MISHEARD_WORDS)
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


def _iter_runs(left: list[Token], right: list[Token], tolerance: int) -> Iterator[_Run]:
    """Yield the runs of equal words, for every number of words that may overlap."""
    for shift in range(1 - len(right), len(left)):
        pairs = zip(left[max(0, shift) :], right[max(0, -shift) :], strict=False)
        index = max(0, shift)
        for is_equal, group in groupby(_is_equal(*pair, tolerance) for pair in pairs):
            length = len(list(group))
            if is_equal:
                yield _Run(length, len(left) - index - length, index - shift)
            index += length


def _is_equal(word: Token, other: Token, tolerance: int) -> bool:
    max_difference = tolerance * (word.uncertainty + other.uncertainty)
    return word.text == other.text and abs(word.time - other.time) <= max_difference


def _is_unique(left: list[Token], run: _Run) -> bool:
    """Return whether the words of a run occur only once on the left."""
    words = [token.text for token in left]
    start = len(words) - run.after - run.length
    matching = words[start : start + run.length]
    starts = range(len(words) - run.length + 1)
    return sum(words[i : i + run.length] == matching for i in starts) == 1


def _is_repetitive(left: list[Token], right: list[Token], run: _Run) -> bool:
    """Return whether both texts repeat the same words, such as a refrain or a list of numbers.

    The longest run would then also remove words that were actually spoken several times.
    """
    earlier = [token.text for token in left[: len(left) - run.after]]
    later = [token.text for token in right[run.before :]]
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

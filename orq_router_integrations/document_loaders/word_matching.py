"""Match the words at the end of one text with those at the start of the next one."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import NamedTuple

MAX_OVERLAP_WORDS = 60
"""Number of words at the end and the start of texts that are compared without timestamps."""

MAX_MISHEARD_WORDS = 3
"""Number of words at the end or start of a chunk that may be wrong because they were cut."""

MAX_INVENTED_WORDS = 12
"""Number of words that a model may have added where a chunk ends in the middle of a sentence."""

_MISHEARD_COUNTS = sorted(
    product(range(MAX_MISHEARD_WORDS + 1), range(MAX_MISHEARD_WORDS + 1)), key=sum
)
_INVENTED_COUNTS = list(product(range(MAX_MISHEARD_WORDS + 1, MAX_INVENTED_WORDS + 1), range(2)))


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

    The middle of the run is preferred, but not if that would break a segment.

    A few misheard words may follow the run on the left and precede it on the right. A run that is
    much longer than the expected overlap is ignored, because its words were spoken twice. If the
    speaker repeats the same words, runs of many lengths match, and the one closest to the expected
    overlap is used. If only one word or none matches, more words may follow the run on the left,
    because models invent an end for a sentence that was cut.
    """
    if not left or not right:
        return Overlap(0, 0)
    left, right = left[-MAX_OVERLAP_WORDS:], right[:MAX_OVERLAP_WORDS]
    matcher = _RunMatcher(left, right, expected.maximum)
    # The times of segments may be wrong. Several equal words are stronger evidence.
    lenient = replace(matcher, max_tolerance=3)
    run = _find_run(matcher, expected.estimate) or _find_run(lenient, expected.estimate)
    if run is None:
        return Overlap(0, 0)
    half = (run.length + 1) // 2
    kept = min(
        range(run.length + 1),
        key=lambda count: (not matcher.is_boundary(run, count), abs(count - half)),
    )
    return Overlap(run.after + run.length - kept, run.before + kept)


def _find_run(matcher: "_RunMatcher", overlap_words: float) -> _Run | None:
    runs = matcher.iter_runs(_MISHEARD_COUNTS)
    longest = next(runs, None)
    if longest is None or longest.length == 1:
        min_length = 2 if matcher.has_close_times else max(3, int(overlap_words / 2))
        invented = replace(matcher, min_length=min_length)
        invented_runs = filter(invented.is_unique, invented.iter_runs(_INVENTED_COUNTS))
        longest = next(invented_runs, longest)
    if longest is None:
        return None
    candidates = [longest]
    if longest.after <= MAX_MISHEARD_WORDS and _is_repetitive(matcher.left, matcher.right, longest):
        candidates += runs
    return min(candidates, key=lambda run: (abs(sum(run) - overlap_words), -run.length))


@dataclass(frozen=True, slots=True)
class _RunMatcher:
    left: list[Token]
    right: list[Token]
    max_words: int
    min_length: int = 1
    max_tolerance: int = 1

    @property
    def has_close_times(self) -> bool:
        return self.max_tolerance == 1 and math.isfinite(self.left[-1].uncertainty)

    def iter_runs(self, counts: Iterable[tuple[int, int]]) -> Iterator[_Run]:
        """Yield the runs of words that both texts contain, longest first."""
        max_length = min(len(self.left), len(self.right), self.max_words)
        for length in range(max_length, self.min_length - 1, -1):
            for after, before in counts:
                misheard = max(before, after if after <= MAX_MISHEARD_WORDS else 0)
                # More misheard words than matching ones are probably not a match at all.
                if misheard > min(length, max_length - length):
                    continue
                run = _Run(length, after, before)
                if self._is_run(run):
                    yield run

    def is_unique(self, run: _Run) -> bool:
        """Return whether the words of a run occur only once on the left."""
        words = [token.text for token in self.left]
        start = len(words) - run.after - run.length
        matching = words[start : start + run.length]
        starts = range(len(words) - run.length + 1)
        return sum(words[i : i + run.length] == matching for i in starts) == 1

    def is_boundary(self, run: _Run, count: int) -> bool:
        """Return whether a segment of each text starts after ``count`` words of a run."""
        index = len(self.left) - run.after - run.length + count
        next_tokens = self.left[index : index + 1] + self.right[run.before + count :][:1]
        return all(token.starts_segment for token in next_tokens)

    def _is_run(self, run: _Run) -> bool:
        end = len(self.left) - run.after
        words = self.left[max(0, end - run.length) : max(0, end)]
        others = self.right[run.before : run.before + run.length]
        tolerance = min(run.length, self.max_tolerance)
        return len(words) == len(others) == run.length and all(
            word.text == other.text
            and abs(word.time - other.time) <= tolerance * (word.uncertainty + other.uncertainty)
            for word, other in zip(words, others, strict=True)
        )


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

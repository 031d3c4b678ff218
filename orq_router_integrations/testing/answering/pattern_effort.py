"""Estimate how long a regular expression may run on a string.

``re`` cannot be interrupted, and a hostile pattern may run for years. The estimate counts the ways
to try a pattern on a string. It is never too low and often too high.
"""

import math
import re

MAX_PATTERN_CHARS = 1000
"""Maximum length of a pattern."""

MAX_DEPTH = 40
"""Maximum nesting depth of groups."""

QUANTIFIER = re.compile(r"(?:[*?+]|\{(?=[0-9,])([0-9]*)(,?)([0-9]*)\})[?+]?")
CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_OPENING = re.compile(r"\((?:\?(?:[:=!]|<[=!]|P?<\w+>)|(?!\?))")


def estimate_effort(pattern: str, text: str) -> float:
    """Return the binary logarithm of the number of ways to try ``pattern`` on ``text``.

    Raises:
        ValueError: the pattern is too long, nested too deeply or not supported.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError("the pattern is too long")
    reader = _EffortReader(pattern, len(text))
    effort = reader.read_alternatives(0)
    if reader.position < len(pattern):
        raise ValueError("unmatched closing parenthesis")
    return effort + math.log2(len(text) + 1)


class _EffortReader:
    """Estimates one pattern, reading it from left to right. All results are binary logarithms."""

    def __init__(self, pattern: str, length: int) -> None:
        self.position = 0
        self._pattern = pattern
        self._length = length

    def read_alternatives(self, depth: int) -> float:
        """Read up to the end of the pattern or group."""
        if depth > MAX_DEPTH:
            raise ValueError("the pattern is nested too deeply")
        options = [0.0]
        while self.position < len(self._pattern) and self._pattern[self.position] != ")":
            if self._pattern[self.position] == "|":
                self.position += 1
                options.append(0.0)
            else:
                options[-1] += self._read_item(depth)
        return max(options) + math.log2(len(options))

    def _read_item(self, depth: int) -> float:
        is_group = self._pattern[self.position] == "("
        inner = self._read_group(depth) if is_group else self._read_atom()
        quantifier = QUANTIFIER.match(self._pattern, self.position)
        if quantifier is None:
            return inner
        self.position = quantifier.end()
        minimum, maximum = parse_quantifier(quantifier)
        maximum = max(minimum, min(maximum, self._length + 1))
        if not is_group:
            return math.log2(maximum - minimum + 1)
        return math.log2(maximum + 1) + maximum * inner

    def _read_group(self, depth: int) -> float:
        opening = _OPENING.match(self._pattern, self.position)
        if opening is None:
            raise ValueError("unsupported kind of group")
        self.position = opening.end()
        inner = self.read_alternatives(depth + 1)
        if self.position >= len(self._pattern):
            raise ValueError("unterminated group")
        self.position += 1
        return inner

    def _read_atom(self) -> float:
        char = self._pattern[self.position]
        match = CLASS.match(self._pattern, self.position) if char == "[" else None
        self.position = match.end() if match else self.position + (2 if char == "\\" else 1)
        return 0.0


def parse_quantifier(quantifier: "re.Match[str]") -> tuple[int, float]:
    """Return the minimum and the maximum number of repetitions."""
    match quantifier[0][0]:
        case "*":
            return 0, math.inf
        case "+":
            return 1, math.inf
        case "?":
            return 0, 1
    minimum = int(quantifier[1] or 0)
    if not quantifier[2]:
        return minimum, minimum
    return minimum, int(quantifier[3]) if quantifier[3] else math.inf

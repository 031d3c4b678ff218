"""How long a regular expression may take on a text, estimated before it is run.

``re`` cannot be stopped, and a hostile pattern takes it years. The estimate counts the ways in
which a pattern can be tried on a text; it is never too low, and often too high.
"""

import math
import re

MAX_PATTERN_CHARS = 1000
"""Characters of a pattern that are read."""

MAX_DEPTH = 40
"""Levels of groups that are read."""

QUANTIFIER = re.compile(r"(?:[*?+]|\{(?=[0-9,])([0-9]*)(,?)([0-9]*)\})[?+]?")
CLASS = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_OPENING = re.compile(r"\((?:\?(?:[:=!]|<[=!]|P?<\w+>)|(?!\?))")


def estimate_effort(pattern: str, text: str) -> float:
    """The binary logarithm of the ways to try ``pattern`` on ``text``.

    Raises:
        ValueError: the pattern is too long, too deep, or holds what is not read here.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError("the pattern is too long")
    reader = _Reader(pattern, len(text))
    found = reader.alternatives(0)
    if reader.at < len(pattern):
        raise ValueError("the pattern closes a group that it never opened")
    return found + math.log2(len(text) + 1)


class _Reader:
    """Adds up one pattern, left to right; everything is a binary logarithm."""

    def __init__(self, pattern: str, length: int) -> None:
        self.at = 0
        self._pattern = pattern
        self._length = length

    def alternatives(self, depth: int) -> float:
        """Up to the end of the pattern or group."""
        if depth > MAX_DEPTH:
            raise ValueError("the pattern is nested too deep")
        options = [0.0]
        while self.at < len(self._pattern) and self._pattern[self.at] != ")":
            if self._pattern[self.at] == "|":
                self.at += 1
                options.append(0.0)
            else:
                options[-1] += self._item(depth)
        return max(options) + math.log2(len(options))

    def _item(self, depth: int) -> float:
        group = self._pattern[self.at] == "("
        inner = self._group(depth) if group else self._single()
        found = QUANTIFIER.match(self._pattern, self.at)
        if found is None:
            return inner
        self.at = found.end()
        least, most = parse_quantifier(found)
        most = max(least, min(most, self._length + 1))
        if not group:
            return math.log2(most - least + 1)
        return math.log2(most + 1) + most * inner

    def _group(self, depth: int) -> float:
        opening = _OPENING.match(self._pattern, self.at)
        if opening is None:
            raise ValueError("this kind of group is not read here")
        self.at = opening.end()
        inner = self.alternatives(depth + 1)
        if self.at >= len(self._pattern):
            raise ValueError("a group has no end")
        self.at += 1
        return inner

    def _single(self) -> float:
        char = self._pattern[self.at]
        found = CLASS.match(self._pattern, self.at) if char == "[" else None
        self.at = found.end() if found else self.at + (2 if char == "\\" else 1)
        return 0.0


def parse_quantifier(quantifier: "re.Match[str]") -> tuple[int, float]:
    """The fewest and the most repetitions that a quantifier allows."""
    match quantifier[0][0]:
        case "*":
            return 0, math.inf
        case "+":
            return 1, math.inf
        case "?":
            return 0, 1
    least = int(quantifier[1] or 0)
    if not quantifier[2]:
        return least, least
    return least, int(quantifier[3]) if quantifier[3] else math.inf

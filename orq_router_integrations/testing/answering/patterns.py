r"""Text that matches a simple regular expression; best effort, for made-up values.

Understands literals, ``.``, classes, ``\d \w \s``, groups, alternatives (the first is taken)
and quantifiers (the fewest are taken). The caller checks the result.
"""

import re

from orq_router_integrations.testing.answering.pattern_effort import (
    CLASS,
    MAX_DEPTH,
    MAX_PATTERN_CHARS,
    QUANTIFIER,
    estimate_effort,
    parse_quantifier,
)

_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a"}
MAX_EXAMPLE_CHARS = 1000
"""Repetitions that are written out, and characters of an example."""

MAX_TEXT_CHARS = 64
"""Characters of a text that a pattern is run on."""

MAX_EFFORT = 2.0**22
"""Ways of trying patterns on texts, in all, for one schema: some tenths of a second."""

_WRONG = (re.error, IndexError, ValueError, OverflowError, RecursionError)


class PatternExamples:
    """Runs the patterns of one schema, as long as that cannot take long."""

    def __init__(self) -> None:
        self._left = MAX_EFFORT

    def matches(self, pattern: str, text: str) -> bool | None:
        """Whether the pattern is found in the text; ``None`` where it was not run."""
        if self._left <= 0 or len(text) > MAX_TEXT_CHARS:
            return None
        self._left -= len(pattern) * 10.0
        try:
            ways = estimate_effort(pattern, text)
            if ways > 64 or 2**ways > self._left:
                return None
            self._left -= 2**ways
            return re.search(pattern, text) is not None
        except _WRONG:
            return None

    def get_example(self, pattern: str) -> str | None:
        """Text made for the pattern, unless it is known not to match."""
        if self._left <= 0:
            return None
        self._left -= len(pattern) * 10.0
        try:
            re.compile(pattern[: MAX_PATTERN_CHARS + 1])
            text = _Reader(pattern).whole()
        except _WRONG:
            return None
        return None if self.matches(pattern, text) is False else text


def create_example(pattern: str) -> str | None:
    """Text that matches ``pattern``, or ``None`` where none was found."""
    return PatternExamples().get_example(pattern)


class _Reader:
    """Reads one pattern, left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0
        self._depth = 0

    def whole(self) -> str:
        """What the whole pattern matches.

        Raises:
            ValueError: the pattern is too long, too deep, or holds what is not read here.
        """
        if len(self._pattern) > MAX_PATTERN_CHARS:
            raise ValueError("the pattern is too long")
        return self.alternatives()

    def alternatives(self) -> str:
        """Up to the end of the pattern or group: what the first alternative matches."""
        options = [""]
        while self._at < len(self._pattern) and self._pattern[self._at] != ")":
            if self._pattern[self._at] == "|":
                self._at += 1
                options.append("")
            else:
                options[-1] += self._item()
        return options[0]

    def _item(self) -> str:
        text = self._atom()
        quantifier = QUANTIFIER.match(self._pattern, self._at)
        if quantifier is None:
            return text
        self._at = quantifier.end()
        least, _ = parse_quantifier(quantifier)
        if least > MAX_EXAMPLE_CHARS or least * len(text) > MAX_EXAMPLE_CHARS:
            raise ValueError("the text would be too long")
        return text * least

    def _atom(self) -> str:
        char = self._pattern[self._at]
        self._at += 1
        match char:
            case "^" | "$":
                return ""
            case "." | "\\":
                return "a" if char == "." else self._escaped()
            case "[":
                return self._one_of()
            case "(":
                return self._group()
        return char

    def _escaped(self) -> str:
        char = self._pattern[self._at]
        self._at += 1
        return "" if char in "bBAZ" else _CLASSES.get(char, char)

    def _group(self) -> str:
        opening = re.compile(r"\?(?::|P?<\w+>)").match(self._pattern, self._at)
        if opening:
            self._at = opening.end()
        elif self._pattern[self._at] == "?":
            raise ValueError("look-around is not read here")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("the pattern is nested too deep")
        text = self.alternatives()
        self._depth -= 1
        self._at += 1
        return text

    def _one_of(self) -> str:
        found = CLASS.match(self._pattern, self._at - 1)
        if found is None:
            raise ValueError("a class has no end")
        members = found[0][1:-1]
        self._at = found.end()
        if members.startswith("^"):
            accepted = re.compile(f"[{members}]")
            return next((char for char in "a0 -_A" if accepted.match(char)), "")
        return _CLASSES.get(members[1], members[1]) if members[0] == "\\" else members[0]

r"""Create text that matches a simple regular expression.

Supports literals, ``.``, classes, ``\d \w \s``, groups, alternatives (the first one is used) and
quantifiers (the minimum is used). The result is checked against the pattern if that is fast enough.
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
"""Maximum length of an example, and maximum number of repetitions."""

MAX_TEXT_CHARS = 64
"""Maximum length of a string that a pattern is run on."""

MAX_EFFORT = 2.0**22
"""Total effort for the patterns of one schema: a few tenths of a second."""

_PATTERN_ERRORS = (re.error, IndexError, ValueError, OverflowError, RecursionError)


class PatternExamples:
    """Runs the patterns of one schema, and creates examples, within a limited effort."""

    def __init__(self) -> None:
        self._remaining = MAX_EFFORT

    def matches(self, pattern: str, text: str) -> bool | None:
        """Return whether the pattern matches; ``None`` if running it might take too long."""
        if self._remaining <= 0 or len(text) > MAX_TEXT_CHARS:
            return None
        self._remaining -= len(pattern) * 10.0
        try:
            effort = estimate_effort(pattern, text)
            if effort > 64 or 2**effort > self._remaining:
                return None
            self._remaining -= 2**effort
            return re.search(pattern, text) is not None
        except _PATTERN_ERRORS:
            return None

    def get_example(self, pattern: str) -> str | None:
        """Return text for a pattern, or ``None`` if none can be created."""
        if self._remaining <= 0:
            return None
        self._remaining -= len(pattern) * 10.0
        try:
            re.compile(pattern[: MAX_PATTERN_CHARS + 1])
            text = _ExampleReader(pattern).read()
        except _PATTERN_ERRORS:
            return None
        return None if self.matches(pattern, text) is False else text


def create_example(pattern: str) -> str | None:
    """Return text that matches ``pattern``, or ``None`` if none can be created."""
    return PatternExamples().get_example(pattern)


class _ExampleReader:
    """Creates an example for one pattern, reading it from left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._position = 0
        self._depth = 0

    def read(self) -> str:
        """Return an example for the complete pattern.

        Raises:
            ValueError: the pattern is too long, nested too deeply or not supported.
        """
        if len(self._pattern) > MAX_PATTERN_CHARS:
            raise ValueError("the pattern is too long")
        return self.read_alternatives()

    def read_alternatives(self) -> str:
        """Return an example for the first alternative, up to the end of the pattern or group."""
        options = [""]
        while self._position < len(self._pattern) and self._pattern[self._position] != ")":
            if self._pattern[self._position] == "|":
                self._position += 1
                options.append("")
            else:
                options[-1] += self._read_item()
        return options[0]

    def _read_item(self) -> str:
        text = self._read_atom()
        quantifier = QUANTIFIER.match(self._pattern, self._position)
        if quantifier is None:
            return text
        self._position = quantifier.end()
        minimum, _ = parse_quantifier(quantifier)
        if minimum > MAX_EXAMPLE_CHARS or minimum * len(text) > MAX_EXAMPLE_CHARS:
            raise ValueError("the example would be too long")
        return text * minimum

    def _read_atom(self) -> str:
        char = self._pattern[self._position]
        self._position += 1
        match char:
            case "^" | "$":
                return ""
            case "." | "\\":
                return "a" if char == "." else self._read_escape()
            case "[":
                return self._read_class()
            case "(":
                return self._read_group()
        return char

    def _read_escape(self) -> str:
        char = self._pattern[self._position]
        self._position += 1
        return "" if char in "bBAZ" else _CLASSES.get(char, char)

    def _read_group(self) -> str:
        opening = re.compile(r"\?(?::|P?<\w+>)").match(self._pattern, self._position)
        if opening:
            self._position = opening.end()
        elif self._pattern[self._position] == "?":
            raise ValueError("lookaround is not supported")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError("the pattern is nested too deeply")
        text = self.read_alternatives()
        self._depth -= 1
        self._position += 1
        return text

    def _read_class(self) -> str:
        match = CLASS.match(self._pattern, self._position - 1)
        if match is None:
            raise ValueError("unterminated character class")
        class_text = match[0][1:-1]
        self._position = match.end()
        if class_text.startswith("^"):
            accepted = re.compile(f"[{class_text}]")
            return next((char for char in "a0 -_A" if accepted.match(char)), "")
        return (
            _CLASSES.get(class_text[1], class_text[1]) if class_text[0] == "\\" else class_text[0]
        )

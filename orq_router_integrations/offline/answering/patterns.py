r"""Text that matches a simple regular expression; best effort, for made-up values.

Understands literals, ``.``, classes, ``\d \w \s``, groups, alternatives (the first is taken)
and quantifiers (the fewest are taken). The caller checks the result.
"""

import re

_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a"}
MOST = 1000
"""Repetitions that are written out."""

_FEWEST = re.compile(r"[*?]|\+|\{(\d+)(?:,\d*)?\}")


def example(pattern: str) -> str | None:
    """Text that matches ``pattern``, or ``None`` where none was found."""
    try:
        text = _Reader(pattern).alternatives()
        return text if re.search(pattern, text) else None
    except (re.error, IndexError, ValueError):
        return None


class _Reader:
    """Reads one pattern, left to right."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._at = 0

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
        quantifier = _FEWEST.match(self._pattern, self._at)
        if quantifier is None:
            return text
        self._at = quantifier.end()
        if self._pattern[self._at : self._at + 1] == "?":
            self._at += 1  # a lazy quantifier
        if quantifier[1] is not None:
            return text * min(int(quantifier[1]), MOST)
        return text if quantifier[0] == "+" else ""

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
        text = self.alternatives()
        self._at += 1
        return text

    def _one_of(self) -> str:
        end = self._pattern.index("]", self._at + 1)
        members = self._pattern[self._at : end]
        self._at = end + 1
        if members.startswith("^"):
            accepted = re.compile(f"[{members}]")
            return next(char for char in "a0 -_A" if accepted.match(char))
        return _CLASSES[members[1]] if members[0] == "\\" else members[0]

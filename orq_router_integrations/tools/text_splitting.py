"""Split long text into chunks that can be spoken separately."""

import re

_CLOSING_QUOTES = "\"'\u2019\u201d\u00bb\u203a)\\]}\u300d\u300f\uff09\u3011\u300b"
_BOUNDARIES = (
    re.compile(
        # The lookbehind makes a run of marks match once: retrying at each mark is quadratic.
        rf"(?<![.!?\u2026])[.!?\u2026]+[{_CLOSING_QUOTES}]*(?=\s)\s*"
        rf"|[\u3002\uff01\uff1f\uff0e\uff61\u0964\u0965\u061f\u06d4\u1362\u104b]+"
        rf"[{_CLOSING_QUOTES}]*\s*"
        r"|\n\s*"
    ),
    re.compile(r"[,;:](?=\s)\s*|[\u3001\uff0c\uff1b\uff1a\u060c\u061b]\s*|\s[\u2013\u2014-]\s+"),
    re.compile(r"\s+"),
)
"""Where text may be split, best first: after sentences or lines, clauses, words."""


def split_text(text: str, max_chars: int) -> list[str]:
    """Split text into chunks. Only white space between chunks is removed.

    Chunks end at the last sentence end that fits, otherwise at the last clause or word. Longer
    words are split anywhere.

    >>> split_text("One. Two is longer, and must be split.", 20)
    ['One.', 'Two is longer,', 'and must be split.']
    """
    chunks = []
    text = text.strip()
    while len(text) > max_chars:
        index = _find_split(text, max_chars)
        chunks.append(text[:index].rstrip())
        text = text[index:].lstrip()
    return [*chunks, text] if text else chunks


def _find_split(text: str, max_chars: int) -> int:
    window = text[: 2 * max_chars]  # white space after a chunk does not count
    for pattern in _BOUNDARIES:
        best = 0
        for match in pattern.finditer(window):
            if match.start() + len(match[0].rstrip()) > max_chars:
                break
            best = match.end()
        if best:
            return best
    return max_chars

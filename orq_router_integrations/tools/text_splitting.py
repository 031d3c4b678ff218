"""Split long text into chunks that can be spoken separately."""

import re
import unicodedata

_CLOSING_QUOTES = "\"'\u2019\u201d\u00bb\u203a)\\]}\u300d\u300f\uff09\u3011\u300b"
_BOUNDARIES = (
    re.compile(r"\n[^\S\n]*\n\s*"),  # paragraphs
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
"""Where text may be split, best first: paragraphs, sentences, clauses, words."""

_ZERO_WIDTH_JOINERS = "\u200d\u200c"
_REGIONAL_INDICATORS = "".join(chr(code) for code in range(0x1F1E6, 0x1F200))


def split_text(text: str, max_chars: int) -> list[str]:
    """Split text into chunks. Only white space between chunks is removed.

    Chunks end at the last sentence end that fits, otherwise at the last clause or word. Longer
    words are split, but not inside a character that consists of several code points.

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
    for level, pattern in enumerate(_BOUNDARIES):
        min_length = max_chars // 2 if level == 0 else 1
        best = 0
        for match in pattern.finditer(window):
            length = match.start() + len(match[0].rstrip())
            if length > max_chars:
                break
            if length >= min_length:
                best = match.end()
        if best:
            return best
    half = max(max_chars // 2, 0)
    candidates = (i for i in range(max_chars, half, -1) if not _splits_character(text, i))
    return next(candidates, max_chars)


def _splits_character(text: str, index: int) -> bool:
    """Whether an index is inside a character that consists of several code points."""
    before, after = text[index - 1], text[index]
    if before in _ZERO_WIDTH_JOINERS or after in _ZERO_WIDTH_JOINERS:
        return True
    if after in _REGIONAL_INDICATORS:  # a pair of them is a flag
        prefix = text[:index]
        return (index - len(prefix.rstrip(_REGIONAL_INDICATORS))) % 2 == 1
    is_skin_tone = "\U0001f3fb" <= after <= "\U0001f3ff"
    return is_skin_tone or unicodedata.category(after) in {"Mn", "Mc", "Me"}

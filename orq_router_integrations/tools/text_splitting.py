"""Long texts in pieces that can be spoken one after another: whole sentences where possible."""

import re
import unicodedata
from collections.abc import Iterator

_CLOSING = "\"'\u2019\u201d\u00bb\u203a)\\]}\u300d\u300f\uff09\u3011\u300b"
_CUTS = (
    re.compile(r"\n[^\S\n]*\n\s*"),  # paragraphs
    re.compile(
        rf"(?<![.!?\u2026])[.!?\u2026]+[{_CLOSING}]*(?=\s)\s*"  # begun once in a row of them
        rf"|[\u3002\uff01\uff1f\uff0e\uff61\u0964\u0965\u061f\u06d4\u1362\u104b]+[{_CLOSING}]*\s*"
        r"|\n\s*"
    ),
    re.compile(r"[,;:](?=\s)\s*|[\u3001\uff0c\uff1b\uff1a\u060c\u061b]\s*|\s[\u2013\u2014-]\s+"),
    re.compile(r"\s+"),
)
"""Where a text is cut, the best place first: paragraphs, sentences, clauses, words."""

_JOINERS = "\u200d\u200c"
_FLAGS = "".join(chr(code) for code in range(0x1F1E6, 0x1F200))


def split_text(text: str, limit: int) -> list[str]:
    """A text in pieces of at most so many characters; nothing but white space is lost.

    Cut at the last end of a sentence that fits; where there is none, at the last clause, then
    word, and only then inside one, but not inside what is seen as one character.

    >>> split_text("One. Two is longer, and needs a cut.", 20)
    ['One.', 'Two is longer,', 'and needs a cut.']
    """
    return list(_pieces(text.strip(), limit))


def _pieces(text: str, limit: int) -> Iterator[str]:
    while len(text) > limit:
        cut = _cut(text, limit)
        yield text[:cut].rstrip()
        text = text[cut:].lstrip()
    if text:
        yield text


def _cut(text: str, limit: int) -> int:
    window = text[: 2 * limit]  # white space behind a piece does not count
    for index, place in enumerate(_CUTS):
        least = limit // 2 if index == 0 else 1
        ends = (found for found in place.finditer(window) if _length(found) <= limit)
        best = max((found.end() for found in ends if _length(found) >= least), default=0)
        if best:
            return best
    return _between_characters(text, limit)


def _length(found: "re.Match[str]") -> int:
    """How long the piece before a cut is, without the white space at its end."""
    return found.start() + len(found[0].rstrip())


def _between_characters(text: str, limit: int) -> int:
    """The last place in reach at which no character is taken apart."""
    for cut in range(limit, max(limit // 2, 0), -1):
        if not _is_inside(text, cut):
            return cut
    return limit


def _is_inside(text: str, cut: int) -> bool:
    """Whether a cut takes apart what is seen as one character."""
    before, after = text[cut - 1], text[cut]
    if before in _JOINERS or after in _JOINERS:
        return True
    if after in _FLAGS:  # two of them are one flag
        flags = len(text[:cut]) - len(text[:cut].rstrip(_FLAGS))
        return flags % 2 == 1
    return (
        unicodedata.category(after) in {"Mn", "Mc", "Me"} or "\U0001f3fb" <= after <= "\U0001f3ff"
    )

"""Split text into words, including scripts that do not separate words by spaces.

In Chinese, Japanese, Thai, Lao, Khmer and Burmese each character counts as one word. This makes it
possible to compare and cut transcripts word by word in any language.
"""

import re
from collections.abc import Iterable

_LETTERS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_PUNCTUATION = "\u3001-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
_UNSPACED = re.compile(f"[{_LETTERS}{_PUNCTUATION}]")
_WORD = re.compile(f"[{_LETTERS}][{_PUNCTUATION}]*|[^\\s{_LETTERS}]+")


def split_words(text: str) -> list[str]:
    """Split text into words. Punctuation stays attached to its word.

    >>> split_words("Good day."), split_words("\u4f60\u597d\u3002OK")
    (['Good', 'day.'], ['\u4f60', '\u597d\u3002', 'OK'])
    """
    return text.split() if text.isascii() else _WORD.findall(text)


def join_words(texts: Iterable[str]) -> str:
    """Join words with spaces, except in scripts that do not use spaces.

    >>> join_words(["Good", "day."]), join_words(["\u4f60", "\u597d"])
    ('Good day.', '\u4f60\u597d')
    """
    parts: list[str] = []
    for text in filter(None, texts):
        if parts and not (_UNSPACED.match(parts[-1][-1]) and _UNSPACED.match(text[0])):
            parts.append(" ")
        parts.append(text)
    return "".join(parts)


def drop_last_words(text: str, count: int) -> str:
    ends = [match.end() for match in _WORD.finditer(text)]
    return text[: ends[-count - 1]] if len(ends) > count else ""


def drop_first_words(text: str, count: int) -> str:
    starts = [match.start() for match in _WORD.finditer(text)]
    return text[starts[count] :] if len(starts) > count else ""

"""The words of a text, also in scripts that put no blanks between them.

There each sign counts as a word (Chinese, Japanese, Thai, Lao, Khmer, Burmese): two texts can so be
compared and cut word by word, whatever their language.
"""

import re
from collections.abc import Iterable

_LETTERS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_MARKS = "\u3001-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
_SOLID = re.compile(f"[{_LETTERS}{_MARKS}]")
_WORD = re.compile(f"[{_LETTERS}][{_MARKS}]*|[^\\s{_LETTERS}]+")


def split_words(text: str) -> list[str]:
    """The words of a text, each with its punctuation.

    >>> split_words("Good day."), split_words("\u4f60\u597d\u3002OK")
    (['Good', 'day.'], ['\u4f60', '\u597d\u3002', 'OK'])
    """
    return text.split() if text.isascii() else _WORD.findall(text)


def join_words(texts: Iterable[str]) -> str:
    """Texts one behind the other, with a blank between them where their scripts have one.

    >>> join_words(["Good", "day."]), join_words(["\u4f60", "\u597d"])
    ('Good day.', '\u4f60\u597d')
    """
    parts: list[str] = []
    for text in filter(None, texts):
        solid = parts and _SOLID.match(parts[-1][-1]) and _SOLID.match(text[0])
        parts += [text] if solid or not parts else [" ", text]
    return "".join(parts)


def drop_last_words(text: str, count: int) -> str:
    """A text without so many words at its end."""
    if not count:
        return text
    found = list(_WORD.finditer(text))
    return text[: found[-count].start()].rstrip() if len(found) > count else ""


def drop_first_words(text: str, count: int) -> str:
    """A text without so many words at its beginning."""
    if not count:
        return text
    found = list(_WORD.finditer(text))
    return text[found[count].start() :] if len(found) > count else ""

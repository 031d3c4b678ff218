"""Extract numbers, quotes and places from a string."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_QUOTES = re.compile(
    r'"([^"\n]+)"|\u201c([^\u201d\n]+)\u201d|\u2018([^\u2019\n]+)\u2019|(?<!\w)\'([^\'\n]+)\'(?!\w)'
)
_PLACE = re.compile(r"\bin\s+([A-Z][\w.'-]*(?:(?:,\s*|\s+)[A-Z][\w.'-]*)*)")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")

MAX_SCHEMA_CANDIDATES = 10
"""Maximum number of braces at which a JSON schema is searched in a string."""

_COMMON_WORDS = (
    "the and for with that this from are was what which who how why when where you your can "
    "could would should please get use tell give have has not but its our their does did"
)
_STOP_WORDS = frozenset(_COMMON_WORDS.split(" "))


@dataclass(slots=True)
class TextFacts:
    """Facts found in text. Callers remove the numbers and quotes they have used."""

    text: str
    numbers: list[float] = field(init=False)
    quotes: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.numbers = [float(number) for number in _NUMBER.findall(self.text)]
        self.quotes = find_quoted(self.text)

    @property
    def place(self) -> str | None:
        """Capitalized phrase after "in", such as "San Francisco, CA"."""
        match = _PLACE.search(self.text)
        return match[1].rstrip(".,") if match else None


def find_quoted(text: str) -> list[str]:
    """Return the quoted parts of a string."""
    return [next(filter(None, groups)) for groups in _QUOTES.findall(text)]


def find_json_schema(text: str) -> dict[str, Any] | None:
    """Return the first JSON schema of an object in a string, as clients without tools send it."""
    for match in islice(re.finditer(r"\{", text), MAX_SCHEMA_CANDIDATES):
        with suppress(ValueError, RecursionError):
            value, _ = json.JSONDecoder().raw_decode(text, match.start())
            if isinstance(value.get("properties"), dict):
                return dict(value)
    return None


def extract_words(text: str) -> set[str]:
    """Return the lower-case words of a string or identifier, without short and common words."""
    words = {word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))}
    return {word for word in words if len(word) >= 3} - _STOP_WORDS

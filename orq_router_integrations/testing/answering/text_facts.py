"""Extract numbers, quotes and places from a string."""

import json
import re
from contextlib import suppress
from typing import Any

MAX_SCHEMA_CANDIDATES = 10
"""Maximum number of braces at which a JSON schema is searched in a string."""

_NUMBER = re.compile(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])")
_QUOTES = re.compile(
    r'"([^"\n]+)"|\u201c([^\u201d\n]+)\u201d|\u2018([^\u2019\n]+)\u2019|(?<!\w)\'([^\'\n]+)\'(?!\w)'
)
_PLACE = re.compile(r"\bin\s+([A-Z][\w.'-]*(?:(?:,\s*|\s+)[A-Z][\w.'-]*)*)")
_WORD = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_COMMON_WORDS = (
    "the and for with that this from are was what which who how why when where you your can could "
    "would should please get use tell give have has not but its our their does did"
)


def find_numbers(text: str) -> list[float]:
    return [float(number) for number in _NUMBER.findall(text)]


def find_quoted(text: str) -> list[str]:
    """Return the quoted parts of a string."""
    return [next(filter(None, groups)) for groups in _QUOTES.findall(text)]


def find_place(text: str) -> str | None:
    """Return the capitalized phrase after "in", such as "San Francisco, CA"."""
    match = _PLACE.search(text)
    return match[1].rstrip(".,") if match else None


def find_json_schema(text: str) -> dict[str, Any] | None:
    """Return the first JSON schema of an object in a string, as clients without tools send it."""
    starts = [match.start() for match in re.finditer(r"\{", text)]
    for start in starts[:MAX_SCHEMA_CANDIDATES]:
        with suppress(ValueError, RecursionError):
            value, _ = json.JSONDecoder().raw_decode(text, start)
            if isinstance(value.get("properties"), dict):
                return dict(value)
    return None


def extract_words(text: str) -> set[str]:
    """Return the lower-case words of a string or identifier, without short and common words."""
    words = {word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))}
    return {word for word in words if len(word) >= 3} - set(_COMMON_WORDS.split())

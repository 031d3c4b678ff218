r"""Match simple regular expressions, and create text that matches them.

Examples support literals, ``.``, classes, ``\d \w \s``, groups, alternatives (the first one is
used) and quantifiers (the minimum is used).
"""

import re
import string
from itertools import chain, pairwise

MAX_PATTERN_CHARS = 1000
"""Maximum length of a pattern."""

MAX_TEXT_CHARS = 40
"""Maximum length of a string that a pattern is run on."""

MAX_CHOICES = 3
"""Maximum number of alternatives and variable quantifiers of a pattern that is run."""

MAX_EXAMPLE_CHARS = 1000
"""Maximum length of an example, and maximum number of repetitions."""

_TOKEN = re.compile(
    r"\\(?P<escape>.)|\[(?P<members>\^?\]?(?:\\.|[^\]\\])*)\]|(?P<open>\((?:\?(?::|P?<\w+>))?)"
    r"|(?P<quantifier>[*?+][?+]?|\{(?P<minimum>\d*)(?P<range>,?)\d*\}[?+]?)|(?P<char>.)",
    re.DOTALL,
)
_CHARACTERS = string.digits + string.ascii_letters + "-_ ."
_ESCAPES = {
    "d": string.digits,
    "w": string.ascii_lowercase,
    "s": " ",
    "D": "a",
    "W": "-",
    "S": string.ascii_lowercase,
    **dict.fromkeys("bBAZ", ""),
}


def matches_pattern(pattern: str, text: str) -> bool | None:
    """Return whether a pattern matches.

    Returns ``None`` for invalid patterns and for those that may take too long: ``re`` cannot be
    interrupted, and the time of a pattern can grow exponentially with its choices.
    """
    if len(text) > MAX_TEXT_CHARS or len(pattern) > MAX_PATTERN_CHARS:
        return None
    tokens = list(_TOKEN.finditer(pattern))
    choices = [token for token in tokens if _is_choice(token)]
    has_repeated_group = any(
        token["quantifier"] and before["char"] == ")" for before, token in pairwise(tokens)
    )
    if len(choices) > MAX_CHOICES or has_repeated_group:
        return None
    try:
        return re.search(pattern, text) is not None
    except (re.error, OverflowError, RecursionError):
        return None


def _is_choice(token: re.Match[str]) -> bool:
    quantifier = token["quantifier"]
    is_fixed = quantifier is not None and quantifier.startswith("{") and not token["range"]
    return token["char"] == "|" or (quantifier is not None and not is_fixed)


def create_example(pattern: str, number: int = 0) -> str | None:
    """Create text that matches a pattern.

    Args:
        pattern: The regular expression.
        number: Selects one of the possible examples.

    Returns:
        The text, or ``None`` if the pattern is invalid or uses unsupported syntax.
    """
    try:
        re.compile(pattern[: MAX_PATTERN_CHARS + 1])
        characters = list(_list_choices(pattern))
    except (re.error, IndexError, ValueError, OverflowError, RecursionError):
        return None
    text = ""
    for choices in filter(None, characters):
        number, index = divmod(number, len(choices))
        text += choices[index]
    return None if matches_pattern(pattern, text) is False else text


def _list_choices(pattern: str) -> list[str]:
    """List the possible characters at each position of an example.

    Raises:
        ValueError: The pattern is too long or not supported.
    """
    if len(pattern) > MAX_PATTERN_CHARS:
        raise ValueError("the pattern is too long")
    groups: list[list[list[list[str]]]] = [[[]]]  # group > alternative > atom > choices
    for token in _TOKEN.finditer(pattern):
        if token["open"]:
            groups.append([[]])
        elif token["char"] == "|":
            groups[-1].append([])
        elif token["char"] == ")":
            atoms = groups.pop()[0]
            groups[-1][-1].append(list(chain(*atoms)))
        elif token["quantifier"]:
            atoms = groups[-1][-1]
            atoms[-1] = _repeat(atoms[-1], token)
        else:
            groups[-1][-1].append([_get_choices(token)])
    return list(chain(*groups[0][0]))


def _repeat(choices: list[str], quantifier: re.Match[str]) -> list[str]:
    minimum = int(quantifier["minimum"] or quantifier["quantifier"].startswith("+"))
    if minimum * max(1, len(choices)) > MAX_EXAMPLE_CHARS:
        raise ValueError("the example would be too long")
    return choices * minimum


def _get_choices(token: re.Match[str]) -> str:
    """Return the characters that match a literal, an escape or a class."""
    if token["members"]:
        return _expand_class(token["members"])
    if token["escape"]:
        return _ESCAPES.get(token["escape"], token["escape"])
    return {".": string.ascii_lowercase, "^": "", "$": ""}.get(token["char"], token["char"])


def _expand_class(members: str) -> str:
    """Return the characters of a class such as ``[a-z]``."""
    is_member = re.compile(f"[{members}]").fullmatch
    first = "" if members.startswith("^") else members[:1].strip("\\")
    return first + "".join(char for char in _CHARACTERS if char != first and is_member(char))

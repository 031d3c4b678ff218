"""Colors of images: those that a prompt names, and others derived from a seed."""

import hashlib
import re

Color = tuple[int, ...]

NAMED_COLORS = {
    "red": "d7332f", "orange": "f08a24", "yellow": "f5c93b", "green": "3a9a52", "blue": "2f6fd0",
    "purple": "7d4bb5", "pink": "ee8fb0", "brown": "8a6042", "black": "23232b", "white": "f0f0ea",
    "grey": "8f98a6", "gray": "8f98a6", "gold": "d9a521", "night": "1b2547", "fog": "c3c9d0",
    "sea": "2a7fa8", "sky": "7dbde8", "forest": "2f6b4a", "snow": "e6eff5", "sunset": "f0703a",
}  # fmt: skip
"""Words and their colors."""


def find_named_colors(text: str) -> list[Color]:
    """Return the colors named in text, in order."""
    words = re.findall(r"\w+", text.lower())
    return [tuple(bytes.fromhex(NAMED_COLORS[word])) for word in words if word in NAMED_COLORS]


def choose_color(text: str, number: int) -> Color:
    """Return the first color that text names, or one derived from the text and a number."""
    digest = hashlib.sha256(f"{number}:{text}".encode("utf-8", "replace")).digest()
    others = list(NAMED_COLORS.values())
    return [*find_named_colors(text), tuple(bytes.fromhex(others[digest[0] % len(others)]))][0]


def blend(color: Color, other: Color, share: float) -> Color:
    """Mix two colors; ``share`` is the share of the other color, from 0 to 1."""
    return tuple(round(a + (b - a) * share) for a, b in zip(color, other, strict=True))

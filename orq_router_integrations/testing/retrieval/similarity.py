"""A measure of similarity for retrieval tests: texts that share words are close.

Vectors are deterministic and have unit length. Each model has a space of its own, so that vectors
of different models are not comparable, as with real models.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from hashlib import blake2b

_WORD = re.compile(r"\w+")
_SHORT_WORD_WEIGHT = 0.2
"""Words of up to three letters, such as articles, say little about a text."""

_STEM_CHARS = 5
_STEM_WEIGHT = 0.5
"""Inflected forms share the start of a word."""


def count_features(text: str) -> Mapping[str, float]:
    """Return the words of a text, their stems, and their weights.

    Words of scripts without spaces are divided into pairs of characters.
    """
    weights: Counter[str] = Counter()
    for word in _WORD.findall(text.casefold()):
        if not word.isascii() and len(word) > 1:
            weights.update(word[start : start + 2] for start in range(len(word) - 1))
        weights[word] += _SHORT_WORD_WEIGHT if len(word) <= 3 else 1.0  # type: ignore[assignment]
        if len(word) > _STEM_CHARS:
            weights[word[:_STEM_CHARS]] += _STEM_WEIGHT  # type: ignore[assignment]
    return {name: math.sqrt(weight) for name, weight in weights.items()} or {text: 1.0}


def compute_similarity(text: str, other: str) -> float:
    """Return the cosine of two texts: 0 if they share nothing, 1 if they have the same words."""
    first, second = count_features(text), count_features(other)
    product = sum(weight * second.get(name, 0.0) for name, weight in first.items())
    return min(1.0, product / (_get_length(first) * _get_length(second)))


def _get_length(features: Mapping[str, float]) -> float:
    return math.sqrt(sum(weight * weight for weight in features.values()))


def create_vector(text: str, dimensions: int, space: str) -> list[float]:
    """Create the unit vector of a text.

    Args:
        text: The text.
        dimensions: Length of the vector.
        space: Name of the model's space.
    """
    vector = [0.0] * dimensions
    for name, weight in count_features(text).items():
        position, sign = _hash_feature(name, dimensions, space)
        vector[position] += sign * weight
    length = math.sqrt(sum(number * number for number in vector))
    if not length:  # all features cancel out
        vector[0] = length = 1.0
    return [number / length for number in vector]


@lru_cache(maxsize=65_536)
def _hash_feature(name: str, dimensions: int, space: str) -> tuple[int, int]:
    number = int.from_bytes(blake2b(f"{space}\0{name}".encode(), digest_size=8).digest())
    return (number >> 1) % dimensions, 1 if number & 1 else -1

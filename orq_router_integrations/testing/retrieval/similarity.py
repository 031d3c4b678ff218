"""A measure of similarity for retrieval tests: texts that share words are close.

Vectors are deterministic and have unit length. Each model has its own space, so that vectors
of different models are not comparable, as with real models.
"""

import math
import re
from collections import Counter
from hashlib import blake2b

_STEM_CHARS = 5
"""Inflected forms share the start of a word."""


def count_features(text: str) -> dict[str, float]:
    """Return the words of a text and their stems, with weights, which are low for short words.

    Words of scripts without spaces are divided into pairs of characters.
    """
    weights: Counter[str] = Counter()
    for word in re.findall(r"\w+", text.casefold()):
        pairs = [] if word.isascii() else [word[i : i + 2] for i in range(len(word) - 1)]
        weights.update(pairs * 10)
        weights[word] += 2 if len(word) <= 3 else 10
        if len(word) > _STEM_CHARS:
            weights[word[:_STEM_CHARS]] += 5
    return {name: math.sqrt(weight) for name, weight in weights.items()} or {text: 1.0}


def compute_similarity(text: str, other: str) -> float:
    """Return the cosine of two texts: 0 if they share nothing, 1 if they have the same words."""
    first, second = count_features(text), count_features(other)
    product = sum(weight * second.get(name, 0.0) for name, weight in first.items())
    return min(1.0, product / (math.hypot(*first.values()) * math.hypot(*second.values())))


def create_vector(text: str, dimensions: int, space: str) -> list[float]:
    """Create the unit vector of a text in the space of a model."""
    vector = [0.0] * dimensions
    for name, weight in count_features(text).items():
        digest = blake2b(f"{space}\0{name}".encode(), digest_size=8).digest()
        number = int.from_bytes(digest)
        vector[(number >> 1) % dimensions] += weight if number & 1 else -weight
    length = math.hypot(*vector)
    if not length:  # all features cancel out
        vector[0] = length = 1.0
    return [number / length for number in vector]

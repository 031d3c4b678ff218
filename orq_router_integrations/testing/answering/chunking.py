"""Split answers into the chunks that a model would stream, and create ids and logprobs."""

import math
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer, ScriptedToolCall
from orq_router_integrations.testing.serialization import encode_text

EPOCH = 1_767_225_600
"""Creation time of the first response: the start of 2026, in seconds since 1970."""

_WORD = re.compile(r"\S+\s*|\s+")


def split_words(text: str | None) -> list[str]:
    """Split a string into words, each with the white space after it."""
    return _WORD.findall(text or "")


def split_fragments(text: str) -> list[str]:
    """Split tool arguments into at least three fragments, regardless of word boundaries."""
    size = max(1, min(8, math.ceil(len(text) / 3)))
    fragments = [text[start : start + size] for start in range(0, len(text), size)]
    return fragments + [""] * (3 - len(fragments))


def create_call_id(call: ScriptedToolCall, *, turn: int, index: int) -> str:
    """Return the id of a tool call: the scripted one, or a digest of the call.

    Args:
        call: the tool call.
        turn: position in the conversation, which makes ids differ between turns.
        index: position of the call in the answer.
    """
    if call.id is not None:
        return call.id
    seed = encode_text(f"{turn} {index} {call.name} {call.arguments_json}")
    return f"call_{blake2b(seed, digest_size=12).hexdigest()}"


def create_logprobs(answer: Answer, alternatives: int) -> list[dict[str, Any]]:
    """Return the scripted log probabilities, or one made-up item per word of the text."""
    if answer.logprobs is not None:
        return [dict(item) for item in answer.logprobs]
    return [_create_logprob(word, alternatives) for word in split_words(answer.text)]


def _create_logprob(token: str, alternatives: int) -> dict[str, Any]:
    def build_item(text: str, rank: int) -> dict[str, Any]:
        return {"token": text, "logprob": -0.1 - rank, "bytes": list(encode_text(text))}

    top: Sequence[dict[str, Any]] = [
        build_item(token if rank == 0 else f"{token}{rank}", rank) for rank in range(alternatives)
    ]
    return build_item(token, 0) | {"top_logprobs": top}

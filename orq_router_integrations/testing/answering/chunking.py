"""How models send things: texts word by word, arguments in fragments, tokens with odds."""

import math
import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer, ScriptedToolCall
from orq_router_integrations.testing.serialization import encode_text

EPOCH = 1_767_225_600
"""The time of the first reply: the start of 2026, in seconds."""

_PIECE = re.compile(r"\S+\s*|\s+")


def split_words(text: str | None) -> list[str]:
    """The words of a text, each with the blanks after it."""
    return _PIECE.findall(text or "")


def split_fragments(text: str) -> list[str]:
    """At least three pieces, as models send arguments: cut anywhere."""
    size = max(1, min(8, math.ceil(len(text) / 3)))
    found = [text[start : start + size] for start in range(0, len(text), size)]
    return found + [""] * (3 - len(found))


def create_call_id(call: ScriptedToolCall, *, turn: int, index: int) -> str:
    """The id of a tool call.

    Args:
        call: the call; its own id wins.
        turn: position in the conversation, so that ids differ between turns.
        index: which call of the answer it is.
    """
    if call.id is not None:
        return call.id
    seed = encode_text(f"{turn} {index} {call.name} {call.arguments_json}")
    return f"call_{blake2b(seed, digest_size=12).hexdigest()}"


def create_logprobs(answer: Answer, alternatives: int) -> list[dict[str, Any]]:
    """One item per word of the answer's text, or what is scripted."""
    if answer.logprobs is not None:
        return [dict(item) for item in answer.logprobs]
    return [_create_logprob(piece, alternatives) for piece in split_words(answer.text)]


def _create_logprob(token: str, alternatives: int) -> dict[str, Any]:
    def item(text: str, rank: int) -> dict[str, Any]:
        return {"token": text, "logprob": -0.1 - rank, "bytes": list(encode_text(text))}

    top: Sequence[dict[str, Any]] = [
        item(token if rank == 0 else f"{token}{rank}", rank) for rank in range(alternatives)
    ]
    return item(token, 0) | {"top_logprobs": top}

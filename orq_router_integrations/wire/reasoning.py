"""Names of the fields and content blocks that carry reasoning.

This is the only place that lists them. Providers disagree about where reasoning goes, so code
that reads, replays or strips reasoning looks the names up here instead of repeating them.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from orq_router_integrations.wire.json import as_dict, as_dicts, as_str


class ReasoningField(NamedTuple):
    """A field of a response message (or stream delta) that carries reasoning."""

    name: str  # in the response
    kwarg: str  # key in ``AIMessage.additional_kwargs``
    types: tuple[type, ...]  # JSON types that are accepted; values of other types are ignored
    # Where LangChain's reasoning block has the value: ``"reasoning"`` for the text, otherwise a key
    # of its ``extras``. ``None`` if the block omits it.
    block_key: str | None
    is_signature: bool  # whether only the provider that produced the value accepts it back


REASONING_FIELDS = (
    ReasoningField("reasoning_content", "reasoning_content", (str,), "reasoning", False),
    ReasoningField("reasoning", "reasoning_content", (str,), "reasoning", False),
    ReasoningField("reasoning_signature", "reasoning_signature", (str,), "signature", True),
    ReasoningField("redacted_reasoning", "redacted_reasoning", (str, list), "redacted_data", True),
    # Written by `responses_output`: one dict with `reasoning` and `signature` for each item.
    ReasoningField("reasoning_items", "reasoning_items", (list,), None, True),
)
"""Every message field that carries reasoning, in the order in which it is read."""

THOUGHT_SIGNATURES_KWARG = "thought_signatures"
"""Key in ``additional_kwargs``: Gemini's signatures of tool calls, by tool call id."""

ITEM_KWARGS = ("item_ids", "output_items")
"""Keys in ``additional_kwargs``: order and ids of the items of the Responses API, and items of
server-side tools. Only that API accepts them back."""

SIGNATURE_KWARGS = {THOUGHT_SIGNATURES_KWARG, *ITEM_KWARGS} | {
    field.kwarg for field in REASONING_FIELDS if field.is_signature
}
"""Keys in ``additional_kwargs`` that must not be sent to another provider."""

REASONING_BLOCK_TYPES = {
    "reasoning",  # LangChain's standard block
    "thinking",  # Anthropic, Mistral
    "redacted_thinking",  # Anthropic; encrypted
    "reasoning_content",  # Amazon Bedrock
}
"""Types of content blocks that hold reasoning instead of a part of the answer."""

_TEXT_KEYS = ("thinking", "reasoning", "text", "summary", "content")


def read_reasoning_part(part: Mapping[str, Any]) -> tuple[str, str]:
    """Return the text and the signature of a reasoning part in any spelling; empty if missing.

    The text is a string, or a list of text parts (Mistral, items of the Responses API). Amazon
    Bedrock nests both values.
    """
    nested = as_dict(part.get("reasoning_content"))
    source = nested or part
    text = next((source[key] for key in _TEXT_KEYS if source.get(key)), "")
    if isinstance(text, list):
        text = "".join(as_str(chunk.get("text")) for chunk in as_dicts(text))
    signature = source.get("signature") or as_dict(part.get("extras")).get("signature")
    return as_str(text), as_str(signature)


def collect_reasoning(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the reasoning in the content parts of a message, as fields of the message."""
    items = [
        read_reasoning_part(part)
        for part in parts
        if as_str(part.get("type")) in REASONING_BLOCK_TYPES
    ]
    fields: dict[str, Any] = {"reasoning_content": "".join(text for text, _ in items)}
    match [item for item in items if item[1]]:
        case [(_, signature)]:  # one signature fits into the field for it
            fields["reasoning_signature"] = signature
        case signed:
            fields["reasoning_items"] = [
                {"reasoning": text, "signature": signature} for text, signature in signed
            ]
    return {name: value for name, value in fields.items() if value}

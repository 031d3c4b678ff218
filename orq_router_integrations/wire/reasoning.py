"""Names of the fields and content blocks that carry reasoning.

This is the only place that lists them. Providers disagree about where reasoning goes, so code
that reads, replays or strips reasoning looks the names up here instead of repeating them.
"""

from typing import NamedTuple


class ReasoningField(NamedTuple):
    """A field of a response message (or stream delta) that carries reasoning.

    Attributes:
        name: Field name in the response.
        kwarg: Key in ``AIMessage.additional_kwargs``.
        types: JSON types that are accepted; values of other types are ignored.
        block_key: Where LangChain's standard reasoning block has it: ``"reasoning"`` for the
            text, otherwise a key of the block's ``extras``. ``None`` if the block omits it.
        is_signature: Whether only the provider that produced the value accepts it back.
    """

    name: str
    kwarg: str
    types: tuple[type, ...]
    block_key: str | None
    is_signature: bool


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

SIGNATURE_KWARGS = frozenset(
    [field.kwarg for field in REASONING_FIELDS if field.is_signature]
    + [THOUGHT_SIGNATURES_KWARG, *ITEM_KWARGS]
)
"""Keys in ``additional_kwargs`` that must not be sent to another provider."""

REASONING_BLOCK_TYPES = frozenset(
    {
        "reasoning",  # LangChain's standard block
        "thinking",  # Anthropic, Mistral
        "redacted_thinking",  # Anthropic; encrypted
        "reasoning_content",  # Amazon Bedrock
    }
)
"""Types of content blocks that hold reasoning instead of a part of the answer."""

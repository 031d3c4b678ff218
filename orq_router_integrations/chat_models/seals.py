"""Reasoning that a provider sealed: sent back to the provider that made it, and to no other.

Anthropic and Gemini want their signatures back on tool turns; another provider refuses them. The
router may answer from a fallback, so a message remembers who answered it.
"""

from typing import Any

from langchain_core.messages import AIMessage

from orq_router_integrations.chat_models.blocks import PROVIDER
from orq_router_integrations.wire.asked import provider_of

_SEALS = ("reasoning_signature", "redacted_reasoning", "thought_signatures", "reasoning_items")
CHAT, RESPONSES = "chat_completions", "responses"
"""The chat APIs: what one of them sealed, the other cannot open."""

_SEALED_BLOCKS = {"redacted_thinking"}


def unsealed(message: AIMessage, upstream: str, api: str = CHAT) -> AIMessage:
    """The message as this provider may see it: without seals of another one or another API.

    ``upstream`` is empty where one of several providers will be asked, and then none gets a seal.
    Messages that are not ours are taken at the caller's word. Reasoning itself stays.
    """
    metadata = message.response_metadata
    if metadata.get("model_provider") != PROVIDER:
        return message
    answered = metadata.get("upstream") or provider_of(str(metadata.get("model_name") or ""))
    if answered and (metadata.get("api", CHAT), answered) == (api, upstream):
        return message
    kept = {name: v for name, v in message.additional_kwargs.items() if name not in _SEALS}
    content = message.content
    if isinstance(content, list):
        content = [_without_seal(block) for block in content if not _is_seal(block)]
    if kept == message.additional_kwargs and content == message.content:
        return message
    return message.model_copy(update={"additional_kwargs": kept, "content": content})


def _is_seal(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in _SEALED_BLOCKS


def _without_seal(block: Any) -> Any:
    if not isinstance(block, dict) or block.get("type") not in {"reasoning", "thinking"}:
        return block
    extras = block.get("extras") or {}
    left = {k: v for k, v in extras.items() if k not in {"signature", "redacted_data"}}
    plain = {k: v for k, v in block.items() if k not in {"signature", "extras"}}
    return {**plain, "extras": left} if left else plain

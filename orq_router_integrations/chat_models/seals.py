"""Reasoning that a provider sealed: sent back to the provider that made it, and to no other.

Anthropic and Gemini want their signatures back on tool turns; another provider refuses them. The
router may answer from a fallback, so a message remembers who answered it.
"""

from typing import Any

from langchain_core.messages import AIMessage

from orq_router_integrations.chat_models.blocks import PROVIDER

_SEALS = ("reasoning_signature", "redacted_reasoning", "thought_signatures", "reasoning_items")
CHAT, RESPONSES = "chat_completions", "responses"
"""The chat APIs: what one of them sealed, the other cannot open."""

_SEALED_BLOCKS = {"redacted_thinking"}


def unsealed(message: AIMessage, model: str, api: str = CHAT) -> AIMessage:
    """The message as this model may see it: without seals of another provider or another API.

    Messages that are not ours are taken at the caller's word. Reasoning itself stays.
    """
    metadata = message.response_metadata
    same = (metadata.get("api", CHAT), _upstream(metadata)) == (api, _provider(model))
    if metadata.get("model_provider") != PROVIDER or same:
        return message
    kept = {name: v for name, v in message.additional_kwargs.items() if name not in _SEALS}
    content = message.content
    if isinstance(content, list):
        content = [_without_seal(block) for block in content if not _is_seal(block)]
    if kept == message.additional_kwargs and content == message.content:
        return message
    return message.model_copy(update={"additional_kwargs": kept, "content": content})


def _upstream(metadata: dict[str, Any]) -> str:
    """The provider that answered; empty where the wire leaves it open."""
    return _provider(str(metadata.get("model_name") or ""))


def _provider(model: str) -> str:
    provider, slash, _ = model.partition("/")
    return provider if slash else ""


def _is_seal(block: Any) -> bool:
    return isinstance(block, dict) and block.get("type") in _SEALED_BLOCKS


def _without_seal(block: Any) -> Any:
    if not isinstance(block, dict) or block.get("type") not in {"reasoning", "thinking"}:
        return block
    extras = block.get("extras") or {}
    left = {k: v for k, v in extras.items() if k not in {"signature", "redacted_data"}}
    plain = {k: v for k, v in block.items() if k not in {"signature", "extras"}}
    return {**plain, "extras": left} if left else plain

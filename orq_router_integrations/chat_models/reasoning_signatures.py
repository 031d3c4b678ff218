"""Reasoning that a provider sealed: sent back to the provider that made it, and to no other.

Anthropic and Gemini want their signatures back on tool turns; another provider refuses them. The
router may answer from a fallback, so a message remembers who answered it. Messages of LangChain's
other models say which provider made them.
"""

from collections.abc import Collection, Mapping
from typing import Any

from langchain_core.messages import AIMessage

from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, PROVIDER
from orq_router_integrations.wire.model_candidates import get_provider

_SEALS = ("reasoning_signature", "redacted_reasoning", "thought_signatures", "reasoning_items")

_ROUTED: dict[str, tuple[str, ...]] = {
    "anthropic_bedrock": ("aws",),
    "azure_ai": ("azure",),
    "azure_openai": ("azure",),
    "bedrock": ("aws",),
    "bedrock_converse": ("aws",),
    "google_anthropic_vertex": ("google",),
    "google_genai": ("google-ai", "google"),  # which asks AI Studio or Vertex, and does not say
    "google_vertexai": ("google",),
    "mistralai": ("mistral",),
}
"""The router's names of the providers that LangChain calls otherwise."""

_OWN_KINDS: dict[str, tuple[str, ...] | None] = {
    "thinking": None,
    "redacted_thinking": ("anthropic", "aws", "google"),
    "reasoning_content": ("aws",),
}
"""Blocks of the APIs of providers themselves, and who may have made one, where that is certain."""


def strip_foreign_signatures(
    message: AIMessage, upstream: str, api: str = CHAT_COMPLETIONS
) -> AIMessage:
    """The message as this provider may see it: without seals of another one or another API.

    ``upstream`` is empty where one of several providers will be asked, and then none gets a seal.
    A message that does not say who made it is taken at the caller's word, as far as the kinds of
    its blocks do not tell. Reasoning itself stays.
    """
    openers = _openers(message.response_metadata, api)
    kept, content = message.additional_kwargs, message.content
    if openers is not None:
        if upstream in openers:
            return message
        kept = {name: value for name, value in kept.items() if name not in _SEALS}
    if isinstance(content, list):
        left = (
            block if openers is None and not _is_anothers(block, upstream, api) else _plain(block)
            for block in content
        )
        content = [block for block in left if block is not None]
    if kept == message.additional_kwargs and content == message.content:
        return message
    return message.model_copy(update={"additional_kwargs": kept, "content": content})


def _openers(metadata: Mapping[str, Any], api: str) -> Collection[str] | None:
    """The providers that can open the seals of a message; ``None`` where nobody says who they are.

    The seals that other models of LangChain keep are those of a provider's own API, which go
    through chat completions as they are.
    """
    maker = metadata.get("model_provider")
    if maker == PROVIDER:
        answered = metadata.get("upstream") or get_provider(str(metadata.get("model_name") or ""))
        return (answered,) if answered and metadata.get("api", CHAT_COMPLETIONS) == api else ()
    if not isinstance(maker, str) or not maker:
        return None
    return _ROUTED.get(maker, (maker,)) if api == CHAT_COMPLETIONS else ()


def _is_anothers(block: Any, upstream: str, api: str) -> bool:
    """Whether the kind of a block tells that a provider cannot open it."""
    if not isinstance(block, dict):
        return False
    kind = block.get("type")
    if kind == "non_standard":
        return _is_anothers(block.get("value"), upstream, api)
    if not isinstance(kind, str) or kind not in _OWN_KINDS:
        return False
    return api != CHAT_COMPLETIONS or upstream not in (_OWN_KINDS[kind] or (upstream,))


def _plain(block: Any) -> Any:
    """A block without its seal; ``None`` for one that is nothing else."""
    if not isinstance(block, dict):
        return block
    match block.get("type"):
        case "redacted_thinking":
            return None
        case "non_standard" if isinstance(block.get("value"), dict):
            value = _plain(block["value"])
            return value and {**block, "value": value}
        case "reasoning_content" if isinstance(inner := block.get("reasoning_content"), dict):
            return {**block, "reasoning_content": _without(inner, "signature")}
        case "reasoning" | "thinking":
            left = _without(block.get("extras") or {}, "signature", "redacted_data")
            plain = _without(block, "signature", "extras")
            return {**plain, "extras": left} if left else plain
    return block


def _without(members: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in members.items() if name not in names}

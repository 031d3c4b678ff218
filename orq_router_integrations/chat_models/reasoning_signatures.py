"""Remove reasoning signatures of other providers from earlier answers.

Providers such as Anthropic and Gemini sign their reasoning. They require their own signatures after
tool calls, and reject signatures of other providers. Because the router may use a fallback, each
answer has the provider that created it in its metadata.
"""

from collections.abc import Collection, Mapping
from typing import Any

from langchain_core.messages import AIMessage

from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, PROVIDER
from orq_router_integrations.wire.model_candidates import get_provider
from orq_router_integrations.wire.reasoning import SIGNATURE_KWARGS

_ROUTER_PROVIDERS: dict[str, tuple[str, ...]] = {
    "anthropic_bedrock": ("aws",),
    "azure_ai": ("azure",),
    "azure_openai": ("azure",),
    "bedrock": ("aws",),
    "bedrock_converse": ("aws",),
    "google_anthropic_vertex": ("google",),
    "google_genai": ("google-ai", "google"),  # AI Studio or Vertex; the metadata does not say which
    "google_vertexai": ("google",),
    "mistralai": ("mistral",),
}
"""The router's provider names, by LangChain's ``model_provider`` where the names differ."""

_BLOCK_PROVIDERS: dict[str, tuple[str, ...] | None] = {
    "thinking": None,
    "redacted_thinking": ("anthropic", "aws", "google"),
    "reasoning_content": ("aws",),
}
"""Providers whose own API creates this type of block; ``None`` for any provider."""


def strip_foreign_signatures(
    message: AIMessage, provider: str, api: str = CHAT_COMPLETIONS
) -> AIMessage:
    """Remove signatures that the provider or the API of a request does not accept.

    If the metadata does not identify the provider that created the message, its signatures are
    kept, except for blocks whose type identifies another provider. The text of reasoning is always
    kept. An empty ``provider`` removes all signatures, because several providers may receive them.
    """
    owners = _find_signature_owners(message.response_metadata, api)
    if owners is not None and provider in owners:
        return message
    kwargs, content = message.additional_kwargs, message.content
    if owners is not None:
        kwargs = {name: value for name, value in kwargs.items() if name not in SIGNATURE_KWARGS}
    if isinstance(content, list):
        blocks = (
            _strip_signature(block)
            if owners is not None or _is_foreign_block(block, provider, api)
            else block
            for block in content
        )
        content = [block for block in blocks if block is not None]
    if kwargs == message.additional_kwargs and content == message.content:
        return message
    return message.model_copy(update={"additional_kwargs": kwargs, "content": content})


def _find_signature_owners(metadata: Mapping[str, Any], api: str) -> Collection[str] | None:
    """Return the providers that accept the signatures of a message; ``None`` if unknown.

    Other LangChain models use the provider's own API. The router passes their signatures on in
    Chat Completions, but not in the Responses API.
    """
    model_provider = metadata.get("model_provider")
    if model_provider == PROVIDER:
        model = str(metadata.get("model_name") or "")
        provider = metadata.get("upstream") or get_provider(model)
        return (provider,) if provider and metadata.get("api", CHAT_COMPLETIONS) == api else ()
    if not isinstance(model_provider, str) or not model_provider:
        return None
    if api != CHAT_COMPLETIONS:
        return ()
    return _ROUTER_PROVIDERS.get(model_provider, (model_provider,))


def _is_foreign_block(block: Any, provider: str, api: str) -> bool:
    """Return whether the type of a block identifies another provider."""
    if not isinstance(block, dict):
        return False
    block_type = block.get("type")
    if block_type == "non_standard":
        return _is_foreign_block(block.get("value"), provider, api)
    if not isinstance(block_type, str) or block_type not in _BLOCK_PROVIDERS:
        return False
    return api != CHAT_COMPLETIONS or provider not in (_BLOCK_PROVIDERS[block_type] or (provider,))


def _strip_signature(block: Any) -> Any:
    """Return a block without its signature; ``None`` if nothing else remains."""
    if not isinstance(block, dict):
        return block
    match block.get("type"):
        case "redacted_thinking":
            return None
        case "non_standard" if isinstance(block.get("value"), dict):
            value = _strip_signature(block["value"])
            return value and {**block, "value": value}
        case "reasoning_content" if isinstance(reasoning := block.get("reasoning_content"), dict):
            return {**block, "reasoning_content": _drop_keys(reasoning, "signature")}
        case "reasoning" | "thinking":
            extras = _drop_keys(block.get("extras") or {}, "signature", "redacted_data")
            stripped = _drop_keys(block, "signature", "extras")
            return {**stripped, "extras": extras} if extras else stripped
    return block


def _drop_keys(fields: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in keys}

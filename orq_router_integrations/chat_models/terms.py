"""Words that the whole room shares, and the translator of our messages for LangChain."""

from typing import Any, Literal

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import ContentBlock

from orq_router_integrations.lazily import Lazily
from orq_router_integrations.wire import endpoints

PROVIDER = "orq"
"""The ``model_provider`` of our messages, by which LangChain finds their translator."""

CHAT, RESPONSES = "chat_completions", "responses"
"""The chat APIs."""

ENDPOINTS = {CHAT: endpoints.CHAT_COMPLETIONS, RESPONSES: endpoints.RESPONSES}

ToolMedia = Literal["user", "tool", "placeholder"]
"""Where images, files and audio of a tool's answer go; see ``ChatOrq.tool_media``."""

_BLOCKS: Any = Lazily("orq_router_integrations.chat_models.blocks")


def _blocks_of(message: AIMessage) -> list[ContentBlock]:
    return _BLOCKS.blocks_of(message)  # type: ignore[no-any-return]


def _blocks_of_chunk(chunk: AIMessageChunk) -> list[ContentBlock]:
    return _BLOCKS.blocks_of_chunk(chunk)  # type: ignore[no-any-return]


register_translator(PROVIDER, _blocks_of, _blocks_of_chunk)

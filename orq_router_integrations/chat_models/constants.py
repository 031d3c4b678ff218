"""Words that the whole room shares, and the translator of our messages for LangChain."""

from typing import TYPE_CHECKING, Literal

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import ContentBlock

from orq_router_integrations._http.lazily import LazyModule
from orq_router_integrations.wire import endpoints

if TYPE_CHECKING:
    from orq_router_integrations.chat_models import content_blocks as blocks
else:
    blocks = LazyModule("orq_router_integrations.chat_models.content_blocks")

PROVIDER = "orq"
"""The ``model_provider`` of our messages, by which LangChain finds their translator."""

CHAT_COMPLETIONS, RESPONSES = "chat_completions", "responses"
"""The chat APIs."""

ENDPOINTS = {CHAT_COMPLETIONS: endpoints.CHAT_COMPLETIONS, RESPONSES: endpoints.RESPONSES}

ToolMedia = Literal["user", "tool", "placeholder"]
"""Where images, files and audio of a tool's answer go; see ``ChatOrq.tool_media``."""


def _blocks_of(message: AIMessage) -> list[ContentBlock]:
    return blocks.translate_content(message)


def _blocks_of_chunk(chunk: AIMessageChunk) -> list[ContentBlock]:
    return blocks.translate_content_chunk(chunk)


register_translator(PROVIDER, _blocks_of, _blocks_of_chunk)

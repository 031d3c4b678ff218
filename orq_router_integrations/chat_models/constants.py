"""Constants of the chat model modules, and registration of the content block translator."""

from typing import Literal

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import ContentBlock

from orq_router_integrations.wire import endpoints

PROVIDER = "orq"  # ``model_provider`` in messages, by which LangChain finds the translator

CHAT_COMPLETIONS, RESPONSES = "chat_completions", "responses"  # values of ``ChatOrq.api``

ENDPOINTS = {CHAT_COMPLETIONS: endpoints.CHAT_COMPLETIONS, RESPONSES: endpoints.RESPONSES}

ToolMedia = Literal["user", "tool", "placeholder"]
"""Where media in tool results are sent; see ``ChatOrq.tool_media``."""


def _translate_content(message: AIMessage) -> list[ContentBlock]:
    from orq_router_integrations.chat_models.content_blocks import (  # noqa: PLC0415
        translate_content,
    )

    return translate_content(message)


def _translate_content_chunk(chunk: AIMessageChunk) -> list[ContentBlock]:
    from orq_router_integrations.chat_models.content_blocks import (  # noqa: PLC0415
        translate_content_chunk,
    )

    return translate_content_chunk(chunk)


register_translator(PROVIDER, _translate_content, _translate_content_chunk)

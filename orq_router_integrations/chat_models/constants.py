"""Constants of the chat model modules, and registration of the content block translator."""

from typing import Literal

from langchain_core.messages import AIMessage
from langchain_core.messages.block_translators import register_translator
from langchain_core.messages.content import ContentBlock

from orq_router_integrations.wire import endpoints

PROVIDER = "orq"  # ``model_provider`` in messages, by which LangChain finds the translator

CHAT_COMPLETIONS, RESPONSES = "chat_completions", "responses"  # values of ``ChatOrq.api``

ENDPOINTS = {CHAT_COMPLETIONS: endpoints.CHAT_COMPLETIONS, RESPONSES: endpoints.RESPONSES}

ToolMedia = Literal["user", "tool", "placeholder"]
"""Where media in tool results are sent; see ``ChatOrq.tool_media``."""


def _translate_content(message: AIMessage) -> list[ContentBlock]:
    from orq_router_integrations.chat_models import content_blocks  # noqa: PLC0415

    return content_blocks.translate_content(message)


register_translator(PROVIDER, _translate_content, _translate_content)

"""LangChain integrations for the orq.ai AI Router.

Names are imported when they are first used, so that ``import orq_router_integrations`` is fast.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from orq_router_integrations._version import __version__

if TYPE_CHECKING:
    from orq_router_integrations._http.pace import Pace
    from orq_router_integrations.chat_models.chat_orq import ChatOrq, init_orq_chat_model
    from orq_router_integrations.chat_models.response_metadata import Provenance
    from orq_router_integrations.chat_models.usage_callback import track_usage
    from orq_router_integrations.client import RouterClient
    from orq_router_integrations.decisions import OrqDecisionModel
    from orq_router_integrations.document_loaders.audio import (
        OrqAudioParser,
        OrqTranscriptionLoader,
        OrqTranslationLoader,
    )
    from orq_router_integrations.document_loaders.ocr import OrqOCRLoader, OrqOCRParser
    from orq_router_integrations.document_loaders.subtitles import to_srt, to_vtt
    from orq_router_integrations.embeddings import OrqEmbeddings
    from orq_router_integrations.errors import RouterError
    from orq_router_integrations.media.content_block import content_block
    from orq_router_integrations.moderation import OrqModeration
    from orq_router_integrations.moderation_middleware import OrqModerationMiddleware
    from orq_router_integrations.rerank import OrqRerank
    from orq_router_integrations.retriever import OrqKnowledgeRetriever
    from orq_router_integrations.testing import OfflineRouter
    from orq_router_integrations.tools.image import OrqImageTool
    from orq_router_integrations.tools.image_result import ImageResult
    from orq_router_integrations.tools.speech import OrqSpeechTool
    from orq_router_integrations.tools.speech_result import Speech
    from orq_router_integrations.wire.controls import RouterControls

    __all__ = [
        "ChatOrq",
        "ImageResult",
        "OfflineRouter",
        "OrqAudioParser",
        "OrqDecisionModel",
        "OrqEmbeddings",
        "OrqImageTool",
        "OrqKnowledgeRetriever",
        "OrqModeration",
        "OrqModerationMiddleware",
        "OrqOCRLoader",
        "OrqOCRParser",
        "OrqRerank",
        "OrqSpeechTool",
        "OrqTranscriptionLoader",
        "OrqTranslationLoader",
        "Pace",
        "Provenance",
        "RouterClient",
        "RouterControls",
        "RouterError",
        "Speech",
        "__version__",
        "content_block",
        "init_orq_chat_model",
        "to_srt",
        "to_vtt",
        "track_usage",
    ]

_MODULES = {
    "ChatOrq": "chat_models.chat_orq",
    "ImageResult": "tools.image_result",
    "OfflineRouter": "testing",
    "OrqAudioParser": "document_loaders.audio",
    "OrqDecisionModel": "decisions",
    "OrqEmbeddings": "embeddings",
    "OrqImageTool": "tools.image",
    "OrqKnowledgeRetriever": "retriever",
    "OrqModeration": "moderation",
    "OrqModerationMiddleware": "moderation_middleware",
    "OrqOCRLoader": "document_loaders.ocr",
    "OrqOCRParser": "document_loaders.ocr",
    "OrqRerank": "rerank",
    "OrqSpeechTool": "tools.speech",
    "OrqTranscriptionLoader": "document_loaders.audio",
    "OrqTranslationLoader": "document_loaders.audio",
    "Pace": "_http.pace",
    "Provenance": "chat_models.response_metadata",
    "RouterClient": "client",
    "RouterControls": "wire.controls",
    "RouterError": "errors",
    "Speech": "tools.speech_result",
    "content_block": "media.content_block",
    "init_orq_chat_model": "chat_models.chat_orq",
    "to_srt": "document_loaders.subtitles",
    "to_vtt": "document_loaders.subtitles",
    "track_usage": "chat_models.usage_callback",
}


def __getattr__(name: str) -> Any:
    if name == "__all__":  # read by ``import *``
        return [public_name for public_name in __dir__() if _is_available(public_name)]
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def _is_available(name: str) -> bool:
    """Return whether the packages that a name requires are installed."""
    try:
        return hasattr(sys.modules[__name__], name)
    except ImportError:
        return False


def __dir__() -> list[str]:
    return sorted([*_MODULES, "__version__"])

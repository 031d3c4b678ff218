"""LangChain integrations for the orq.ai AI Router.

Names are imported when they are first used, so that ``import orq_router_integrations`` is fast.
"""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from orq_router_integrations._version import __version__ as __version__

if TYPE_CHECKING:
    from orq_router_integrations._http.pace import Pace as Pace
    from orq_router_integrations.chat_models.chat_orq import ChatOrq as ChatOrq
    from orq_router_integrations.chat_models.chat_orq import (
        init_orq_chat_model as init_orq_chat_model,
    )
    from orq_router_integrations.chat_models.response_metadata import Provenance as Provenance
    from orq_router_integrations.chat_models.usage_callback import track_usage as track_usage
    from orq_router_integrations.client import RouterClient as RouterClient
    from orq_router_integrations.decisions import OrqDecisionModel as OrqDecisionModel
    from orq_router_integrations.document_loaders.audio import OrqAudioParser as OrqAudioParser
    from orq_router_integrations.document_loaders.audio import (
        OrqTranscriptionLoader as OrqTranscriptionLoader,
    )
    from orq_router_integrations.document_loaders.audio import (
        OrqTranslationLoader as OrqTranslationLoader,
    )
    from orq_router_integrations.document_loaders.documents import to_srt as to_srt
    from orq_router_integrations.document_loaders.documents import to_vtt as to_vtt
    from orq_router_integrations.document_loaders.ocr import OrqOCRLoader as OrqOCRLoader
    from orq_router_integrations.document_loaders.ocr import OrqOCRParser as OrqOCRParser
    from orq_router_integrations.embeddings import OrqEmbeddings as OrqEmbeddings
    from orq_router_integrations.errors import RouterError as RouterError
    from orq_router_integrations.media.content_block import content_block as content_block
    from orq_router_integrations.moderation import OrqModeration as OrqModeration
    from orq_router_integrations.moderation_middleware import (
        OrqModerationMiddleware as OrqModerationMiddleware,
    )
    from orq_router_integrations.rerank import OrqRerank as OrqRerank
    from orq_router_integrations.retriever import OrqKnowledgeRetriever as OrqKnowledgeRetriever
    from orq_router_integrations.testing import OfflineRouter as OfflineRouter
    from orq_router_integrations.tools.image import OrqImageTool as OrqImageTool
    from orq_router_integrations.tools.image_result import ImageResult as ImageResult
    from orq_router_integrations.tools.speech import OrqSpeechTool as OrqSpeechTool
    from orq_router_integrations.tools.speech_result import Speech as Speech
    from orq_router_integrations.wire.controls import RouterControls as RouterControls

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
    "to_srt": "document_loaders.documents",
    "to_vtt": "document_loaders.documents",
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

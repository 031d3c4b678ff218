"""Large batches: result stores, and rows for distributed engines."""

from orq_router_integrations.batch.chat_rows import ChatRows
from orq_router_integrations.batch.embedding_rows import EmbeddingRows
from orq_router_integrations.batch.media_rows import ImageRows, TranscriptRows
from orq_router_integrations.batch.rows import AsyncRows
from orq_router_integrations.batch.store import ResultStore

__all__ = [
    "AsyncRows",
    "ChatRows",
    "EmbeddingRows",
    "ImageRows",
    "ResultStore",
    "TranscriptRows",
]

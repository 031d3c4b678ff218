"""Helpers for tests of the audio loaders."""

from typing import Any

from conformance.documents import get_texts
from langchain_core.document_loaders import BaseLoader

from orq_router_integrations import OfflineRouter, OrqTranscriptionLoader

WHISPER = "openai/whisper-1"


def create_loader(
    source: Any, router: OfflineRouter | None = None, **options: Any
) -> OrqTranscriptionLoader:
    """Create a loader that uses an offline router, unless a client is passed."""
    options = {"model": WHISPER} | options
    if "client" not in options:
        options["client"] = (router or OfflineRouter()).client()
    return OrqTranscriptionLoader(source=source, **options)


def load_texts(loader: BaseLoader) -> list[str]:
    return get_texts(loader.load())

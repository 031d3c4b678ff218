"""LangChain's ``CacheBackedEmbeddings`` around ``OrqEmbeddings``."""

import pytest
from langchain_core.stores import InMemoryByteStore

from orq_router_integrations import OfflineRouter, OrqEmbeddings

classic = pytest.importorskip("langchain_classic.embeddings")

MODEL = "openai/text-embedding-3-small"


def test_each_text_is_embedded_once() -> None:
    router = OfflineRouter()
    cached = classic.CacheBackedEmbeddings.from_bytes_store(
        OrqEmbeddings(MODEL, dimensions=16, client=router.client()),
        InMemoryByteStore(),
        namespace=MODEL,
        key_encoder="sha256",
    )
    first = cached.embed_documents(["red", "blue"])
    assert cached.embed_documents(["blue", "red", "green"])[:2] == first[::-1]
    assert [call.body["input"] for call in router.log] == [["red", "blue"], ["green"]]

"""Requests for embeddings, rerank, OCR and knowledge bases, compared with the vendor's SDK."""

from typing import Any

import pytest
from support.scans import create_pdf
from support.schema_loss import find_lost_fields

from orq_router_integrations import (
    OfflineRouter,
    OrqEmbeddings,
    OrqKnowledgeRetriever,
    OrqOCRLoader,
    OrqRerank,
)

models = pytest.importorskip(
    "orq_ai_sdk.models", reason="the vendor's SDK is not installed: pip install '.[interop]'"
)

V2 = "https://offline.invalid/v2/router"
RERANK = "cohere/rerank-v3.5"
CONTROLS: dict[str, Any] = {
    "retry": {"count": 2, "on_codes": [429]},
    "timeout": {"call_timeout": 5000},
    "cache": {"ttl": 60},
    "name": "n",
    "identity": {"id": "u1"},
}


@pytest.fixture
def router() -> OfflineRouter:
    return OfflineRouter(knowledge_bases={"kb": ["A red boat"]})


@pytest.fixture
def client(router: OfflineRouter) -> Any:
    return router.client(base_url=V2)


def find_lost(schema: Any, router: OfflineRouter) -> list[str]:
    (request,) = router.requests
    return find_lost_fields(schema, request.body)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fields of the schema are deprecated
@pytest.mark.parametrize("options", [{}, {"dimensions": 8, "encoding_format": "float"}], ids=str)
def test_embeddings_request_matches_the_schema(
    router: OfflineRouter, client: Any, options: dict[str, Any]
) -> None:
    controls = CONTROLS | {"fallbacks": ["azure/text-embedding-3-small"]}
    model = OrqEmbeddings("openai/text-embedding-3-small", client=client, **options)
    model.embed(["Hi"], controls=controls)
    assert find_lost(models.CreateEmbeddingRequestBody, router) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_rerank_request_matches_the_schema(router: OfflineRouter, client: Any) -> None:
    controls = CONTROLS | {"plugins": [{"id": "pii_redaction", "entities": ["EMAIL_ADDRESS"]}]}
    OrqRerank(RERANK, client=client).rerank("Hi", ["a"], top_n=1, controls=controls)
    assert find_lost(models.CreateRerankRequestBody, router) == []


@pytest.mark.parametrize("options", [{}, {"pages": [0], "min_image_size": 5}], ids=str)
def test_ocr_request_matches_the_schema(
    router: OfflineRouter, client: Any, options: dict[str, Any]
) -> None:
    pdf = create_pdf("Hello")
    OrqOCRLoader(pdf, model="mistral/mistral-ocr-latest", client=client, **options).load()
    assert find_lost(models.PostV2RouterOcrRequestBody, router) == []


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"k": 3, "threshold": 0.1, "search_type": "keyword_search"},
        {"rerank": {"model": RERANK, "threshold": 0.2, "top_k": 5}},
        {"filter": {"year": {"exists": True}, "lang": {"in": ["nl", "en"]}}},
        {"filter": {"and": [{"year": {"gte": 2025}}, {"year": {"lt": 2027}}]}},
    ],
    ids=["plain", "options", "rerank", "filter", "combined filter"],
)
def test_knowledge_search_matches_the_schema(
    router: OfflineRouter, client: Any, options: dict[str, Any]
) -> None:
    OrqKnowledgeRetriever("kb", client=client, **options).invoke("Hi")
    assert find_lost(models.SearchKnowledgeRequest, router) == []

"""The endpoint POST /rerank."""

from typing import Annotated, Any

from pydantic import Field

from orq_router_integrations.testing.answering.message import estimate_tokens
from orq_router_integrations.testing.retrieval.similarity import compute_similarity
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.wire.endpoints import RERANK
from orq_router_integrations.wire.model_kinds import get_model_kind

MAX_DOCUMENTS = 1000


class RerankRequest(EndpointRequest):
    query: str
    documents: Annotated[list[str], Field(max_length=MAX_DOCUMENTS)]
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool = False
    filename: str | None = None

    @property
    def is_cacheable(self) -> bool:
        return True


class RerankEndpoint(EndpointHandler[RerankRequest]):
    """Scores documents by the words that they share with the query."""

    endpoint = RERANK
    schema = RerankRequest

    def respond(self, request: RerankRequest, model: str) -> RouterResponse:
        if get_model_kind(model) not in {"rerank", None}:
            raise HTTPError(400, f"{model} does not support rerank", param="model")
        scores = [compute_similarity(request.query, text) for text in request.documents]
        order = sorted(range(len(scores)), key=lambda index: -scores[index])
        results = [
            _create_result(request, index, scores[index]) for index in order[: request.top_n]
        ]
        tokens = sum(map(estimate_tokens, [request.query, *request.documents]))
        body = {"object": "list", "results": results, "usage": {"total_tokens": tokens}}
        return RouterResponse(body)


def _create_result(request: RerankRequest, index: int, score: float) -> dict[str, Any]:
    result = {"object": "rerank", "index": index, "relevance_score": round(score, 6)}
    document = {"document": {"text": request.documents[index]}}
    return result | (document if request.return_documents else {})
